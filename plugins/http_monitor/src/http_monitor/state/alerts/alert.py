"""Alert: something that is wrong now, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent_core.api import Severity

MAX_ERROR_CHARACTERS: Final = 160
MAX_NAMES: Final = 3


@dataclass(frozen=True, slots=True)
class Alert:
    """``code`` is stable, for scripts; ``subject`` is the id of a sink, source, device or group, or the agent's name.

    A critical alert makes health answer 503.
    """

    severity: Severity
    code: str
    subject: str
    message: str
    next_step: str
    since_seconds: float = 0.0


Grown = Callable[[str, int], int]
"""``(counter, total)`` -> by how much it grew within the last five minutes."""


def sentence(step: str) -> str:
    """A next step as it is shown."""
    return step[:1].upper() + step[1:].rstrip(".:") + "."


def short(error: str | None) -> str:
    """An error's message on one line, shortened: all of it is in the log and on the sink or group itself."""
    text = " ".join((error or "").split())
    return text if len(text) <= MAX_ERROR_CHARACTERS else f"{text[:MAX_ERROR_CHARACTERS]}..."


def names(every: Sequence[str]) -> str:
    """``A, B, C and 7 more``."""
    shown = ", ".join(every[:MAX_NAMES])
    return f"{shown} and {len(every) - MAX_NAMES} more" if len(every) > MAX_NAMES else shown


def reasons(counts: Mapping[str, int]) -> str:
    """Those that count anything."""
    return ", ".join(reason for reason, count in sorted(counts.items()) if count)


def several(number: int, noun: str) -> str:
    """``1 record``, ``1,234 records``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
