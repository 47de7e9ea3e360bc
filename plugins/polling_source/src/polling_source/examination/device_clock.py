"""DeviceClock: how far the clock of a PLC is from ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from agent_core.api import Finding, Severity

TOLERATED_SECONDS: Final = 2.0
"""S7 and MC tell whole seconds, and the answer takes its time."""

ZONE_STEP_SECONDS: Final = 900
"""Time zones differ by quarters of an hour."""


def clock_finding(subject: str, shown: datetime, now_ns: int) -> Finding:
    """``shown``: what the PLC's clock showed at ``now_ns`` (UTC ns); without a time zone it is taken for local time."""
    seconds = shown.timestamp() - now_ns / 1e9
    if abs(seconds) <= TOLERATED_SECONDS:
        return Finding(Severity.OK, subject, f"its clock is {_direction(seconds)}")
    step = "set the PLC's clock, or give both the same time server; the agent's records do not depend on it"
    steps = round(seconds / ZONE_STEP_SECONDS)
    if shown.tzinfo is None and steps and abs(seconds - steps * ZONE_STEP_SECONDS) <= TOLERATED_SECONDS:
        here = datetime.fromtimestamp(now_ns / 1e9, UTC).astimezone().tzname()
        step = f"it may run in another time zone than this machine ({here})"
    return Finding(Severity.WARNING, subject, f"its clock is {_direction(seconds)}: {shown:%Y-%m-%d %H:%M:%S}", step)


def _direction(seconds: float) -> str:
    return f"{abs(seconds):.1f} s {'ahead' if seconds > 0 else 'behind'}"
