"""Agent: one run of one configuration, from open to the final ledger."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from filelock import Timeout

from agent_core.api import (
    AgentError,
    AgentStatus,
    BacklogFile,
    Clock,
    ConfigError,
    DropReason,
    Extension,
    Log,
    PluginError,
    Source,
    UnknownSinkError,
    did_you_mean,
    write_next_step,
)
from agent_core.api.files.private import make_private_folder
from agent_core.config.model import AgentConfig
from agent_core.registry.catalog import Catalog
from agent_core.registry.events import Events
from agent_core.runtime.assembly import Assembly
from agent_core.runtime.components import below
from agent_core.runtime.deadline import Hands
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.error_words import repr_of, text_of
from agent_core.runtime.event_log import EventLog
from agent_core.runtime.group_control import GroupControl
from agent_core.runtime.sources.thread_deaths import ThreadDeaths
from agent_core.runtime.state_lock import state_lock, take

SOURCES_STOPPED_BY = 0.2
DRAINED_BY = 0.8
SPILLED_BY = 0.9
"""Shares of ``shutdown_timeout`` by which each step of the shutdown ends; closing gets the rest."""

EVENT_SHARE = 0.05
"""How much of it the observers of the stop may have."""

GIVEN_UP = frozenset({DropReason.SHUTDOWN, DropReason.FALLBACK_FAILED, DropReason.BUFFER_FULL})
"""Why records are lost by a stop that should have brought them to a safe place."""


class _Late(AgentError):
    """A part has not returned from a step of the start."""


class Agent:
    """Opens the parts, runs them and stops them in order. One per ``state_dir``.

    ``start``, ``wait`` and ``shutdown`` are called from the main thread; ``request_stop`` from anywhere, signal
    handlers included; ``status`` from any thread.

    ``redact`` takes the secrets out of the texts of parts: in the status, in what a stop has to say and in what a
    fallback keeps; components have it, too.
    """

    def __init__(
        self,
        config: AgentConfig,
        catalog: Catalog,
        events: Events,
        clock: Clock,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._config = config
        self._redact = redact
        self._events = events
        self._clock = clock
        self._log = Log("agent_core.agent", clock)
        self._parts = Assembly(config, catalog, events, clock, redact).parts()
        self._polling = GroupControl(self._parts.sources.values(), clock, redact)
        self._state_lock = state_lock(config.state_dir)
        # SimpleQueue.put is reentrant: a signal handler may call it while the main thread waits in get.
        self._stop_requests: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stop_reason: str | None = None
        self._stop_problems: list[str] = []
        self._hands = Hands(clock)
        self._opened = False
        self._left_out: list[str] = []
        self._deaths = ThreadDeaths(self._parts.watch.thread_died)
        self._started_at = clock.monotonic()

    @property
    def name(self) -> str:
        return self._config.name

    def start(self) -> None:
        """Open every part and let values flow.

        Sinks open later, in their first write: a database that is away stops nothing. Each step has ``start_timeout``;
        a source whose ``start`` takes longer is left to it, and the others collect. Returns early, with whatever is
        open, once a stop is requested.

        Raises ConfigError, or AgentError that names the part, when a part cannot be opened or started, or does not
        return in time; everything that was opened is closed again. An extension that raises or hangs in ``open``, and a
        fallback that hangs there, are left out instead.
        """
        self._take_state_dir()
        self._hire()
        try:
            self._open_parts()
        except BaseException:
            self._close(self._clock.monotonic() + self._config.shutdown_timeout_seconds)
            raise
        if self._stop_wanted():
            return
        self._opened = True
        self._events.open()
        try:
            self._start_parts()
        except BaseException:
            self._stop_reason = "a part did not start"
            self.shutdown()
            raise
        if self._stop_wanted():
            return
        self._hire()  # in place of those that hang in a step of the start
        sources, sinks = len(self._parts.sources), len(self._parts.deliveries)
        self._log.info("agent started", name=self.name, sources=sources, sinks=sinks)
        self._tell(partial(self._events.started, self), self._config.start_timeout_seconds)

    def _tell(self, event: Callable[[], None], seconds: float) -> None:
        """Announce it, for so long at most: an observer that does not return keeps nobody from stopping the agent."""
        self._hands.call(event, self._clock.monotonic() + seconds)

    def _open_parts(self) -> None:
        parts = self._parts
        for sink_id, delivery in parts.deliveries.items():
            self._try_step("fallback", sink_id, "open", delivery.open_fallback)
            self._run_step("buffer", sink_id, "open", delivery.open_buffer)
        for extension_id, extension in parts.extensions.items():
            self._open_extension(extension_id, extension)
        self._events.register_observer(EventLog(self._clock), "event_log")
        for transform_id, transform in parts.transforms.items():
            self._run_step("transform", transform_id, "open", transform.open)
        for index, (source_id, source) in enumerate(parts.sources.items()):
            try:
                self._run_step("source", source_id, "open", source.open)
            except ConfigError as error:
                raise ConfigError(below(("sources", index), error.problems)) from error

    def _open_extension(self, extension_id: str, extension: Extension) -> None:
        observers: list[object] = []
        if not self._try_step("extension", extension_id, "open", extension.open):
            return
        if self._try_step("extension", extension_id, "observers", lambda: observers.extend(extension.observers())):
            for observer in observers:
                self._events.register_observer(observer, extension_id)

    def _start_parts(self) -> None:
        parts = self._parts
        for delivery in parts.deliveries.values():
            delivery.start()
            watch, sink_id, backlog = delivery.watch, delivery.sink_id, delivery.look_at_backlog
            threading.Thread(target=watch.run, args=(backlog,), name=f"{sink_id}-watch", daemon=True).start()
            threading.Thread(target=watch.run_relief, name=f"{sink_id}-relief", daemon=True).start()
        self._deaths.install()
        for source_id, source in parts.sources.items():
            if self._stop_wanted():
                return
            self._start_source(source_id, source)
        threading.Thread(target=parts.watch.run, args=(self._events.name_hanging,), name="watch", daemon=True).start()

    def _start_source(self, source_id: str, source: Source) -> None:
        watch, seconds = self._parts.watch, self._config.start_timeout_seconds
        before = threading.enumerate()
        watch.starting(source_id)

        def start() -> None:
            try:
                source.start(self._parts.pipeline.emitter(source_id))
            except BaseException as error:
                watch.failed(source_id, f"start raised {repr_of(error)}")
                raise
            watch.started(source_id, before)

        ended = self._hands.call(start, self._clock.monotonic() + seconds, self._stop_wanted)
        if ended is not None and ended.error is not None:
            raise self._failure("source", source_id, "start", ended.error)
        if ended is None and not self._stop_wanted():
            watch.late(source_id)
            name = self._parts.names["source", source_id]
            self._log.error(
                "source not started in time",
                source=source_id,
                plugin=name.plugin,
                distribution=name.distribution,
                waited_seconds=seconds,
                next_step=f"{name.plugin} must return from start at once: report it to whoever wrote it",
            )

    def _run_step(self, kind: str, part_id: str, step: str, call: Callable[[], object]) -> None:
        """One step of the start, unless a stop is wanted; ConfigError or AgentError when it fails or is late."""
        if self._stop_wanted():
            return
        seconds = self._config.start_timeout_seconds
        ended = self._hands.call(call, self._clock.monotonic() + seconds, self._stop_wanted)
        if ended is not None and ended.error is not None:
            raise self._failure(kind, part_id, step, ended.error)
        if ended is None and not self._stop_wanted():
            name = self._parts.names[kind, part_id]
            raise _Late(
                f"{name} has not returned from {step} after {seconds:g} s; look at what it waits for, "
                "or raise agent.start_timeout"
            )

    def _try_step(self, kind: str, part_id: str, step: str, call: Callable[[], object]) -> bool:
        """The same for a part that the data can do without; False when the agent runs without it.

        A mistake in the YAML still ends the start, and so does a fallback that raises: it is there for bad days.
        """
        try:
            self._run_step(kind, part_id, step, call)
        except _Late as error:
            self._leave_out(kind, part_id, step, error)
            return False
        except AgentError as error:
            if kind == "fallback" or isinstance(error, (ConfigError, PluginError)):
                raise
            self._leave_out(kind, part_id, step, error)
            return False
        return True

    def _leave_out(self, kind: str, part_id: str, step: str, error: AgentError) -> None:
        name = self._parts.names[kind, part_id]
        self._left_out.append(str(name))
        self._log.error(
            "part left out",
            part=kind,
            id=part_id,
            plugin=name.plugin,
            distribution=name.distribution,
            step=step,
            error=error,
            next_step="find out why it does not open, then restart the agent: it runs without this part",
        )

    def _failure(self, kind: str, part_id: str, step: str, error: BaseException) -> Exception:
        """What to raise when a part failed in a step of the start."""
        if isinstance(error, (ConfigError, PluginError)):
            return error
        name = self._parts.names[kind, part_id]
        if not isinstance(error, (AgentError, OSError)):
            self._log.error("part failed", part=kind, id=part_id, plugin=name.plugin, step=step, exc_info=error)
            return _chained(f"{name} raised in {step}, which is a defect of {name.plugin}: {repr_of(error)}", error)
        return _chained(f"{name} failed in {step}: {text_of(error)}", error)

    def _stop_wanted(self) -> bool:
        return self._stop_reason is not None or not self._stop_requests.empty()

    def _hire(self) -> None:
        """Have a thread ready for each part of a kind: a stop can be sure of no new one."""
        parts = self._parts
        kinds = parts.sources, parts.deliveries, parts.extensions, parts.transforms
        self._hands.hire(max(1, *map(len, kinds)))

    def wait(self, timeout_seconds: float) -> bool:
        """True once a stop was requested, after at most ``timeout_seconds`` of real time."""
        if self._stop_reason is None:
            try:
                self._stop_reason = self._stop_requests.get(timeout=timeout_seconds)
            except queue.Empty:
                return False
        return True

    def request_stop(self, reason: str) -> None:
        """Ask for an orderly stop; returns at once."""
        self._stop_requests.put(reason)

    def shutdown(self) -> bool:
        """Stop within ``shutdown_timeout``; True when every part ended in time and every value is accounted for."""
        parts, began = self._parts, self._clock.monotonic()
        lost_before = {sink_id: self._lost(sink_id) for sink_id in parts.deliveries}

        def share(of_timeout: float) -> float:
            return began + of_timeout * self._config.shutdown_timeout_seconds

        self._log.info("agent stopping", reason=self._stop_reason)
        if not self._opened:  # the stop was requested before every part was open: nothing has been collected
            in_time = self._close(share(1.0))
            self._log.info("agent stopped", reason=self._stop_reason)
            return in_time
        parts.watch.close()
        seconds = EVENT_SHARE * self._config.shutdown_timeout_seconds
        self._tell(partial(self._events.stopping, self, self._stop_reason or "shutdown"), seconds)
        in_time = self._step(
            "source",
            share(SOURCES_STOPPED_BY),
            {source_id: self._stopper(source_id, share(SOURCES_STOPPED_BY)) for source_id in parts.sources},
        )
        if not parts.pipeline.close(share(SOURCES_STOPPED_BY)):
            sources = ", ".join(parts.pipeline.emitting())
            self._log.error(
                "sources still emitting",
                sources=sources,
                waited_seconds=SOURCES_STOPPED_BY * self._config.shutdown_timeout_seconds,
                next_step="raise agent.shutdown_timeout above the longest timeout of a device",
            )
            self._stop_problems.append(f"sources still emit: {sources}")
            in_time = False
        deliveries = parts.deliveries.items()
        spilled = share(SPILLED_BY)
        spill_seconds = max((delivery.spill_seconds() for delivery in parts.deliveries.values()), default=0.0)
        drained = max(self._clock.monotonic(), min(share(DRAINED_BY), spilled - spill_seconds))
        # The drain ends at its deadline; only one that hangs costs the spill a third of its time.
        in_time &= self._step(
            "sink", drained + (spilled - drained) / 3, {key: _bound(d.drain, drained) for key, d in deliveries}
        )
        in_time &= self._step("sink", spilled, {key: _bound(d.spill, spilled) for key, d in deliveries})
        parts.pipeline.close(spilled)  # a source may be inside the fallback with records that the buffer evicted
        for sink_id, delivery in deliveries:
            delivery.give_up()
            in_time &= not self._name_lost(sink_id, self._lost(sink_id) - lost_before[sink_id])
        in_time &= self._close(share(1.0))
        self._log.info("agent stopped", reason=self._stop_reason)
        return in_time and all(parts.ledger.snapshot(sink_id).balanced for sink_id in parts.deliveries)

    @property
    def stop_problems(self) -> Sequence[str]:
        """What was not clean about the stop, one text for each part."""
        return tuple(map(self._redact, self._stop_problems))

    @property
    def polling(self) -> GroupControl:
        """The polling groups of all sources."""
        return self._polling

    def pause_sink(self, sink_id: str) -> None:
        """Write nothing to it until ``resume_sink``. Raises UnknownSinkError."""
        self._delivery(sink_id).pause()

    def resume_sink(self, sink_id: str) -> None:
        """Write to it again. Raises UnknownSinkError."""
        self._delivery(sink_id).resume()

    def try_sink(self, sink_id: str) -> bool:
        """Probe it at once; False when it is in no state that probes. Raises UnknownSinkError."""
        return self._delivery(sink_id).try_now()

    def status(self) -> AgentStatus:
        """A snapshot; never blocks on I/O."""
        return AgentStatus(
            name=self.name,
            uptime_seconds=self._clock.monotonic() - self._started_at,
            sources=self._parts.watch.status(self._parts.pipeline.status()),
            sinks=tuple(delivery.status() for delivery in self._parts.deliveries.values()),
            observer_failures=sum(self._events.observer_failures.values()),
            slow_observer_calls=sum(self._events.observer_slow_calls.values()),
            failing_observers=self._events.observer_failures,
            hanging_observers=self._events.hanging_observers(),
            left_out=tuple(self._left_out),
            missed_events=self._events.observer_events_missed,
        )

    def backlog(self, sink_id: str) -> Sequence[BacklogFile]:
        """Files that wait in the sink's fallback. May block. Raises UnknownSinkError or OSError."""
        return self._delivery(sink_id).backlog()

    def replay_backup(self, sink_id: str, file: str) -> None:
        """Replay one file of the backlog next. Raises what AgentView says."""
        self._delivery(sink_id).replay_backup(file)

    def delete_rejected(self, sink_id: str, file: str) -> int:
        """Delete a file of rejected records. Raises what AgentView says."""
        return self._delivery(sink_id).delete_rejected(file)

    def _delivery(self, sink_id: str) -> Delivery:
        try:
            return self._parts.deliveries[sink_id]
        except KeyError:
            known = self._parts.deliveries
            hint = did_you_mean(sink_id, known) or f"known: {', '.join(known)}"
            raise UnknownSinkError(f"no sink is called {sink_id!r}; {hint}") from None

    def _take_state_dir(self) -> None:
        state_dir = self._config.state_dir
        try:
            make_private_folder(state_dir)
            take(self._state_lock, self._clock)
        except Timeout:
            raise AgentError(
                f"another agent uses the state directory {state_dir}; stop it, or give this one its own state_dir"
            ) from None
        except OSError as error:
            raise AgentError(
                f"the state directory {state_dir} cannot be used: {error.strerror or error}; "
                f"{write_next_step(error)}, or set another state_dir"
            ) from error

    def _stopper(self, source_id: str, deadline: float) -> Callable[[], None]:
        source = self._parts.sources[source_id]
        return lambda: source.stop(max(0.0, deadline - self._clock.monotonic()))

    def _close(self, deadline: float) -> bool:
        """Close every part, sources first. A part that hangs is left behind, and each step leaves time for the next."""
        parts = self._parts
        deliveries = parts.deliveries.items()

        def half() -> float:
            now = self._clock.monotonic()
            return now + (deadline - now) / 2

        # Observers hear the last events before they are closed.
        patience = EVENT_SHARE * self._config.shutdown_timeout_seconds
        self._hands.call(self._events.close, min(half(), self._clock.monotonic() + patience))
        in_time = self._step("source", half(), {key: source.close for key, source in parts.sources.items()})
        in_time &= self._step("transform", half(), {key: part.close for key, part in parts.transforms.items()})
        in_time &= self._step("sink", half(), {key: delivery.close_sink for key, delivery in deliveries})
        in_time &= self._step(
            "fallback",
            half(),
            {key: delivery.close_fallback for key, delivery in deliveries if ("fallback", key) in parts.names},
        )
        in_time &= self._step("buffer", half(), {key: delivery.close_buffer for key, delivery in deliveries})
        in_time &= self._step("extension", half(), {key: part.close for key, part in parts.extensions.items()})
        self._deaths.remove()
        self._hands.dismiss()
        self._state_lock.release()
        return in_time

    def _lost(self, sink_id: str) -> int:
        reasons = self._parts.ledger.snapshot(sink_id).dropped_by_reason
        return sum(reasons.get(reason, 0) for reason in GIVEN_UP)

    def _name_lost(self, sink_id: str, lost: int) -> int:
        """Say how many records the stop has lost."""
        if lost:
            records = "1 record" if lost == 1 else f"{lost:,} records"
            self._stop_problems.append(f"sink {sink_id}: {records} dropped, in no sink and no fallback")
            step = "raise agent.shutdown_timeout, or find out why the disk of the fallback is slow"
            if ("fallback", sink_id) not in self._parts.names:
                step = "give the sink a fallback: what it does not take before the stop has no other place"
            self._log.error("records given up", sink=sink_id, records=lost, next_step=step)
        return lost

    def _step(self, what: str, deadline: float, calls: Mapping[str, Callable[[], object]]) -> bool:
        problems = self._hands.run_until(deadline, calls)
        for part_id, problem in problems.items():
            name = self._parts.names[what, part_id]
            self._stop_problems.append(f"{name}: {problem}")
            self._log.error(
                "part not stopped cleanly",
                part=what,
                id=part_id,
                plugin=name.plugin,
                distribution=name.distribution,
                problem=problem,
            )
        return not problems


def _chained(message: str, cause: BaseException) -> AgentError:
    error = AgentError(message)
    error.__cause__ = cause
    return error


def _bound(call: Callable[[float], object], deadline: float) -> Callable[[], object]:
    return lambda: call(deadline)
