"""Alerts of sources and their groups, by cause: one device that is away is one alert, whatever it holds up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from agent_core.api import AgentStatus, GroupState, GroupStatus, Severity, SourceState, SourceStatus
from http_monitor.state.alerts.alert import Alert, Grown, names, reasons, sentence, several, short
from http_monitor.state.alerts.growth import Growth
from http_monitor.state.device_events import Device, device_of

AFTERMATH_SECONDS: Final = 300.0
"""So long after a device came back, polls that were missed while it was away are no reason to change the interval."""

_SOURCES: Final = {
    SourceState.STARTING: (
        Severity.WARNING,
        "its start has not returned",
        "See the log; check what it connects to. The other sources collect meanwhile.",
    ),
    SourceState.STALE: (
        Severity.CRITICAL,
        "no sign of life for longer than it should",
        "See the log; check what it collects from. Restart the agent if it stays so.",
    ),
    SourceState.FAILED: (
        Severity.CRITICAL,
        "it does not collect any more, or not everything",
        "See the log for why, then restart the agent.",
    ),
}


class PollingAlerts:
    """Remembers which devices were away. Used from one thread at a time."""

    def __init__(self, growth: Growth) -> None:
        self._growth = growth
        self._quiet_until: dict[Device, float] = {}

    def of(
        self, status: AgentStatus, groups: Sequence[GroupStatus], now_seconds: float, grown: Grown
    ) -> Iterator[Alert]:
        """The alerts that stand now. ``now_seconds`` is monotonic."""
        away = {device_of(group) for group in groups if group.state is GroupState.BACKING_OFF}
        for source in status.sources:
            yield from _source_alerts(source, grown, away)
        devices: dict[Device, list[GroupStatus]] = defaultdict(list)
        for group in groups:
            devices[device_of(group)].append(group)
        for device, members in devices.items():
            missed = self._missed(device, members, now_seconds, away=device in away)
            yield from _device_away(device, members) if device in away else _poor_polls(device, members, missed)
        yield from _stopped(status, groups)

    def _missed(
        self, device: Device, groups: Sequence[GroupStatus], now_seconds: float, *, away: bool
    ) -> dict[str, int]:
        """By group, what was skipped within the last minutes while the device answered."""
        if away:
            longest = max((group.interval_seconds or 0.0 for group in groups), default=0.0)
            self._quiet_until[device] = now_seconds + longest + AFTERMATH_SECONDS
        quiet = now_seconds < self._quiet_until.get(device, float("-inf"))
        found = {}
        for group in groups:
            counter = f"missed {group.source_id} {group.group_id}"
            if quiet:
                self._growth.pass_over(counter, group.missed)
            else:
                found[group.group_id] = self._growth.update(counter, group.missed, now_seconds)
        return {group_id: count for group_id, count in found.items() if count}


def _device_away(device: Device, groups: Sequence[GroupStatus]) -> Iterator[Alert]:
    waiting = [group for group in groups if group.state is GroupState.BACKING_OFF]
    error = next((short(group.last_error) for group in waiting if group.last_error), "")
    ids = [group.group_id for group in waiting]
    what = f"group {ids[0]} is" if len(ids) == 1 else f"{len(ids)} groups ({names(ids)}) are"
    yield Alert(
        Severity.CRITICAL,
        "device_away",
        device[1],
        f"the device does not answer, so {what} not collected" + (f": {error}" if error else ""),
        "Check the device's power, its cable and its address. The agent retries automatically.",
    )


def _poor_polls(device: Device, groups: Sequence[GroupStatus], missed: dict[str, int]) -> Iterator[Alert]:
    stale = [group for group in groups if group.stale and group.state is GroupState.RUNNING]
    if stale:
        error = next((short(group.last_error) for group in stale if group.last_error), "")
        ids = [group.group_id for group in stale]
        yield Alert(
            Severity.CRITICAL,
            "group_stale",
            ids[0] if len(ids) == 1 else device[1],
            (f"{len(ids)} groups ({names(ids)}) have had " if len(ids) > 1 else "")
            + "no good poll for longer than the limit"
            + (f": {error}" if error else ""),
            "Check the device and the addresses of the tags.",
        )
    slow = {group.group_id: group for group in groups if group.group_id in missed and group not in stale}
    if slow:
        ids = list(slow)
        longest = max(group.last_duration_seconds or 0.0 for group in slow.values())
        took = f"A poll takes up to {longest * 1000:.0f} ms: lengthen" if longest else "Polls take too long: lengthen"
        skipped = sum(missed[one] for one in ids)
        of_several = f" of {len(ids)} groups ({names(ids)})" if len(ids) > 1 else ""
        yield Alert(
            Severity.WARNING,
            "polls_missed",
            ids[0] if len(ids) == 1 else device[1],
            f"{several(skipped, 'poll')}{of_several} {'was' if skipped == 1 else 'were'} skipped in the last 5 minutes",
            f"{took} the interval or poll fewer tags.",
        )


def _stopped(status: AgentStatus, groups: Sequence[GroupStatus]) -> Iterator[Alert]:
    """One alert for all; critical when nothing at all is collected any more."""
    stopped = [group for group in groups if group.state is GroupState.STOPPED]
    if not stopped:
        return
    sources = {group.source_id for group in groups}
    working = [group for group in groups if group.state is GroupState.RUNNING]
    others = [source for source in status.sources if source.source_id not in sources]
    nothing = not working and all(source.state is not SourceState.RUNNING for source in others)
    ids = [group.group_id for group in stopped]
    if len(ids) == 1:
        subject, what = ids[0], "stopped by an operator"
    else:
        every = "all " if len(stopped) == len(groups) else ""
        subject, what = status.name, f"{every}{len(ids)} groups are stopped by an operator ({names(ids)})"
    if nothing:
        yield Alert(
            Severity.CRITICAL,
            "nothing_collected",
            status.name,
            f"nothing is collected: {what if len(ids) > 1 else f'{subject} is {what}'}",
            "Start the groups again when they may poll.",
        )
    else:
        yield Alert(Severity.WARNING, "group_stopped", subject, what, "Start it again when it may poll.")


def _source_alerts(source: SourceStatus, grown: Grown, away: set[Device]) -> Iterator[Alert]:
    id_ = source.source_id
    explained = source.state is SourceState.STALE and any(source_id == id_ for source_id, _ in away)
    if source.state in _SOURCES and not explained:
        severity, what, next_step = _SOURCES[source.state]
        yield Alert(
            severity,
            f"source_{source.state}",
            id_,
            short(source.problem) or what,
            sentence(source.next_step) if source.next_step else next_step,
        )
    if refused := grown(f"refused {id_}", source.refused_batches):
        yield Alert(
            Severity.CRITICAL,
            "batches_refused",
            id_,
            f"the source's batches were refused as a whole in the last 5 minutes ({refused:,}): "
            "their records were not collected",
            "This is a defect of the source's plugin; the log says what was wrong with them.",
        )
    if failures := grown(f"transforms {id_}", sum(source.failures.values())):
        yield Alert(
            Severity.WARNING,
            "transform_failed",
            id_,
            f"{reasons(source.failures)} raised {several(failures, 'time')} in the last 5 minutes",
            "Fix the transform; the log has the error. The records are in the fallback as they were before it.",
        )
