"""Soundness: which errors leave a session as it was.

Only a code that is known to do so keeps the session: a limit of the profile (ORA-02391 to 02399), a switch-over that
made the database read-only (ORA-16000, 16456), or a code that nobody has thought of ends it. A rollback that works
proves nothing there: after most of these, the database allows a rollback, and nothing else. A log-in costs
milliseconds, and there is at most one per attempt; ordinary refusals of rows cost none.
"""

from __future__ import annotations

from typing import Final

from oracle_sink.session.codes import CLIENT_ENCODING, WRAPPERS, Action
from oracle_sink.session.errors import action_of, codes_in

_BUSY: Final = (51, 54, 55, 60, 1555, 1591, 2049, 4020, 4021, 4027, 4061, 4065, 4068, 8177, 14403, 30006)
_NO_SPACE: Final = (
    *(1536, 1562, 1565, 1628, 1631, 1632, 1650, 1652, 1653, 1654, 1655, 1658, 1659, 1680, 1683, 1684, 1685, 1688),
    *(1691, 1692, 3233, 3234, 30032, 30036, 60019, 65114),
)
_SOUND: Final = frozenset(f"ORA-{number:05}" for number in (*_BUSY, *_NO_SPACE, 1, 4031)) | CLIENT_ENCODING
"""The statement was rolled back, or never sent, and nothing else happened."""

_SOUND_ACTIONS: Final = frozenset({Action.REJECT, Action.TRIGGER, Action.MISCONFIGURED})
"""Codes of the database with these speak of the statement or the row."""


def connection_is_lost(code: str | None, text: str = "") -> bool:
    """True unless the code is known to leave the session as it was; also without a code (an OSError).

    Of a code that wraps another, the first one inside ``text``, the message, decides. After a call time-out the session
    may still be busy, and answers to the old call may still come.
    """
    if code in WRAPPERS:
        code = next((inner for inner in codes_in(text) if inner not in WRAPPERS), None)
    if code is None or code in _SOUND:
        return code is None
    return not (code.startswith("ORA-") and action_of(code) in _SOUND_ACTIONS)
