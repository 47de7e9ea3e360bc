"""Reading: what one poll of one group brought, whatever kind of driver read it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent_core.api import DriverError, TagSpec, Value


@dataclass(frozen=True, slots=True)
class Reading:
    """One value for each tag, in the reader's order.

    ``bad``: the rows that could not be read, ascending; their value is None. ``qualities``: one byte a row when the
    protocol has its own, else None (all but ``bad`` are GOOD). ``timestamps_ns``: one a row when the protocol has its
    own, else None. ``error``: what ended the poll before its end. ``reasons``: why a bad row is bad, where known.
    """

    values: Sequence[Value]
    bad: Sequence[int] = ()
    qualities: bytes | None = None
    timestamps_ns: array[int] | None = None
    error: DriverError | None = None
    reasons: Mapping[int, str] = field(default_factory=dict)


class Reader(Protocol):
    """Reads the tags of one group. Used by the device's worker alone."""

    @property
    def tags(self) -> Sequence[TagSpec]:
        """The tags, in the order of the values."""

    def describe(self) -> Iterator[str]:
        """One line for each request of a poll."""

    def read(self, now: float, time_ns: int) -> Reading:
        """One poll. ``now``: monotonic seconds; ``time_ns``: the poll's time. Never raises a DriverError."""
