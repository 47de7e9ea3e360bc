"""GroupControl: the polling groups of all sources in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from agent_core.api import (
    Clock,
    GroupStatus,
    Log,
    PollingControl,
    Source,
    TriggerResult,
    UnknownGroupError,
    did_you_mean,
)


class GroupControl:
    """A PollingControl over every source that is one, whose texts hold no secrets. Thread-safe."""

    def __init__(self, sources: Iterable[Source], clock: Clock, redact: Callable[[str], str] = str) -> None:
        self._controls = [source for source in sources if isinstance(source, PollingControl)]
        self._clock = clock
        self._redact = redact
        self._log = Log("agent_core.sources", clock)

    def groups(self) -> Sequence[GroupStatus]:
        return [status for control in self._controls for status in self._groups(control)]

    def _groups(self, control: PollingControl) -> Sequence[GroupStatus]:
        try:
            return [self._redacted(status) for status in control.groups()]
        except BaseException as error:  # a source's defect must not hide the groups of the others
            plugin = type(control).__module__.partition(".")[0]
            self._log.error("groups not listed", plugin=plugin, error=error, every=plugin, exc_info=error)
            return ()

    def start_group(self, group_id: str) -> None:
        self._control(group_id).start_group(group_id)

    def stop_group(self, group_id: str, timeout_seconds: float = 5.0) -> bool:
        return self._control(group_id).stop_group(group_id, timeout_seconds)

    def trigger_group(self, group_id: str, timeout_seconds: float = 10.0) -> TriggerResult:
        result = self._control(group_id).trigger_group(group_id, timeout_seconds)
        return replace(result, message=self._redact(result.message)) if result.message else result

    def start_all(self) -> None:
        for control in self._controls:
            control.start_all()

    def stop_all(self, timeout_seconds: float = 5.0) -> bool:
        deadline = self._clock.monotonic() + timeout_seconds
        stopped = [control.stop_all(max(0.0, deadline - self._clock.monotonic())) for control in self._controls]
        return all(stopped)

    def _redacted(self, status: GroupStatus) -> GroupStatus:
        return replace(status, last_error=self._redact(status.last_error)) if status.last_error else status

    def _control(self, group_id: str) -> PollingControl:
        known: list[str] = []
        for control in self._controls:
            ids = [status.group_id for status in self._groups(control)]
            if group_id in ids:
                return control
            known += ids
        hint = did_you_mean(group_id, known) or f"known: {', '.join(known) or 'none'}"
        raise UnknownGroupError(f"no polling group is called {group_id!r}; {hint}")
