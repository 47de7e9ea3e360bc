"""Errors: what the driver raised, as an error of the contract.

Codes are matched, not exception classes: the driver raises ORA-01438 as IntegrityError and ORA-12899 as DatabaseError.
Nor is the driver's ``isrecoverable`` used: it is False for a refused connection, a deadlock and a call time-out.
"""

from __future__ import annotations

import re
import ssl
from typing import Final

from agent_core.api import AuthenticationError, ConfigurationError, RetryableError, SinkError
from oracle_sink.session.codes import ACTIONS, DUPLICATE, NEXT_STEPS, NO_CONNECTION, NO_PARTITION, WRAPPERS, Action

DOUBTFUL: Final = frozenset({Action.TRIGGER, Action.UNKNOWN})
"""Codes of which nobody knows whether they will come again for the same row: it is retried before it is rejected."""

_INSIDE: Final = ACTIONS | {DUPLICATE: Action.REJECT}
_CODE: Final = re.compile(r"\b(?:ORA|DPY|DPI)-\d{4,5}\b")
_NOISE: Final = re.compile(r"\n?Help: https?://\S+| \(CONNECTION_ID=[^)]*\)")
_CONSTRAINT: Final = re.compile(r"\(([^()]+)\)")
_COLUMN: Final = re.compile(r'\((?:"[^"]+"\.)*"([^"]+)"\)')


def code_of(error: BaseException) -> str | None:
    """The full code (``ORA-01653``, ``DPY-4011``) of what the driver raised; None if it has none.

    A failed connection is DPY-6005 whatever the reason; if the reason has a code, that one is returned.
    """
    details = error.args[0] if error.args else None
    code = getattr(details, "full_code", None)
    if not isinstance(code, str) or not code:
        return None
    if code == NO_CONNECTION and error.__cause__ is not None:
        return code_of(error.__cause__) or code
    return code


def text_of(error: BaseException) -> str:
    """The message on one line, without what changes from call to call; for a failed connection, its reason."""
    details = error.args[0] if error.args else None
    if getattr(details, "full_code", None) == NO_CONNECTION and error.__cause__ is not None:
        return text_of(error.__cause__)
    text = getattr(details, "message", None) or str(error) or type(error).__name__
    return one_line(text)


def one_line(text: str) -> str:
    """A message of the database or the driver on one line, without help links and connection ids."""
    return "; ".join(line.strip() for line in _NOISE.sub("", text).splitlines() if line.strip())


def codes_in(text: str) -> list[str]:
    """All codes that a message names, in their order."""
    return _CODE.findall(text)


def action_of(code: str | None, text: str = "") -> Action:
    """What is done about a code.

    Some codes only wrap another one: then the first known code in ``text``, the message, decides; without one the
    database is to blame. A refusal inside never blames the row alone: it may be the audit trail's row.
    """
    if code in WRAPPERS:
        inner = next((a for c in codes_in(text) if (a := _INSIDE.get(c)) is not None), Action.THROTTLE)
        return Action.TRIGGER if inner is Action.REJECT else inner
    return ACTIONS.get(code, Action.UNKNOWN) if code is not None else Action.UNKNOWN


def translate(error: BaseException, doing: str, *, ambiguous: bool = False) -> SinkError:
    """The error of the contract for one of the driver or the socket.

    ``doing`` says what was attempted, with its object ("log in to db1 as SCOTT"). A code whose action is REJECT,
    TRIGGER or UNKNOWN becomes a RetryableError here: no row is to blame, and the core limits the retries.
    """
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        step = "check wallet_location: and the server's certificate"
        return ConfigurationError(f"{doing}: {text_of(error)} ({step})", code=NO_CONNECTION, next_step=step)
    return failure(code_of(error), text_of(error), doing, ambiguous=ambiguous)


def failure(code: str | None, text: str, doing: str, *, ambiguous: bool = False) -> SinkError:
    """The error of the contract for a code and its message."""
    step = next_step(code, text)
    message = f"{doing}: {text}" + (f" ({step})" if step else "")
    action = action_of(code, text)
    if action is Action.LOCK_OUT and not ambiguous:
        return AuthenticationError(message, code=code, next_step=step)
    if action is Action.MISCONFIGURED and not ambiguous:
        return ConfigurationError(message, code=code, next_step=step)
    throttle = action is Action.THROTTLE
    return RetryableError(message, code=code, throttle=throttle, ambiguous=ambiguous, next_step=step)


def next_step(code: str | None, text: str = "") -> str | None:
    """What to do about a code, or about the first known code in a message that contains others."""
    return NEXT_STEPS.get(code or "") or next((s for c in codes_in(text) if (s := NEXT_STEPS.get(c))), None)


def may_blame_row(code: str | None, text: str = "") -> bool:
    """True if the row that the code came with may be to blame; else the database is, whatever became of others."""
    action = action_of(code, text)
    return action is Action.REJECT or action in DOUBTFUL or code == NO_PARTITION


def violated_constraint(message: str) -> str | None:
    """``OWNER.NAME`` in the first line of an ORA-00001 (23ai adds table, columns and an ORA-03301 line)."""
    found = _CONSTRAINT.search(message.partition("\n")[0])
    return found[1] if found else None


def refused_column(message: str) -> str | None:
    """The column in ``cannot insert NULL into ("OWNER"."TABLE"."COLUMN")``."""
    found = _COLUMN.search(message)
    return found[1] if found else None
