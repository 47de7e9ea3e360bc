"""Reading: what one poll of one group brought, whatever kind of driver read it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent_core.api import DriverError, PlannedRequest, TagSpec, Value


@dataclass(frozen=True, slots=True)
class Reading:
    """One value for each tag, in the reader's order.

    ``bad``: positions of the records that could not be read, ascending; their value is None. ``qualities``: one byte
    per record when the protocol has its own, else None (all but ``bad`` are GOOD). ``timestamps_ns``: one per record
    when the protocol has its own, else None. ``error``: what ended the poll early. ``reasons``: why a bad record is
    bad, where known. ``answered_ns``: when the last answer came, UTC ns; None when there was none, or nothing to ask
    for.
    """

    values: Sequence[Value]
    bad: Sequence[int] = ()
    qualities: bytes | None = None
    timestamps_ns: array[int] | None = None
    error: DriverError | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)
    answered_ns: int | None = None

    def reason(self, positions: Sequence[int]) -> str:
        """Why the first of ``positions`` whose reason is known is bad."""
        return next((self.reasons[position] for position in positions if position in self.reasons), "it has no value")


class Request(Protocol):
    """One request of a group's poll, to be tried by itself."""

    @property
    def what(self) -> str:
        """What it asks for, in the protocol's words."""

    @property
    def tags(self) -> Sequence[TagSpec]:
        """The tags it is for."""

    @property
    def postponed(self) -> bool:
        """Whether the device was busy for some of it, in the last attempt."""

    def attempt(self, now: float) -> Mapping[str, str]:
        """Ask, again where it is refused for now, and splitting what is refused as far as it takes; why each tag is
        bad that is, by name.

        Raises DeviceUnreachable.
        """


class Reader(Protocol):
    """Reads the tags of one group. Used by the device's worker alone."""

    @property
    def tags(self) -> Sequence[TagSpec]:
        """The tags, in the order of the values."""

    def plan(self) -> Sequence[PlannedRequest]:
        """The requests of a poll, as far as they are known without the device. Pure."""

    def requests(self) -> Sequence[Request]:
        """The requests of a poll. Connects. Raises DeviceUnreachable."""

    def read(self, now: float, time_ns: int) -> Reading:
        """One poll, begun at ``now`` (monotonic seconds) and ``time_ns`` (UTC ns). Never raises a DriverError."""
