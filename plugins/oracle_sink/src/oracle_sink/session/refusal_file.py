"""RefusalFile: what outlives the process of a refused log-in, so that neither a restart nor the doctor repeats it.

It holds no secret. The password is there as two bytes of a salted, slow hash: enough to tell that it has changed, and
whoever guesses is left with one of each 65,536 passwords as well.
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

_ROUNDS: Final = 300_000
_DIGEST_BYTES: Final = 2
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """A refused log-in. ``count`` in a row were for the same password; ``pause_seconds`` pass before the next."""

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
        """Keeps of ``password`` only what tells that it has changed."""
        salt = secrets.token_hex(16)
        return cls(refused_at_ns, pause_seconds, count, code, message, salt, _digest(password, salt))

    def concerns(self, password: str) -> bool:
        """True when it was this password; takes some tenths of a second."""
        return secrets.compare_digest(self.digest, _digest(password, self.salt))

    def left_seconds(self, now_ns: int, longest_seconds: float) -> float:
        """What is left of the pause. None of it when the clock was set back: then nobody knows."""
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
        """None when there is none, or none that can be read."""
        try:
            stored = json.loads(self.path.read_text(encoding="utf-8"))
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
        """Written beside, for its owner alone, and moved into place. Without effect where that cannot be."""
        with suppress(OSError):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, beside = tempfile.mkstemp(prefix=self.path.stem, suffix=".new", dir=self.path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(asdict(refusal), file)
                Path(beside).replace(self.path)
            except BaseException:
                with suppress(OSError):
                    Path(beside).unlink()
                raise

    def forget(self) -> None:
        """A log-in went through."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
