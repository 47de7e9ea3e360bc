"""RefusalFile: a refused log-in on disk, so that neither a restart nor the doctor repeats it.

It holds no secret. Of the password there are two bytes of a salted, slow hash: enough to see that it has changed, but
one in 65,536 of all passwords matches, so the file does not help to guess it.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from agent_core.api.files.private import make_private_folder
from agent_core.api.files.whole_file import read_whole_text

_ROUNDS: Final = 300_000
_DIGEST_BYTES: Final = 2
_NS: Final = 1_000_000_000
_LARGEST_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """A refused log-in, the ``count``-th in a row with the same password. The next follows after ``pause_seconds``."""

    refused_at_ns: int
    pause_seconds: float
    count: int
    code: str | None
    message: str
    salt: str
    digest: str

    @classmethod
    def of(
        cls, password: str, *, refused_at_ns: int, pause_seconds: float, count: int, code: str | None, message: str
    ) -> LoginRefusal:
        """Keeps only what is needed to see that ``password`` has changed."""
        salt = secrets.token_hex(16)
        return cls(refused_at_ns, pause_seconds, count, code, message, salt, _digest(password, salt))

    def concerns(self, password: str) -> bool:
        """True if it was this password; takes some tenths of a second."""
        return secrets.compare_digest(self.digest, _digest(password, self.salt))

    def left_seconds(self, now_ns: int, longest_seconds: float) -> float:
        """What is left of the pause; 0 if the clock was set back, because then it is unknown."""
        since = (now_ns - self.refused_at_ns) / _NS
        return max(0.0, min(self.pause_seconds, longest_seconds) - since) if since >= 0 else 0.0


def _digest(password: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", password.encode(), bytes.fromhex(salt), _ROUNDS, _DIGEST_BYTES).hex()


class RefusalFile:
    """The last refusal of one account, in the agent's ``state_dir``. Losing it costs one more log-in."""

    def __init__(self, state_dir: Path, dsn: str, user: str) -> None:
        account = hashlib.sha256(f"{dsn}\n{user}".encode()).hexdigest()
        self.path = state_dir / f"refused-log-in-{account[:16]}.json"

    def read(self) -> LoginRefusal | None:
        """None if there is none, or it cannot be read."""
        try:
            stored = json.loads(read_whole_text(self.path, _LARGEST_BYTES))
            return LoginRefusal(
                refused_at_ns=int(stored["refused_at_ns"]),
                pause_seconds=float(stored["pause_seconds"]),
                count=int(stored["count"]),
                code=None if stored["code"] is None else str(stored["code"]),
                message=str(stored["message"]),
                salt=bytes.fromhex(stored["salt"]).hex(),
                digest=bytes.fromhex(stored["digest"]).hex(),
            )
        except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
            return None

    def keep(self, refusal: LoginRefusal) -> None:
        """Written to a temporary file, for its owner only, and moved into place. Does nothing if that fails."""
        with suppress(OSError):
            make_private_folder(self.path.parent)
            handle, temporary = tempfile.mkstemp(prefix=self.path.stem, suffix=".new", dir=self.path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(asdict(refusal), file)
                Path(temporary).replace(self.path)
            except BaseException:
                with suppress(OSError):
                    Path(temporary).unlink()
                raise

    def forget(self) -> None:
        """A log-in succeeded."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
