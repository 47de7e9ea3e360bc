"""What observers and extensions may ask of the running agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, runtime_checkable

from agent_core.api.components import BacklogFile, BufferStats, Finding, WriteOutcome
from agent_core.api.whereabouts import Whereabouts


class SinkState(StrEnum):
    """How a sink stands.

    ::

                 RetryableError            retries used up
        up ---------------------> retrying -----------------> down
         ^                           |                          |
         |<------ a write that returned (one worker probes) ----'
        throttled, locked_out, misconfigured: entered at once on the error of that name, left like down
        paused: by the operator, left by the operator
    """

    UP = "up"
    RETRYING = "retrying"
    DOWN = "down"
    THROTTLED = "throttled"
    LOCKED_OUT = "locked_out"
    MISCONFIGURED = "misconfigured"
    PAUSED = "paused"


class Account(StrEnum):
    """The places of a ledger. Each value, once emitted, is in exactly one of the places on the right hand side.

    ``collected + recovered = filtered + delivered + duplicates + rejected + diverted + dropped + pending``
    """

    COLLECTED = "collected"
    RECOVERED = "recovered"
    FILTERED = "filtered"
    DELIVERED = "delivered"
    DUPLICATES = "duplicates"
    REJECTED = "rejected"
    DIVERTED = "diverted"
    DROPPED = "dropped"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """Row counts of one sink since the process started, taken at one instant.

    ``dropped_by_reason`` and ``diverted_by_reason`` add up to ``dropped`` and ``diverted``.
    """

    collected: int = 0
    recovered: int = 0
    filtered: int = 0
    delivered: int = 0
    duplicates: int = 0
    rejected: int = 0
    diverted: int = 0
    dropped: int = 0
    pending: int = 0
    dropped_by_reason: Mapping[str, int] = field(default_factory=dict)
    diverted_by_reason: Mapping[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """True when every value is accounted for. Anything else is a defect of the agent."""
        accounted = (
            self.filtered
            + self.delivered
            + self.duplicates
            + self.rejected
            + self.diverted
            + self.dropped
            + self.pending
        )
        return self.collected + self.recovered == accounted and self.pending >= 0


@dataclass(frozen=True, slots=True)
class ReplayStatus:
    """Records written back from a fallback since the start: ``read = inserted + duplicates + rejected``.

    They were counted as diverted when they left, so no other counter moves. ``backlog_files`` still wait, files of
    rejected records not counted. ``automatic``: the backlog is written back without being asked for; otherwise only the
    files that somebody asks for are. ``requested_files`` were asked for and wait; ``current_file`` is being written
    back. ``refusal``: why a replay would be refused, as far as is known now.

    ``waiting_records`` lie in backup files and are not written back yet, ``rejected_records`` in files of rejected
    records; both with those of earlier runs and of the files that are still being written. ``counted``: False while
    some of them are estimated. ``repeated`` of the duplicates had been written back before, by this run: their file was
    changed meanwhile and read again. ``deleted`` rejected records were deleted by operators since the start.
    """

    read: int = 0
    inserted: int = 0
    duplicates: int = 0
    rejected: int = 0
    backlog_files: int = 0
    automatic: bool = True
    requested_files: tuple[str, ...] = ()
    current_file: str | None = None
    refusal: str | None = None
    waiting_records: int = 0
    rejected_records: int = 0
    counted: bool = True
    deleted: int = 0
    repeated: int = 0

    def plus(self, outcome: WriteOutcome) -> ReplayStatus:
        """With one more write counted."""
        return replace(
            self,
            read=self.read + outcome.total,
            inserted=self.inserted + outcome.inserted,
            duplicates=self.duplicates + outcome.duplicates,
            rejected=self.rejected + len(outcome.rejected),
        )


@dataclass(frozen=True, slots=True)
class SinkStatus:
    """One sink at one instant. ``last_delivery_ns`` is UTC ns of the last write that returned, or None.

    ``inputs``: ids of the sources that feed it. ``replay`` is None when the sink has no fallback whose records can be
    read back. ``advice`` is what the sink itself has to say (``Advising``). ``next_step``: what to do about
    ``last_error``, where the sink says so; the error ends in it, in brackets. ``workers_running``: threads that write
    to it; None when that is not known. ``write_seconds``: how long the oldest write under way has taken, None without
    one. ``divert_after_seconds``: after so long records leave for the fallback; None when they do not.
    """

    sink_id: str
    type: str
    state: SinkState
    ledger: LedgerSnapshot
    buffer: BufferStats
    last_error: str | None
    last_delivery_ns: int | None
    next_probe_seconds: float | None
    inputs: tuple[str, ...] = ()
    replay: ReplayStatus | None = None
    advice: tuple[Finding, ...] = ()
    next_step: str | None = None
    workers_running: int | None = None
    write_seconds: float | None = None
    divert_after_seconds: float | None = None

    @property
    def whereabouts(self) -> Whereabouts:
        """Where its records are: what every surface shows."""
        return Whereabouts.of(self.ledger, self.replay)


class SourceState(StrEnum):
    """How a source stands.

    ``starting``: its ``start`` has not returned, though it should at once. ``stale``: no sign of life for longer than
    its limit. ``failed``: it did not start, or a thread of it has died, so some or all of its values are not collected.
    A group that an operator stopped changes nothing here: see ``GroupState``.
    """

    STARTING = "starting"
    RUNNING = "running"
    STALE = "stale"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source at one instant. ``last_batch_ns`` is UTC ns of the last ``emit``, or None.

    ``problem`` and ``next_step`` say what is wrong and what to do, None while it runs. ``silent_seconds``: since its
    last sign of life (a batch, or whatever its ``pulse`` says), None while none is expected. ``stale_after_seconds``:
    how long that may last; None while no sign of life is expected.

    ``set_aside``: records that it emitted and no sink can be given, such as one whose value is not a ``Value``; they
    count as rejected. ``refused_batches``: batches that ``emit`` refused as a whole (it raised). ``failures``: how
    often each of its transforms raised, by name, such as ``transform 1 (scale)``; those that never did are left out.
    """

    source_id: str
    type: str
    collected: int
    last_batch_ns: int | None
    state: SourceState = SourceState.RUNNING
    problem: str | None = None
    next_step: str | None = None
    silent_seconds: float | None = None
    stale_after_seconds: float | None = None
    set_aside: int = 0
    refused_batches: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The whole agent at one instant.

    ``observer_failures``: how often an observer of events raised; ``slow_observer_calls``: how often one took longer
    than it may; ``failing_observers``: how often each raised, by its name, those that never did left out.
    ``left_out``: parts that the agent runs without, because they raised or hung when they were opened.
    ``hanging_observers``: those inside a call that has not returned for seconds; they hear nothing else.
    ``missed_events``: how many events each of them did not hear for that, by its name.
    """

    name: str
    uptime_seconds: float
    sources: Sequence[SourceStatus]
    sinks: Sequence[SinkStatus]
    observer_failures: int = 0
    slow_observer_calls: int = 0
    failing_observers: Mapping[str, int] = field(default_factory=dict)
    hanging_observers: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    missed_events: Mapping[str, int] = field(default_factory=dict)

    @property
    def whereabouts(self) -> Whereabouts:
        """Where the records of all sinks are."""
        return Whereabouts.together(sink.whereabouts for sink in self.sinks)


class GroupMode(StrEnum):
    """What makes a group poll: its schedule, or a trigger."""

    FIXED = "fixed"
    HANDSHAKE = "handshake"


class GroupState(StrEnum):
    """``backing_off``: the group runs, but its device does not answer and is tried at intervals."""

    RUNNING = "running"
    STOPPED = "stopped"
    BACKING_OFF = "backing_off"


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """One polling group at one instant.

    ``missed``: cycles of the schedule that were skipped because the poll before took too long or the device was away.
    ``merged``: triggers that were answered by a poll already asked for. ``suppressed``: values that a deadband or
    on-change held back. ``stale``: no good poll for longer than the group's limit. Times are UTC ns, or None before
    the first poll.
    """

    source_id: str
    group_id: str
    device_id: str
    mode: GroupMode
    state: GroupState
    interval_seconds: float | None
    tags: int
    polls: int
    failed: int
    missed: int
    merged: int
    suppressed: int
    stale: bool
    last_poll_ns: int | None
    last_duration_seconds: float | None
    last_error: str | None


@dataclass(frozen=True, slots=True)
class TriggerResult:
    """What a trigger led to. ``message`` says why when ``success`` is False."""

    success: bool
    tags_read: int
    duration_seconds: float
    message: str = ""


@runtime_checkable
class PollingControl(Protocol):
    """Steers polling groups; a source that polls groups has it, and the agent has it for all of them. Thread-safe.

    Every method that takes a group id raises UnknownGroupError for one that is not there.
    """

    def groups(self) -> Sequence[GroupStatus]:
        """A snapshot of every group, in the order of the YAML; never blocks on I/O."""

    def start_group(self, group_id: str) -> None:
        """Let the group poll again; without effect when it runs."""

    def stop_group(self, group_id: str, timeout_seconds: float = 5.0) -> bool:
        """Let no poll begin; returns when the running one has ended, False when that took too long."""

    def trigger_group(self, group_id: str, timeout_seconds: float = 10.0) -> TriggerResult:
        """Poll a handshake group now and wait for the result. Triggers within a second share one poll."""

    def start_all(self) -> None:
        """Start every group."""

    def stop_all(self, timeout_seconds: float = 5.0) -> bool:
        """Stop every group; False when a running poll took too long."""


class AgentView(Protocol):
    """The running agent as hooks and extensions see it. Thread-safe."""

    @property
    def name(self) -> str:
        """``agent: {name: ...}``."""

    @property
    def polling(self) -> PollingControl:
        """The groups of all sources; their ids are unique in the agent."""

    def status(self) -> AgentStatus:
        """A snapshot; never blocks on I/O."""

    def backlog(self, sink_id: str) -> Sequence[BacklogFile]:
        """Backup files that wait, oldest first, those of rejected records included; empty without such a fallback.

        Reads the disk, so it may block. Raises UnknownSinkError, and OSError when the folder cannot be read.
        """

    def replay_backup(self, sink_id: str, file: str) -> None:
        """Write one file of ``backlog`` back into the sink next, also one of rejected records.

        Returns at once: the file waits for the sink to be up, and for others asked for before it; ``status`` shows
        its progress. Asking again has no effect, and a restart of the agent forgets it. Records refused again go to a
        new file. Reads the disk, so it may block. Raises UnknownSinkError, UnknownBackupError, ReplayRefused (the sink
        has no such fallback, or its table has no unique key) and OSError.
        """

    def delete_rejected(self, sink_id: str, file: str) -> int:
        """Delete one file of rejected records of ``backlog`` permanently; how many records it held.

        Changes the disk, so it may block. Raises UnknownSinkError, UnknownBackupError, ReplayRefused (it holds good
        records, is being replayed, or its fallback deletes nothing), SinkError and OSError.
        """

    def pause_sink(self, sink_id: str) -> None:
        """Write nothing until ``resume_sink``; records wait in the buffer. Raises UnknownSinkError."""

    def resume_sink(self, sink_id: str) -> None:
        """Resume writing. Raises UnknownSinkError."""

    def try_sink(self, sink_id: str) -> bool:
        """Make the next probe due at once, in a state that probes; returns without waiting for it.

        False in every other state: there is nothing to try. Raises UnknownSinkError.
        """
