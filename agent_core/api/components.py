"""The parts a plugin may provide, as Protocols; each docstring is the contract.

Lifecycle of every part::

    create (pure, by the factory) -> open() (I/O, may be retried) -> use -> close()

``close`` is safe without ``open``, safe twice, and bounded in time. No part needs a base class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from agent_core.api.batch import Batch

Emit = Callable[[Batch], None]
"""Hand a batch to the agent. Thread-safe. Once it has returned, every record is in a place that the ledger names.

It blocks only for a buffer with ``when_full: block`` (at most that limit), and for records that a durable buffer
evicted, until the fallback has them (at most ten seconds). It never raises for reasons that lie downstream. It raises
ValueError for what is not a Batch, or whose columns do not fit together. A record that is none (a value that is not a
``Value``, a name that is not a text, an unknown quality) is set aside alone: it goes to the fallback as rejected, with
its reason. An empty batch is a sign of life, and nothing else.
"""


class Component(Protocol):
    """What every part has."""

    def open(self) -> None:
        """Acquire files, sockets, threads. Called from one thread; may be called again after it raised."""

    def close(self) -> None:
        """Give everything back. Safe without ``open``, safe twice, bounded in time; called from the main thread."""


class Source(Component, Protocol):
    """Collects values and emits them from its own threads."""

    def start(self, emit: Emit) -> None:
        """Begin to call ``emit``; return at once. A device that is away is not an error here."""

    def stop(self, timeout_seconds: float) -> None:
        """Stop emitting, letting a poll under way finish within ``timeout_seconds``. Safe without ``start``, and twice.

        A batch emitted after the agent stopped its sources is counted as dropped, reason ``agent_stopping``.
        """


class Transform(Component, Protocol):
    """Changes or filters batches on their way from one source to the buffers."""

    def apply(self, batch: Batch) -> Batch:
        """Return the records to pass on: changed, fewer (the rest counts as *filtered*) or the same object.

        Called from the source's threads, possibly at the same time. If it raises, the untouched batch goes to the
        fallbacks, reason ``transform_error``.
        """


@dataclass(frozen=True, slots=True)
class Lease:
    """Records lent to one worker: still in the buffer, invisible to other leases, never evicted.

    ``token`` means something to the buffer that made the lease and to nobody else.
    """

    batch: Batch
    token: int


@dataclass(frozen=True, slots=True)
class BufferStats:
    """Row counts at one instant. ``pending = ready + leased <= capacity_records``.

    ``recovered_records``: records found in the store when it was opened (durable buffers), or leased from a shared one.
    ``oldest_age_seconds``: age since ``append`` of the oldest record that is not leased, 0.0 when there is none.
    ``stored_bytes`` is None in memory. ``backlog_messages``: messages of a shared buffer that wait for whichever agent
    fetches them; they are in no agent's ledger. ``damaged_records``: records that were pending and cannot be read any
    more, since the buffer was opened; the core counts them as dropped.
    """

    capacity_records: int
    ready_records: int
    leased_records: int
    recovered_records: int = 0
    oldest_age_seconds: float = 0.0
    stored_bytes: int | None = None
    backlog_messages: int | None = None
    damaged_records: int = 0

    @property
    def pending_records(self) -> int:
        return self.ready_records + self.leased_records


class Buffer(Component, Protocol):
    """Keeps records between the sources and one sink, first in, first out. Every method is thread-safe.

    Capacity counts records, leased ones included. When a batch does not fit, ``when_full`` decides: ``drop_oldest``
    evicts the oldest records that are not leased, ``drop_newest`` the new ones, ``block`` waits its limit for room and
    then does as ``drop_oldest``. Leased records are never evicted: if only they remain, the new records are evicted.

    A *shared* buffer (``BufferFactory.shared``) is filled by other agents, and several agents may empty it. Its sink
    has no inputs, so ``append`` raises OSError, and its capacity only bounds what is held here. Records become this
    agent's with their first lease: then ``recovered_records`` grows by them, and they stay its own until they are
    settled, released ones included. What an agent holds when it ends, or does not keep alive, goes to another, so a
    record may be written twice: the sink recognises it. Order holds within a lease. After ``stop_waiting`` it fetches
    nothing more.
    """

    @property
    def durable(self) -> bool:
        """True when records that ``append`` accepted survive the death of the process."""

    @property
    def blocks(self) -> bool:
        """True when ``append`` may wait (``when_full: block``). The core fills such buffers last."""

    def append(self, batch: Batch) -> Batch:
        """Take the records and return those evicted to make room (possibly some of the new ones); EMPTY when all fit.

        The caller owns the evicted records from here on. A durable buffer keeps them in its store until the calling
        thread's next ``append``, or ``close``: a crash meanwhile repeats them. Raises OSError when a durable buffer
        cannot store: then it has taken nothing and evicted nothing, but after a crash its store may have the records
        all the same. Whatever is repeated is recognised by a sink that is ``idempotent``.
        """

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        """Lend the oldest records that are not leased, at most ``max_records`` (cut exactly there).

        Returns as soon as ``max_records`` are ready, else when the oldest ready record is ``max_wait_seconds`` old
        (with what is there), else None after waiting ``max_wait_seconds`` in vain. 0 never blocks.
        """

    def settle(self, lease: Lease) -> None:
        """Forget the records of a lease: they are durable elsewhere, or counted. LeaseError when it is not out."""

    def release(self, lease: Lease) -> None:
        """Put the records of a lease back where they were in the order. LeaseError when it is not out."""

    def stop_waiting(self) -> None:
        """Make every ``lease`` and ``append`` that waits return at once, and none wait again (shutdown)."""

    def stats(self) -> BufferStats:
        """Counts at this instant; never blocks on I/O."""


class Rejection(NamedTuple):
    """The record at ``position`` (from 0) of the batch was refused for its content; ``code`` is the backend's own."""

    position: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class WriteOutcome:
    """What became of each record of one batch: ``inserted + duplicates + len(rejected) == len(batch)``.

    ``duplicates`` were already there with the same content. ``rejected`` were refused for their content, one entry per
    record, ascending; the core makes them durable in the fallback before it settles the lease.
    """

    inserted: int
    duplicates: int = 0
    rejected: tuple[Rejection, ...] = ()

    def rejection_details(self) -> tuple[str, ...]:
        """One text per rejected record, beginning with its code."""
        return tuple(
            message if message.startswith(code) else f"{code}: {message}" for _, code, message in self.rejected
        )

    @property
    def total(self) -> int:
        return self.inserted + self.duplicates + len(self.rejected)


class Sink(Component, Protocol):
    """Writes batches to one destination. Never sleeps between attempts, never retries: the core owns the clock."""

    @property
    def idempotent(self) -> bool:
        """True when writing the same records twice leaves them once. Valid after ``open``."""

    def write(self, batch: Batch) -> WriteOutcome:
        """Make the records durable, then return; called from up to ``workers`` threads at a time, bounded in time.

        Raises RetryableError, AuthenticationError or ConfigurationError, having written nothing that it knows of;
        anything else is a defect in the sink: the batch is kept and the retries are bounded.
        """


class DivertReason(StrEnum):
    """Why records went to the fallback; also the label of metrics and the CSV column ``reason``."""

    RETRIES_EXHAUSTED = "retries_exhausted"
    AMBIGUOUS_COMMIT = "ambiguous_commit"
    BUFFER_FULL = "buffer_full"
    BUFFER_FAILED = "buffer_failed"
    SINK_DOWN = "sink_down"
    SHUTDOWN = "shutdown"
    TRANSFORM_ERROR = "transform_error"
    REJECTED = "rejected"


class DropReason(StrEnum):
    """Why records are lost permanently."""

    BUFFER_FULL = "buffer_full"
    BUFFER_FAILED = "buffer_failed"
    BUFFER_DAMAGED = "buffer_damaged"
    FALLBACK_FAILED = "fallback_failed"
    AGENT_STOPPING = "agent_stopping"
    SHUTDOWN = "shutdown"
    TRANSFORM_ERROR = "transform_error"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Diversion:
    """Why a batch is handed to a fallback.

    ``details`` is None, or one text per record (the database's code and message of each rejected record).
    ``attempted_at_ns`` is when the primary was last tried, UTC ns.
    """

    reason: DivertReason
    attempted_at_ns: int
    details: tuple[str, ...] | None = None

    @property
    def rejected(self) -> bool:
        """True for records refused for their content: they are kept apart and never replayed automatically."""
        return self.reason is DivertReason.REJECTED


@runtime_checkable
class FallbackSink(Protocol):
    """A sink that also stores why it got the records. A fallback without it gets plain ``write`` calls."""

    def divert(self, batch: Batch, diversion: Diversion) -> Sequence[Rejection] | None:
        """Make the records durable, then return; called from several threads at a time.

        Returns the records that it cannot hold for their content, if there are any, ascending: no retry helps them.
        Raises OSError or SinkError when it can store nothing now.
        """


@dataclass(frozen=True, slots=True)
class BacklogFile:
    """One file of records that wait for replay. ``records`` is None when counting would mean reading it all.

    ``rejected``: its records were refused for their content. ``path`` is None when the fallback does not keep files.
    ``version`` is another when somebody has changed the file; empty when that cannot be told.
    """

    name: str
    size_bytes: int
    records: int | None
    rejected: bool
    path: Path | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a backlog file that cannot be read back. ``line`` counts from 1, the header included."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class ReplayBatch:
    """Records read back, oldest first. ``next_record`` is where a later ``read`` of the file would resume."""

    batch: Batch
    next_record: int
    bad_lines: tuple[BadLine, ...] = ()


@runtime_checkable
class Replayable(Protocol):
    """A fallback whose records can be read back."""

    def backlog(self) -> Sequence[BacklogFile]:
        """Files complete and ready to read, oldest first."""

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        """Records of one file from data record ``from_record`` (0 is the first line after the header) on.

        Raises BackupChangedError, at the end at the latest, when somebody has changed the file meanwhile.
        """

    def finish(self, file: str) -> None:
        """Every record of the file is in its destination: move it out of the backlog.

        Raises BackupChangedError when somebody has changed it since it was read.
        """


@dataclass(frozen=True, slots=True)
class Stock:
    """Records that lie in a fallback now, those of the files that are still being written included.

    ``backup_records`` wait to be written back, ``rejected_records`` were refused for their content. ``counted`` is
    False while the records of some files are estimated.
    """

    backup_records: int = 0
    rejected_records: int = 0
    counted: bool = True


@runtime_checkable
class Stocked(Protocol):
    """Optional on a Replayable: it knows how many records it holds."""

    def stock(self) -> Stock:
        """A snapshot, exact to the last record stored; never blocks on I/O, never raises, thread-safe.

        A record counts until ``finish`` has moved its file out of the backlog.
        """


@runtime_checkable
class Completing(Protocol):
    """Optional on a Replayable that collects records in an open file before it is part of the backlog."""

    def complete(self) -> bool:
        """Make the good records of the open file part of the backlog now; False when there are none.

        Called by the replay when nothing else waits and no record has come for seconds. Raises OSError or SinkError.
        """


@runtime_checkable
class KeepsDelivered(Protocol):
    """Optional on a fallback: it keeps copies of what the sink has, for the case that the sink loses it later."""

    def keep_delivered(self, batch: Batch) -> None:
        """Take a copy of records that the sink has. Called for each batch, from the threads that write into the sink.

        Returns at once and never raises: a copy that cannot be kept is the fallback's to count and say.
        """

    def delivered_files(self) -> Sequence[Path]:
        """Complete files of records that the sink has had, oldest first; may block. Raises OSError."""


@runtime_checkable
class Discarding(Protocol):
    """Optional on a Replayable: a person may delete what nobody can use."""

    def discard(self, file: str) -> int:
        """Delete a file of the backlog permanently; how many records it held. Thread-safe; may block.

        Raises FileNotFoundError when the backlog has no such file, OSError or SinkError when it cannot.
        """


class BackupReader(Protocol):
    """Reads backup files of one plugin wherever they lie; it changes nothing and needs no configuration."""

    def describe(self, path: Path) -> BacklogFile:
        """What can be said of the file without reading it; ``name`` and ``path`` are ``path``. Raises OSError."""

    def read(self, path: Path, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        """As ``Replayable.read``. Raises OSError or BackupChangedError."""


class Extension(Component, Protocol):
    """An add-on that does not touch the data path: a monitor, a dashboard, a metrics exporter."""

    def observers(self) -> Sequence[object]:
        """Objects whose ``@hookimpl`` methods are registered for the time of the run."""


class Severity(StrEnum):
    """How bad a finding or an alert is; alerts are never OK.

    CRITICAL: the part does not work, or records are lost or cannot reach their destination. WARNING: it works, but
    somebody should look.
    """

    OK = "ok"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of ``tagferry doctor``, or one advice of a part that runs."""

    severity: Severity
    subject: str
    message: str
    next_step: str | None = None


@runtime_checkable
class Diagnosable(Protocol):
    """Optional on any component."""

    def diagnose(self) -> Iterable[Finding]:
        """Check the live environment and leave nothing behind. May block; called without ``open``."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """A source's last sign of life: a batch it emitted, or work that gave it nothing to emit.

    ``silent_seconds``: how long ago that was. ``limit_seconds``: how long it may be while the source works as it
    should; beyond it the source is *stale*. ``about`` names the part of the source that has been silent for longest,
    such as ``device PLC01``; empty for the source as a whole.
    """

    silent_seconds: float
    limit_seconds: float
    about: str = ""


@runtime_checkable
class Pulsing(Protocol):
    """Optional on a source: it knows how often it should show that it works.

    The core cannot tell a source that has nothing to say (values that do not change) from one that hangs. Without this,
    a source is stale after the ``stale_after`` that the YAML gives it, else after a time that its own gaps between two
    batches show, counted from its last batch. An empty batch is a sign of life, too.
    """

    def pulse(self) -> Pulse | None:
        """The part whose sign of life is most overdue; None while none is expected.

        None is for a source that waits for events, or whose groups an operator has stopped. A snapshot: never blocks,
        thread-safe; called between ``start`` and ``stop``.
        """


@runtime_checkable
class Advising(Protocol):
    """Optional on a sink or a buffer."""

    def advice(self) -> Sequence[Finding]:
        """What an operator should know while the part runs, though it works; empty when there is nothing.

        A snapshot: never blocks, never raises, thread-safe. Each finding is an alert until it is no longer given.
        """


@runtime_checkable
class DdlProvider(Protocol):
    """Optional on a sink that writes into a table: the statements that would create it."""

    def ddl(self) -> str:
        """Statements that fit the configuration, to be read and run by a person. Pure; called without ``open``.

        Raises ConfigError when the configuration describes no table.
        """


Config = Mapping[str, object]
"""A component's validated ``config:`` mapping: defaults filled in, durations as float seconds, sizes as int bytes,
paths absolute, secrets as Secret. Immutable."""
