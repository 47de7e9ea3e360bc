"""Plan: how a source is going to read its devices, told before anything is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from agent_core.api.control import GroupMode
from agent_core.api.errors import ConfigProblem


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """One request of a poll; ``what`` names it in the protocol's words (``hr 100 to 224``).

    ``words``: 16-bit words it brings, ``wasted_words`` of them for no tag; both 0 where a protocol reads items.
    """

    what: str
    tags: int
    words: int = 0
    wasted_words: int = 0


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """One poll of one group. ``trigger_bit`` is read every ``interval_seconds`` where there is one.

    ``scan_seconds`` is an estimate: nothing was asked yet.
    """

    group_id: str
    device_id: str
    mode: GroupMode
    interval_seconds: float | None
    trigger_bit: str | None
    tags: int
    requests: tuple[PlannedRequest, ...]
    scan_seconds: float

    @property
    def words(self) -> int:
        """16-bit words that one poll brings."""
        return sum(request.words for request in self.requests)

    @property
    def wasted_words(self) -> int:
        """Those of them that belong to no tag."""
        return sum(request.wasted_words for request in self.requests)


@dataclass(frozen=True, slots=True)
class PlannedDevice:
    """One device and the groups that are polled from it, over ``connections`` connections at a time."""

    device_id: str
    driver: str
    connections: int
    groups: tuple[PlannedGroup, ...]

    @property
    def scan_seconds(self) -> float:
        """One poll of each group, one after the other: an estimate."""
        return sum(group.scan_seconds for group in self.groups)

    @property
    def busy_share(self) -> float:
        """Which part of the time each connection is used by the groups with a schedule: an estimate."""
        scheduled = (
            group.scan_seconds / group.interval_seconds
            for group in self.groups
            if group.interval_seconds and group.mode is GroupMode.FIXED
        )
        return sum(scheduled) / self.connections


@runtime_checkable
class Plannable(Protocol):
    """Optional on a source: what ``tagferry check`` asks it before anything is opened. Pure apart from local files."""

    def check(self) -> Sequence[ConfigProblem]:
        """What JSON Schema and ``agent_check_config`` cannot see, such as addresses that only the driver understands.

        The paths of problems start at the source's ``config:``.
        """

    def plan(self) -> Sequence[PlannedDevice]:
        """How the source will read. Raises ConfigError when ``check`` finds an error."""

    def plan_report(self) -> Sequence[str]:
        """The same as lines for a person. Raises ConfigError when ``check`` finds an error."""
