"""Handshake: what makes a handshake group poll: a person or program who asks, or a bit in the PLC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from agent_core.api import BitWriter, TagSpec, TriggerResult
from polling_source.reading.link import Link
from polling_source.reading.reading import Reader, Reading

MERGE_SECONDS: Final = 1.0
"""Triggers of one group within this time share one poll."""


@dataclass(slots=True)
class Ticket:
    """One request for a poll. ``asked_at``: monotonic seconds; ``result`` is there once the poll has ended."""

    asked_at: float
    result: TriggerResult | None = None


class Triggers:
    """The requests for one group. Every method is called under the worker's lock.

    A request joins the one before when that is less than ``MERGE_SECONDS`` old, or still waits for its poll; one that
    comes later during a poll waits for the next.
    """

    def __init__(self) -> None:
        self.merged = 0
        self._waiting: Ticket | None = None
        self._last: Ticket | None = None

    @property
    def is_waiting(self) -> bool:
        """True when a poll was asked for and has not begun."""
        return self._waiting is not None

    def ask(self, now: float) -> Ticket:
        """Ask for a poll; returns the ticket to wait for."""
        if self._waiting is not None:
            self.merged += 1
            return self._waiting
        if self._last is not None and now - self._last.asked_at < MERGE_SECONDS:
            self.merged += 1
            return self._last
        self._last = self._waiting = Ticket(now)
        return self._waiting

    def take(self) -> Ticket | None:
        """The ticket whose poll begins now."""
        ticket, self._waiting = self._waiting, None
        return ticket

    def give_up(self) -> Ticket | None:
        """The ticket that gets no poll; no later request shares it."""
        self._last = None
        return self.take()


class TriggerBit:
    """A bit in the PLC that asks for a poll. Used by the device's worker alone.

    With a ``writer`` the bit asks as long as it is set, and is reset after the poll; without one its rise from 0 to 1
    asks, so that a bit which is set at the start does not.
    """

    def __init__(self, tag: TagSpec, reader: Reader, link: Link, writer: BitWriter | None) -> None:
        self.tag = tag
        self.is_bad = False
        self.told_bad = False
        """True when the last look could not read the bit."""
        self.reset_owed = False
        """True from the end of a poll until the bit is reset: until then it asks for nothing."""
        self._reader = reader
        self._link = link
        self._writer = writer
        self._was_set: bool | None = None

    def look(self, now: float, time_ns: int) -> Reading:
        """Read the bit: one value."""
        return self._reader.read(now, time_ns)

    def asks(self, is_set: bool) -> bool:
        """Whether a bit that was just read asks for a poll."""
        if self._writer is not None:
            return is_set
        rose = is_set and self._was_set is False
        self._was_set = is_set
        return rose

    def polled(self, success: bool) -> None:
        """The poll it asked for has ended. After one that failed the bit goes on asking, and is not reset."""
        if not success:
            self._was_set = False
        else:
            self.reset_owed = self._writer is not None

    def reset(self) -> None:
        """Write 0, if that is owed. Raises DriverError; then it stays owed."""
        writer = self._writer
        if self.reset_owed and writer is not None:
            self._link.connect()
            self._link.ask(lambda: writer.write_bit(self.tag, False))
            self.reset_owed = False
