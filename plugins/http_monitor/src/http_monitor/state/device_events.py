"""DeviceEvents: when a device stopped answering and when it came back, and what became of sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent_core.api import GroupState, GroupStatus, SourceState, SourceStatus
from http_monitor.state.journal import EntryKind, Journal

Device = tuple[str, str]
"""The ids of its source and its own."""


def device_of(group: GroupStatus) -> Device:
    """The one that the group polls."""
    return group.source_id, group.device_id


class DeviceEvents:
    """Compares what it is shown with what it was shown before. Used from one thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._away_since: dict[Device, float] = {}
        self._sources: dict[str, SourceState] = {}

    def follow(self, sources: Sequence[SourceStatus], groups: Sequence[GroupStatus], now_seconds: float) -> None:
        """Note what has changed. ``now_seconds`` is monotonic."""
        waiting = [group for group in groups if group.state is GroupState.BACKING_OFF]
        away = Counter(map(device_of, waiting))
        asked = {device_of(group) for group in groups if group.state is not GroupState.STOPPED}
        for device, count in away.items():
            if device not in self._away_since:
                self._away_since[device] = now_seconds
                errors = [one.last_error for one in waiting if device_of(one) == device]
                error = next(filter(None, errors), "")
                detail = f": {' '.join(error.split())}" if error else ""
                held_up = f"{count} group{'s' if count > 1 else ''}"
                self._journal.note(EntryKind.DEVICE, device[1], f"does not answer, {held_up} not collected{detail}")
        for device in set(self._away_since) - set(away):
            seconds = now_seconds - self._away_since.pop(device)
            back = f"answers again after {seconds:.0f} s" if device in asked else "is not asked any more"
            self._journal.note(EntryKind.DEVICE, device[1], back)
        for source in sources:
            old = self._sources.get(source.source_id, SourceState.RUNNING)
            self._sources[source.source_id] = source.state
            if source.state is not old:
                problem = f": {source.problem}" if source.problem else ""
                self._journal.note(EntryKind.SOURCE_STATE, source.source_id, f"{old} -> {source.state}{problem}")
