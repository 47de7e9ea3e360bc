"""Ending: how a session ended while rows were inserted, and whether one of the rows may be the reason."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from oracle_sink.session.codes import CALL_TIMEOUT, Action
from oracle_sink.session.errors import action_of, code_of, text_of

_ORA: Final = re.compile(r"\bORA-\d{4,5}\b")
_CRASHES: Final = frozenset({"ORA-00600", "ORA-00602", "ORA-00603", "ORA-07445"})
_CUTS: Final = frozenset(
    {"ORA-03113", "ORA-03114", "ORA-03135", "ORA-12537", "ORA-12547", "ORA-12570", "ORA-12571", "ORA-12583"}
)


class Ending(Enum):
    """What is known of the reason."""

    CRASHED = "the server process failed and said so"
    CUT = "the connection was lost, which a network does as well"
    OTHER = "somebody ended it: a DBA, a limit, a shutdown"


def ending_of(error: BaseException | None) -> Ending | None:
    """How a call ended its session; None if it did not. In Thin mode the database's code is in DPY-4011's text."""
    if error is None:
        return None
    code = code_of(error)
    if code == CALL_TIMEOUT or (code is not None and action_of(code) is not Action.RECONNECT):
        return None
    return ending_named(f"{code}: {text_of(error)}")


def ending_named(text: str) -> Ending:
    """The same by the codes in a message."""
    codes = set(_ORA.findall(text))
    if codes & _CRASHES:
        return Ending.CRASHED
    return Ending.CUT if codes <= _CUTS else Ending.OTHER
