"""PollingSource: devices, each with a worker, and their groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent_core.api import (
    ComponentContext,
    ConfigError,
    ConfigProblem,
    Emit,
    Finding,
    GroupStatus,
    PlannedDevice,
    Pulse,
    TriggerResult,
    UnknownGroupError,
    did_you_mean,
)
from polling_source.config import PollingSourceConfig
from polling_source.engine.clock_jump import ClockJump
from polling_source.engine.device import DeviceWorker
from polling_source.engine.group import NAMES_IN_A_LOG_LINE, PollGroup
from polling_source.examination import doctor
from polling_source.examination.read_report import ReadReport
from polling_source.lineup import Lineup, create_drivers


class PollingSource:
    """A Source, a PollingControl, Pulsing, Plannable and Diagnosable.

    ``open`` reads the tag lists and plans the reads; ``start`` begins to poll, one thread per connection.
    """

    def __init__(self, config: PollingSourceConfig, context: ComponentContext) -> None:
        """Raises ConfigError when a driver is not loaded, or refuses its keys."""
        create_drivers(config, context)
        self._config = config
        self._context = context
        self.workers: tuple[DeviceWorker, ...] = ()
        """One a connection; empty until ``open``."""
        self._places: dict[str, tuple[DeviceWorker, PollGroup]] = {}

    # -- Source -------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Raises ConfigError with every tag and reference that is wrong."""
        if self.workers:
            return
        lineup = Lineup.of(self._config, self._context)
        self._tell_left_out(lineup.left_out)
        jump = ClockJump(self._context.clock, self._context.log)
        backoff, clock, log = self._config.backoff, self._context.clock, self._context.log
        self.workers = tuple(
            DeviceWorker(connection.device.id, connection.link, connection.groups, backoff, clock, jump, log)
            for connection in lineup.connections
        )
        workers = {group.id: worker for worker in self.workers for group in worker.groups}
        self._places = {group.id: (workers[group.id], group) for group in lineup.groups}

    def start(self, emit: Emit) -> None:
        for worker in self.workers:
            worker.start(emit)

    def stop(self, timeout_seconds: float) -> None:
        deadline = self._context.clock.monotonic() + timeout_seconds
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            if not worker.join(max(deadline - self._context.clock.monotonic(), 0.0)):
                self._context.log.warning("worker not ended in time", device=worker.id, waited_seconds=timeout_seconds)

    def close(self) -> None:
        self.stop(0.0)
        for worker in self.workers:
            worker.close()
        self.workers = ()
        self._places = {}

    # -- Pulsing ------------------------------------------------------------------------------------------------------

    def pulse(self) -> Pulse | None:
        """That of the device whose thread is most overdue: a cycle that ends is a sign of life, whatever it brought."""
        pulses = [pulse for worker in self.workers if (pulse := worker.pulse()) is not None]
        return max(pulses, key=lambda pulse: pulse.silent_seconds - pulse.limit_seconds, default=None)

    # -- PollingControl -----------------------------------------------------------------------------------------------

    def groups(self) -> Sequence[GroupStatus]:
        """In the order of the configuration; empty until ``open``."""
        return [worker.status(group) for worker, group in self._places.values()]

    def start_group(self, group_id: str) -> None:
        worker, group = self._find(group_id)
        worker.start_group(group)

    def stop_group(self, group_id: str, timeout_seconds: float = 5.0) -> bool:
        worker, group = self._find(group_id)
        return worker.stop_group(group, timeout_seconds)

    def trigger_group(self, group_id: str, timeout_seconds: float = 10.0) -> TriggerResult:
        worker, group = self._find(group_id)
        return worker.trigger(group, timeout_seconds)

    def start_all(self) -> None:
        for worker, group in self._places.values():
            worker.start_group(group)

    def stop_all(self, timeout_seconds: float = 5.0) -> bool:
        deadline = self._context.clock.monotonic() + timeout_seconds
        for worker, group in self._places.values():
            worker.stop_group(group, 0.0)
        return all(
            worker.stop_group(group, max(deadline - self._context.clock.monotonic(), 0.0))
            for worker, group in self._places.values()
        )

    def _find(self, group_id: str) -> tuple[DeviceWorker, PollGroup]:
        found = self._places.get(group_id)
        if found is None:
            hint = did_you_mean(group_id, self._places) or f"known: {', '.join(self._places) or 'none'}"
            raise UnknownGroupError(f"no polling group is called {group_id!r}; {hint}")
        return found

    # -- Plannable, Diagnosable ---------------------------------------------------------------------------------------

    def check(self) -> Sequence[ConfigProblem]:
        """Every tag and reference that is wrong, addresses included; and devices that cannot keep up."""
        try:
            lineup = Lineup.of(self._config, self._context)
        except ConfigError as error:
            return error.problems
        return [*lineup.left_out, *ReadReport(lineup).warnings(self._config.devices)]

    def plan(self) -> Sequence[PlannedDevice]:
        """The devices that are polled, with their groups and requests."""
        return ReadReport(Lineup.of(self._config, self._context)).devices

    def plan_report(self) -> Sequence[str]:
        """One line a device, one a group, and one for each of its requests."""
        return list(ReadReport(Lineup.of(self._config, self._context)).lines(self._context.component_id))

    def diagnose(self) -> Iterable[Finding]:
        """Connect to each device and read each group once, over connections of its own. Raises ConfigError."""
        return doctor.diagnose(Lineup.of(self._config, self._context), self._context.clock)

    def _tell_left_out(self, problems: Sequence[ConfigProblem]) -> None:
        for problem in problems[:NAMES_IN_A_LOG_LINE]:
            self._context.log.warning("tag left out", problem=problem)
        if len(problems) > NAMES_IN_A_LOG_LINE:
            self._context.log.warning("tags left out", count=len(problems), next_step="tagferry check names each")
