"""Events: the announcements of the core, as typed methods over the hooks."""

from __future__ import annotations

from collections.abc import Mapping

from agent_core.api import (
    AgentView,
    Batch,
    DivertReason,
    DropReason,
    PluginError,
    SinkState,
    WriteOutcome,
)
from agent_core.registry.hookimpls import implements_any
from agent_core.registry.manager import HookManager


class Events:
    """One method for each event hook, thread-safe. None of them raises because of an observer.

    An event that nobody observes costs a set lookup. The hook caller is looked up at each call, so a test may replace
    it by a mock (``mocker.patch.object(manager.hook, name, autospec=True)``).
    """

    def __init__(self, manager: HookManager | None = None) -> None:
        self._manager = HookManager() if manager is None else manager
        self._hook = self._manager.hook

    @property
    def manager(self) -> HookManager:
        """The pluggy manager behind it, for monitoring and tests."""
        return self._manager

    @property
    def observer_failures(self) -> Mapping[str, int]:
        """How often each observer raised since the start, by its name; a copy."""
        return self._manager.guard.failures

    @property
    def observer_slow_calls(self) -> Mapping[str, int]:
        """How often each observer exceeded its budget of 1 ms of CPU time, by its name; a copy."""
        return self._manager.guard.slow_calls

    @property
    def observer_events_missed(self) -> Mapping[str, int]:
        """How many events each observer did not hear because it hangs, by its name; a copy."""
        return self._manager.guard.missed

    def open(self) -> None:
        """Call each observer in a thread of its own from now on, so that one that hangs holds up nobody."""
        self._manager.guard.open()

    def close(self) -> None:
        """Return when every observer has heard what was announced. One that hangs keeps it from returning."""
        self._manager.guard.close()

    def hanging_observers(self) -> tuple[str, ...]:
        """Names of observers whose call has not returned for seconds: they hear nothing else."""
        return tuple(dict.fromkeys(call.observer for call in self._manager.guard.hanging()))

    def name_hanging(self) -> None:
        """Log them."""
        self._manager.guard.name_hanging()

    def register_observer(self, observer: object, name: str | None = None) -> None:
        """Call the ``@hookimpl`` methods of ``observer`` from now on. Register from one thread, before data flows.

        ``name`` is its name in the log (default: its class). Raises PluginError when a method is not a hook or has a
        wrong argument, and when ``observer`` is a class or has no hook at all; then nothing of it is registered.
        """
        label = name or type(observer).__name__
        if isinstance(observer, type):
            raise PluginError(f"{observer.__name__}: an observer is an object, not a class")
        if not implements_any(observer, self._manager):
            raise PluginError(f"{label}: no method is marked with @hookimpl")
        unique, number = label, 1
        while self._manager.has_plugin(unique):
            number += 1
            unique = f"{label}-{number}"
        self._manager.register(observer, unique)

    def started(self, agent: AgentView) -> None:
        """Every part is open and the sources run."""
        caller = self._hook.agent_started
        if caller not in self._manager.idle:
            caller(agent=agent)

    def stopping(self, agent: AgentView, reason: str) -> None:
        """The agent begins to stop."""
        caller = self._hook.agent_stopping
        if caller not in self._manager.idle:
            caller(agent=agent, reason=reason)

    def batch_collected(self, source_id: str, batch: Batch) -> None:
        """A source emitted ``batch``."""
        caller = self._hook.agent_batch_collected
        if caller not in self._manager.idle:
            caller(source_id=source_id, batch=batch)

    def batch_delivered(
        self,
        sink_id: str,
        batch: Batch,
        outcome: WriteOutcome,
        attempt: int,
        elapsed_seconds: float,
        replayed_file: str | None,
    ) -> None:
        """A write returned."""
        caller = self._hook.agent_batch_delivered
        if caller not in self._manager.idle:
            caller(
                sink_id=sink_id,
                batch=batch,
                outcome=outcome,
                attempt=attempt,
                elapsed_seconds=elapsed_seconds,
                replayed_file=replayed_file,
            )

    def batch_failed(
        self, sink_id: str, batch: Batch, error: BaseException, attempt: int, retry_in_seconds: float | None
    ) -> None:
        """A write raised."""
        caller = self._hook.agent_batch_failed
        if caller not in self._manager.idle:
            caller(sink_id=sink_id, batch=batch, error=error, attempt=attempt, retry_in_seconds=retry_in_seconds)

    def batch_diverted(self, sink_id: str, fallback_id: str, batch: Batch, reason: DivertReason) -> None:
        """``batch`` is durable in the fallback."""
        caller = self._hook.agent_batch_diverted
        if caller not in self._manager.idle:
            caller(sink_id=sink_id, fallback_id=fallback_id, batch=batch, reason=reason)

    def records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        """``count`` records are lost permanently."""
        caller = self._hook.agent_records_dropped
        if caller not in self._manager.idle:
            caller(component_id=component_id, count=count, reason=reason)

    def sink_state_changed(
        self, sink_id: str, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None
    ) -> None:
        """A sink changed its state."""
        caller = self._hook.agent_sink_state_changed
        if caller not in self._manager.idle:
            caller(sink_id=sink_id, old=old, new=new, reason=reason, next_probe_seconds=next_probe_seconds)
