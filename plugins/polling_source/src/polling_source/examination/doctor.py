"""Doctor: what ``tagferry doctor`` finds on the devices of a source: each is connected, and each block read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from agent_core.api import (
    Clock,
    ClockReader,
    DeviceUnreachable,
    DriverError,
    Finding,
    LoginRefused,
    Severity,
    TagSpec,
    WrongAnswer,
)
from polling_source.engine.group import NAMES_IN_A_LOG_LINE, PollGroup
from polling_source.engine.handshake import TriggerBit
from polling_source.examination.device_clock import clock_finding
from polling_source.lineup import Connection, Lineup
from polling_source.reading.defect import DriverFailed
from polling_source.reading.reading import Request

BUSY_SHARE: Final = 0.5
"""A device that is read for more than this share of the time has no room for a slow day."""

MOST_SILENT: Final = 2
"""After so many requests in a row without an answer the device is given up: each costs a time-out."""

LOGIN_REFUSED: Final = "it is there and refuses us: check user, password and certificate, and its list of users"
WRONG_ANSWER: Final = "something answers, but not as asked: check address, port, protocol, and unit or station number"


def diagnose(lineup: Lineup, clock: Clock) -> Iterator[Finding]:
    """Uses the lineup's own connections, and closes them. Writes nothing."""
    for connection in lineup.connections:
        try:
            yield from _Examination(connection, clock).findings()
        finally:
            with suppress(Exception):
                connection.driver.close()


class _Examination:
    """Of one device, over one connection."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._driver = connection.driver
        self._link = connection.link
        self._groups = connection.groups
        self._clock = clock
        self._subject = f"device {connection.device.id}"
        self._silent_in_a_row = 0
        self._last_error: DeviceUnreachable | None = None
        self._requests = 0
        self._slowest: tuple[float, Request] | None = None

    def findings(self) -> Iterator[Finding]:
        begun = self._clock.monotonic()
        try:
            self._link.connect()
        except DeviceUnreachable as error:
            step = "is it switched on, is the address right, does a firewall stand between?"
            yield Finding(Severity.CRITICAL, self._subject, str(error), _step(error) or step)
            return
        yield Finding(Severity.OK, self._subject, f"connected in {_milliseconds(self._clock.monotonic() - begun)}")
        yield from self._of_clock()
        busy = 0.0
        for group in self._groups:
            begun = self._clock.monotonic()
            yield from self._of_group(group)
            if self._silent_in_a_row >= MOST_SILENT:
                last = self._last_error
                if last is not None and (known := _step(last)) is not None:
                    yield Finding(Severity.CRITICAL, self._subject, str(last), known)
                    return
                step = "it accepts connections; is its protocol enabled, is the unit or station number right?"
                yield Finding(Severity.CRITICAL, self._subject, "it does not answer", step)
                return
            if group.interval_seconds and group.bit is None:
                busy += (self._clock.monotonic() - begun) / group.interval_seconds
        if self._slowest is not None and self._requests > 1:
            seconds, request = self._slowest
            message = f"slowest of {self._requests} requests: {_milliseconds(seconds)} for {_some(request.tags)}"
            yield Finding(Severity.OK, self._subject, f"{message} ({request.what})")
        if self._link.renewals:
            message = f"it closed the connection {self._link.renewals} times between requests, which were repeated"
            yield Finding(Severity.OK, self._subject, message)
        if busy > BUSY_SHARE:
            message = f"reading its groups takes {busy:.0%} of the time"
            yield Finding(Severity.WARNING, self._subject, message, "longer intervals, fewer tags, or larger blocks")

    def _of_clock(self) -> Iterator[Finding]:
        if not isinstance(self._driver, ClockReader):
            return
        begun_ns = self._clock.time_ns()
        try:
            shown = self._link.ask(self._driver.read_clock)
            if shown is None:
                return
            finding = clock_finding(self._subject, shown, (begun_ns + self._clock.time_ns()) // 2)
        except Exception as raised:
            error = raised if isinstance(raised, DriverError) else DriverFailed.after(raised, self._driver)
            finding = Finding(Severity.WARNING, self._subject, f"its clock could not be read: {error}")
        yield finding

    def _of_group(self, group: PollGroup) -> Iterator[Finding]:
        subject = f"group {group.id}"
        begun = self._clock.monotonic()
        bad: dict[str, str] = {}
        silent: list[tuple[Request, DeviceUnreachable]] = []
        try:
            requests = group.reader.requests()
        except DeviceUnreachable as error:
            self._silent_in_a_row = MOST_SILENT
            yield Finding(Severity.CRITICAL, subject, str(error))
            return
        for request in requests:
            asked_at = self._clock.monotonic()
            try:
                bad |= request.attempt(asked_at)
            except DeviceUnreachable as error:
                silent.append((request, error))
                self._last_error = error
                self._silent_in_a_row += 1
                if self._silent_in_a_row >= MOST_SILENT:
                    break
                continue
            self._silent_in_a_row = 0
            self._requests += 1
            took = (self._clock.monotonic() - asked_at, request)
            self._slowest = took if self._slowest is None or took[0] > self._slowest[0] else self._slowest
        for request, silence in silent:
            step = f"look at the addresses of {_some(request.tags)}"
            yield Finding(Severity.CRITICAL, subject, f"{request.what}: {silence}", _step(silence) or step)
        tags = "1 tag" if len(group) == 1 else f"{len(group):,} tags"
        summary = f"{tags} in {_milliseconds(self._clock.monotonic() - begun)}"
        if bad:
            reason = next(iter(bad.values()))
            message = f"{summary}, {len(bad)} of them BAD: {_names(list(bad))} ({reason})"
            busy = any(request.postponed for request in requests)
            step = "the device is busy: try again later" if busy else "check their addresses and data types"
            yield Finding(Severity.WARNING, subject, message, step)
        elif not silent:
            yield Finding(Severity.OK, subject, summary)
        if group.bit is not None:
            yield from self._of_bit(subject, group.bit)

    def _of_bit(self, subject: str, bit: TriggerBit) -> Iterator[Finding]:
        reading = bit.look(self._clock.monotonic(), self._clock.time_ns())
        if reading.error is None and not reading.bad:
            return
        reason = str(reading.error) if reading.error is not None else reading.reason(reading.bad)
        message = f"its trigger bit {bit.tag.address} cannot be read: {reason}"
        yield Finding(Severity.CRITICAL, subject, message, "without it nothing in the PLC triggers the group")


def _step(error: DeviceUnreachable) -> str | None:
    """What to do when it is known that the way to the device is not to blame."""
    if isinstance(error, LoginRefused):
        return LOGIN_REFUSED
    return WRONG_ANSWER if isinstance(error, WrongAnswer) else None


def _some(tags: Sequence[TagSpec]) -> str:
    return tags[0].name if len(tags) == 1 else f"{tags[0].name} and {len(tags) - 1} more"


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_IN_A_LOG_LINE]) + (" ..." if len(names) > NAMES_IN_A_LOG_LINE else "")


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
