"""Doctor: what ``agent doctor`` finds on the devices of a source: each is connected, and each group read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agent_core.api import Clock, DeviceUnreachable, Driver, Finding, Severity
from polling_source.group import NAMES_IN_A_LOG_LINE, PollGroup
from polling_source.lineup import Lineup

BUSY_SHARE: Final = 0.5
"""A device that is read for more than this share of the time has no room for a slow day."""


def diagnose(lineup: Lineup, clock: Clock) -> Iterator[Finding]:
    """Uses the lineup's own connections, and closes them. Writes nothing."""
    for connection in lineup.connections:
        try:
            yield from _diagnose_device(connection.device, connection.driver, connection.groups, clock)
        finally:
            connection.driver.close()


def _diagnose_device(device: str, driver: Driver, groups: Sequence[PollGroup], clock: Clock) -> Iterator[Finding]:
    subject = f"device {device}"
    begun = clock.monotonic()
    try:
        driver.connect()
    except DeviceUnreachable as error:
        step = "is it switched on, is the address right, does a firewall stand between?"
        yield Finding(Severity.FAILED, subject, str(error), step)
        return
    yield Finding(Severity.OK, subject, f"connected in {_milliseconds(clock.monotonic() - begun)}")
    busy = 0.0
    for group in groups:
        begun = clock.monotonic()
        reading = group.reader.read(begun, clock.time_ns())
        took_seconds = clock.monotonic() - begun
        if reading.error is not None:
            step = "the device accepted the connection; is its protocol enabled, is the unit or station number right?"
            yield Finding(Severity.FAILED, f"group {group.id}", str(reading.error), step)
            return
        if group.interval_seconds and group.bit is None:
            busy += took_seconds / group.interval_seconds
        took = f"{len(group):,} tags in {_milliseconds(took_seconds)}"
        if not reading.bad:
            yield Finding(Severity.OK, f"group {group.id}", took)
            continue
        names = [group.reader.tags[row].name for row in reading.bad]
        reason = next(iter(reading.reasons.values()), "their bytes mean nothing")
        some = ", ".join(names[:NAMES_IN_A_LOG_LINE]) + (" ..." if len(names) > NAMES_IN_A_LOG_LINE else "")
        message = f"{took}, {len(names)} of them BAD: {some} ({reason})"
        yield Finding(Severity.WARNING, f"group {group.id}", message, "check their addresses and data types")
    if busy > BUSY_SHARE:
        message = f"reading its groups takes {busy:.0%} of the time"
        yield Finding(Severity.WARNING, subject, message, "longer intervals, fewer tags, or larger blocks")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
