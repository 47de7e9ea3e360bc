"""Errors: what each code of the database or the driver means for a batch, as data.

Codes are matched, not exception classes: the driver raises ORA-01438 as IntegrityError and ORA-12899 as DatabaseError.
Nor is the driver's ``isrecoverable`` used: it is False for a refused connection, a deadlock and a call time-out.
"""

from __future__ import annotations

import re
import ssl
from enum import Enum
from typing import Final

from agent_core.api import AuthenticationError, ConfigurationError, RetryableError, SinkError


class Action(Enum):
    """What is done about a code."""

    REJECT = "the row was refused for its content"
    RECONNECT = "the connection is lost"
    BACK_OFF = "the database is unreachable or busy"
    THROTTLE = "the database is full or read-only"
    LOCK_OUT = "the credentials or grants were refused"
    MISCONFIGURED = "the table, a column or an option is wrong"
    TRIGGER = "raised by the plant's own code in the database"
    UNKNOWN = "not in the table"


def _ora(*numbers: int) -> tuple[str, ...]:
    return tuple(f"ORA-{number:05}" for number in numbers)


def _dpy(*numbers: int) -> tuple[str, ...]:
    return tuple(f"DPY-{number:04}" for number in numbers)


DUPLICATE: Final = "ORA-00001"
NO_TABLE: Final = "ORA-00942"
NO_CONNECTION: Final = "DPY-6005"
CALL_TIMEOUT: Final = "DPY-4024"
ROLLED_BACK: Final = "ORA-02091"
"""The answer to COMMIT is that the transaction was rolled back: the only failed commit that is not ambiguous."""

NULL_REFUSED: Final = frozenset(_ora(1400, 1407))
WRONG_CREDENTIALS: Final = "ORA-01017"
EXPIRES_SOON: Final = "ORA-28002"

CLIENT_ENCODING: Final = frozenset(_dpy(3002, 3003, 3013, 4003, 4004, 4009, 4010))
"""Raised by the driver before anything is sent: the whole batch fails, and no offset says which row failed."""

# Sources: the database's error messages, and the tables in python-oracledb's errors.py. In Thin mode the driver turns
# errors that end a session (ORA-00028, ORA-03113, ORA-00600 ...) into DPY-4011; in Thick mode it does not.
_TABLE: Final[dict[Action, tuple[str, ...]]] = {
    Action.REJECT: (
        *_ora(1400, 1401, 1402, 1407, 1426, 1438, 1461, 1722, 1830, 1841, 1843, 1847, 1858, 1861),
        *_ora(2290, 2291, 12713, 12899, 14300, 14400, 14401, 28115),
        *CLIENT_ENCODING,
    ),
    Action.RECONNECT: (
        *_ora(28, 600, 603, 609, 1012, 1092, 2396, 3113, 3114, 3135, 7445, 12571),
        *_dpy(1001, 1002, 4011, 4033, 5000, 5001, 5002, 5003, 5004, 5005, 5006),
        "DPI-1010",
        "DPI-1080",
    ),
    Action.BACK_OFF: (
        # connecting
        *_ora(18, 20, 1033, 1034, 1035, 1089, 1090, 1109, 2391, 12170, 12514, 12516, 12518, 12519, 12520, 12521),
        *_ora(12526, 12527, 12528, 12535, 12537, 12541, 12543, 12545, 12547, 12560, 12757, 28547),
        *_dpy(4005, 6000, 6001, 6003, 6004, 6005),
        # executing
        *_ora(54, 60, 1013, 1555, 2049, 4020, 4021, 4061, 4065, 4068, 8177, 25402, 25408),
        CALL_TIMEOUT,
        "DPI-1067",
    ),
    Action.THROTTLE: _ora(257, 1536, 1631, 1632, 1652, 1653, 1654, 1658, 1688, 1691, 4030, 4031, 16000, 19809, 30036),
    Action.LOCK_OUT: (*_ora(1017, 1031, 1045, 1950, 28000, 28001, 28003), *_dpy(2033, 3015, 4001)),
    Action.MISCONFIGURED: (
        *_ora(904, 913, 942, 947, 2289, 4063, 4091, 4098, 6508, 8004, 12154, 38913),
        *_dpy(2017, 2018, 2019, 2049, 2053, 3001, 3010, 4000, 4017, 4018, 4021, 4026, 4027, 6002, 6006),
        "DPI-1047",
        "DPI-1072",
    ),
    Action.TRIGGER: (*_ora(4088), *_ora(*range(20000, 21000))),
}
_ACTIONS: Final = {code: action for action, codes in _TABLE.items() for code in codes}

DOUBTFUL: Final = frozenset({Action.TRIGGER, Action.UNKNOWN})
"""For one row these mean that it was refused; for every row, perhaps that the table is broken. See Doubt."""

_NEXT_STEP: Final = {
    "ORA-00257": "free or enlarge the archive log destination",
    "ORA-00942": "check table:, or ask for SELECT and INSERT on it",
    "ORA-00904": "check columns: against the table",
    "ORA-00600": "ask the DBA for the trace file",
    "ORA-01017": "check user: and password:; a new password needs no restart",
    "ORA-01031": "ask the DBA for SELECT and INSERT on the table",
    "ORA-01045": "ask the DBA for CREATE SESSION",
    "ORA-01400": "map the column in columns:, or give it a DEFAULT",
    "ORA-01536": "ask the DBA for quota on the tablespace",
    "ORA-01653": "ask the DBA to extend the tablespace",
    "ORA-01950": "ask the DBA for quota on the tablespace",
    "ORA-02289": "check the sequence in columns:",
    "ORA-04091": "ask the DBA to fix the trigger: it reads the table that it belongs to",
    "ORA-04098": "ask the DBA to fix and compile the trigger",
    "ORA-08004": "ask the DBA to raise the sequence's MAXVALUE",
    "ORA-12154": "check dsn: and config_dir: (tnsnames.ora)",
    "ORA-16000": "the database is open read-only: point dsn: at the primary",
    "ORA-28000": "ask the DBA to unlock the account",
    "ORA-28001": "change the password in the database and in password:",
    "DPI-1047": "install Oracle Client, or correct thick: lib_dir:",
    "DPY-2019": "a process is either thin or thick: set the same thick: for every oracle_sink",
    "DPY-3001": "the database requires a feature of Thick mode: set thick:",
    "DPY-3010": "the database is older than 12.1: set thick:",
    "DPY-3015": "the account has only an old password verifier: set its password again, or set thick:",
    "DPY-2049": "write dsn: as host:port/service",
    "DPY-4000": "check dsn: and config_dir: (tnsnames.ora)",
    "DPY-4026": "tnsnames.ora was not found: check config_dir:",
    "DPY-4027": "set config_dir: to the folder of tnsnames.ora, or write dsn: as host:port/service",
    "DPY-6001": "check the service name in dsn:; a starting database registers it within a minute",
    "DPY-6002": "the server's certificate is for another name: check the address in dsn:",
    "DPY-6005": "check host and port in dsn:, and whether the listener runs (lsnrctl status)",
}

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


def action_of(code: str | None) -> Action:
    """What the table says about a code."""
    return _ACTIONS.get(code, Action.UNKNOWN) if code is not None else Action.UNKNOWN


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
    action = action_of(code)
    if action is Action.LOCK_OUT and not ambiguous:
        return AuthenticationError(message, code=code, next_step=step)
    if action is Action.MISCONFIGURED and not ambiguous:
        return ConfigurationError(message, code=code, next_step=step)
    throttle = action is Action.THROTTLE
    return RetryableError(message, code=code, throttle=throttle, ambiguous=ambiguous, next_step=step)


def next_step(code: str | None, text: str = "") -> str | None:
    """What to do about a code, or about the first known code in a message that contains others."""
    return _NEXT_STEP.get(code or "") or next((s for c in _CODE.findall(text) if (s := _NEXT_STEP.get(c))), None)


def violated_constraint(message: str) -> str | None:
    """``OWNER.NAME`` in the first line of an ORA-00001 (23ai adds table, columns and an ORA-03301 line)."""
    found = _CONSTRAINT.search(message.partition("\n")[0])
    return found[1] if found else None


def refused_column(message: str) -> str | None:
    """The column in ``cannot insert NULL into ("OWNER"."TABLE"."COLUMN")``."""
    found = _COLUMN.search(message)
    return found[1] if found else None


def connection_is_lost(code: str | None) -> bool:
    """True if the connection cannot be used again: it is lost, or answers to an old call may still come.

    It is lost if there is no code (an OSError). After a call time-out the session may still be busy, so it is dropped.
    """
    return code is None or code == CALL_TIMEOUT or action_of(code) is Action.RECONNECT
