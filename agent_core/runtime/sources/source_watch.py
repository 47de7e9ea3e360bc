"""SourceWatch: whether each source works, which the source itself may not be able to say any more."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from agent_core.api import Clock, Log, Pulsing, Source, SourceState, SourceStatus
from agent_core.runtime.error_words import repr_of
from agent_core.runtime.sources.intake import Intake

LOOK_SECONDS: Final = 1.0
"""How often it looks."""

LEAST_SILENT_SECONDS: Final = 30.0
SILENT_GAPS: Final = 3
"""A source whose emitting threads have all ended has failed after this time, and after so many of its longest gaps
between two batches: it may begin a thread for each poll."""

RECENT_DEATHS: Final = 32


@dataclass(frozen=True, slots=True)
class Watched:
    """One source, and what the configuration says of it."""

    source: Source
    plugin: str
    stale_after_seconds: float | None


@dataclass(frozen=True, slots=True)
class _Verdict:
    state: SourceState
    problem: str | None = None
    next_step: str | None = None
    silent_seconds: float | None = None
    limit_seconds: float | None = None


class _Life:
    """What is known of one source; the watch's lock guards it."""

    def __init__(self, watched: Watched, intake: Intake) -> None:
        self.plugin = watched.plugin
        self.pulsing = watched.source if isinstance(watched.source, Pulsing) else None
        self.stale_after_seconds = watched.stale_after_seconds
        self.intake = intake
        self.began_at: float | None = None
        self.is_late = False
        self.has_started = False
        self.failure: str | None = None
        self.threads: frozenset[threading.Thread] = frozenset()
        self.told = SourceState.RUNNING


class SourceWatch:
    """Says of each source which state it is in, and logs what changes. Thread-safe.

    A source has *failed* when an exception ended a thread of its own, whether begun by ``start`` or known from
    ``emit``, or when every thread of it has ended and nothing was emitted for long. It is *stale* when its sign of life
    is overdue: its ``pulse``, or its last batch with a limit from the YAML, else from its own rhythm.
    """

    def __init__(
        self,
        watched: Mapping[str, Watched],
        intakes: Mapping[str, Intake],
        clock: Clock,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._clock = clock
        self._redact = redact
        self._log = Log("agent_core.sources", clock)
        self._changed = threading.Condition()
        self._lives = {source_id: _Life(part, intakes[source_id]) for source_id, part in watched.items()}
        self._deaths: deque[tuple[threading.Thread, str]] = deque(maxlen=RECENT_DEATHS)
        """Of threads that belong to no source as far as is known."""
        self._closed = False

    def starting(self, source_id: str) -> None:
        """Its ``start`` is about to be called."""
        with self._changed:
            self._lives[source_id].began_at = self._clock.monotonic()
            self._deaths.clear()

    def late(self, source_id: str) -> None:
        """Its ``start`` has not returned in time."""
        with self._changed:
            self._lives[source_id].is_late = True

    def started(self, source_id: str, before: Iterable[threading.Thread]) -> None:
        """Its ``start`` has returned; threads that were there ``before`` are not its own."""
        known = frozenset(before)
        with self._changed:
            life = self._lives[source_id]
            life.has_started = True
            life.threads = frozenset(threading.enumerate()) - known
            for thread, what in self._deaths:
                if thread not in known:
                    life.failure = life.failure or what

    def failed(self, source_id: str, what: str) -> None:
        """Its ``start`` raised."""
        with self._changed:
            self._lives[source_id].failure = what

    def thread_died(self, thread: threading.Thread, error: BaseException) -> None:
        """An exception ended a thread, perhaps one of a source. Called in that thread."""
        what = f"an exception ended its thread {thread.name}: {repr_of(error)}"
        with self._changed:
            if self._closed:
                return
            for life in self._lives.values():
                if thread in life.threads or thread in life.intake.threads:
                    life.failure = life.failure or what
                    self._changed.notify_all()
                    return
            self._deaths.append((thread, what))

    def close(self) -> None:
        """The sources are about to be stopped: silence is what is asked for."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def run(self, look_elsewhere: Callable[[], None] = lambda: None) -> None:
        """Look until closed, there as well; the body of the thread."""
        while True:
            with self._changed:
                if not self._closed:
                    self._clock.wait(self._changed, LOOK_SECONDS)
                if self._closed:
                    return
            try:
                self.look()
                look_elsewhere()
            except BaseException as error:
                with suppress(BaseException):  # nothing that a log handler does ends the watch either
                    self._log.error("watch failed", error=repr_of(error), every="watch", exc_info=error)

    def look(self) -> None:
        """Compare every source with its limit, now, and log what has changed."""
        for source_id, life in self._lives.items():
            verdict = self._verdict(source_id, life)
            told, life.told = life.told, verdict.state
            if verdict.state is told:
                continue
            problem, step = verdict.problem, verdict.next_step
            if verdict.state is SourceState.FAILED:
                self._log.error(
                    "source failed",
                    source=source_id,
                    plugin=life.plugin,
                    problem=problem,
                    next_step=step,
                    every=f"{source_id} failed",
                )
            elif verdict.state is SourceState.STALE:
                self._log.warning(
                    "source stale",
                    source=source_id,
                    plugin=life.plugin,
                    problem=problem,
                    next_step=step,
                    every=f"{source_id} stale",
                )
            elif verdict.state is SourceState.RUNNING and told is not SourceState.STARTING:
                self._log.info("source works again", source=source_id, plugin=life.plugin, every=f"{source_id} works")

    def status(self, counted: Iterable[SourceStatus]) -> Sequence[SourceStatus]:
        """What the pipeline counted of each source, together with its state; without secrets."""
        return tuple(self._with_state(status) for status in counted)

    def _with_state(self, status: SourceStatus) -> SourceStatus:
        verdict = self._verdict(status.source_id, self._lives[status.source_id])
        return replace(
            status,
            state=verdict.state,
            problem=None if verdict.problem is None else self._redact(verdict.problem),
            next_step=verdict.next_step,
            silent_seconds=verdict.silent_seconds,
            stale_after_seconds=verdict.limit_seconds,
        )

    def _verdict(self, source_id: str, life: _Life) -> _Verdict:
        now = self._clock.monotonic()
        with self._changed:
            if life.failure is not None:
                return _Verdict(SourceState.FAILED, life.failure, _restart(life))
            if self._closed:
                return _Verdict(SourceState.RUNNING)
            began_at = now if life.began_at is None else life.began_at
            if not life.has_started:
                problem = f"start has not returned for {now - began_at:.0f} s" if life.is_late else None
                return _Verdict(SourceState.STARTING, problem, _restart(life) if life.is_late else None)
        if life.pulsing is not None:
            return self._pulse(source_id, life, life.pulsing)
        intake = life.intake
        silent = now - (began_at if intake.last_at is None else max(began_at, intake.last_at))
        learned = life.stale_after_seconds is None
        limit = intake.limit_seconds(now) if life.stale_after_seconds is None else life.stale_after_seconds
        threads = intake.threads or life.threads
        ended = bool(threads) and not any(thread.is_alive() for thread in threads)
        if ended and silent >= max(LEAST_SILENT_SECONDS, SILENT_GAPS * intake.longest_gap_seconds):
            problem = f"each of its threads that emitted has ended, the last batch came {silent:.0f} s ago"
            if not intake.threads:
                problem = f"each of its threads has ended, and it has emitted nothing for {silent:.0f} s"
            return _Verdict(SourceState.FAILED, problem, _restart(life), silent, limit)
        return _stale_or_not(silent, limit, "no batch", learned=learned)

    def _pulse(self, source_id: str, life: _Life, pulsing: Pulsing) -> _Verdict:
        try:
            pulse = pulsing.pulse()
        except BaseException as error:  # a source's defect must not hide the other sources
            with suppress(BaseException):
                self._log.error(
                    "pulse failed", source=source_id, plugin=life.plugin, error=repr_of(error), every=source_id
                )
            pulse = None
        if pulse is None:
            return _Verdict(SourceState.RUNNING)
        limit = pulse.limit_seconds if life.stale_after_seconds is None else life.stale_after_seconds
        about = f" of {pulse.about}" if pulse.about else ""
        return _stale_or_not(pulse.silent_seconds, limit, f"no sign of life{about}")


def _restart(life: _Life) -> str:
    return f"restart the agent, and report it to whoever wrote {life.plugin}"


def _stale_or_not(silent_seconds: float, limit_seconds: float, what: str, *, learned: bool = False) -> _Verdict:
    if silent_seconds < limit_seconds:
        return _Verdict(SourceState.RUNNING, None, None, silent_seconds, limit_seconds)
    whose = ", from its own rhythm" if learned else ""
    problem = f"{what} for {silent_seconds:.0f} s (its limit is {limit_seconds:.0f} s{whose})"
    step = "see what the log says of this source and its devices; if nothing, restart the agent"
    if learned:
        step += ". If it may be silent for so long, set stale_after of the source"
    return _Verdict(SourceState.STALE, problem, step, silent_seconds, limit_seconds)
