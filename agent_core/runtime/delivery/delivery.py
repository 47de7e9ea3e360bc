"""Delivery: carries the records of one sink from its buffer to the sink, or to its fallback.

Every sink gets this for free: batching, retries of the same records, states with a single probe, the fallback, an exact
account of each record, and a shutdown that ends in time::

    accept -> buffer -> lease -> write ----------> settle
                 \\ evicted        \\ given up or rejected
                  `-> fallback      `-> fallback -> settle
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from agent_core.api import (
    Account,
    Advising,
    BacklogFile,
    Batch,
    Buffer,
    BufferStats,
    DivertReason,
    DropReason,
    Finding,
    Lease,
    ReplayRefused,
    ReplayStatus,
    SinkError,
    SinkStatus,
)
from agent_core.config.model import SinkConfig
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.overflow import Overflow, Parcel
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import SinkGate
from agent_core.runtime.delivery.watch import Limits, Watch
from agent_core.runtime.delivery.workers import Workers
from agent_core.runtime.error_words import repr_of, text_of

SPILL_RECORDS: Final = 100_000
"""How many records go to the fallback at once in a stop: about 10 MB as CSV."""


SPILL_SECONDS: Final = 1.0
SPILL_RATE: Final = 50_000
"""A stop keeps so much time for the fallback: the seconds, and one more for so many records (per second) that wait."""


class BacklogReplay(Protocol):
    """Writes the fallback's backlog back into the sink, next to live data. ``run`` is the body of its thread."""

    def run(self) -> None:
        """Replay until stopped, or until the gate closes."""

    def stop(self) -> None:
        """Begin no further batch."""

    def status(self) -> ReplayStatus:
        """A snapshot."""

    def look(self) -> None:
        """Compare the backlog with what it was; called about once a second."""

    def advice(self) -> Sequence[Finding]:
        """What an operator should know of the backlog; a snapshot."""

    def backlog(self) -> Sequence[BacklogFile]:
        """The files that wait; reads the disk."""

    def request(self, file: str) -> None:
        """Replay ``file`` next. Raises UnknownBackupError, ReplayRefused or OSError."""

    def delete_rejected(self, file: str) -> int:
        """Delete a file of rejected records; how many. Raises UnknownBackupError, ReplayRefused, SinkError, OSError."""


class Delivery:
    """The way to one sink. ``accept`` and ``refuse`` are called from source threads, the rest from the main thread."""

    def __init__(
        self,
        context: SinkContext,
        config: SinkConfig,
        buffer: Buffer,
        gate: SinkGate,
        sink: SharedSink,
        diverter: Diverter,
        workers: Workers,
        replay: BacklogReplay | None,
    ) -> None:
        self.sink_id = context.sink_id
        self.buffer = buffer
        self._context = context
        self._config = config
        self._gate = gate
        self._advising_buffer = buffer if isinstance(buffer, Advising) else None
        self._sink = sink
        self._diverter = diverter
        self._workers = workers
        self._replay = replay
        self._given_up = False
        self._damage_lock = threading.Lock()
        self._counted_damaged = 0
        self._divert_after = config.divert_after_seconds if workers.diverts else None
        limits = Limits(config.write_limit_seconds, self._divert_after)
        self._overflow = Overflow(context, diverter, gate)
        probe_seconds = config.breaker.probe_interval_seconds
        self._watch = Watch(context, buffer, gate, diverter, self._overflow, workers, limits, probe_seconds)

    def accept(self, batch: Batch) -> None:
        """Take the records; on return each is in the buffer, on its way to the fallback, or counted as dropped.

        Nobody waits here for the fallback, except for records that a durable buffer evicted: they would be volatile.
        """
        self._context.move(Account.COLLECTED, Account.PENDING, len(batch))
        try:
            evicted = self.buffer.append(batch)
        except BaseException as error:
            self._context.log.error(
                "buffer failed",
                sink=self.sink_id,
                error=repr_of(error),
                every=self.sink_id,
                exc_info=None if isinstance(error, OSError) else error,
            )
            self._send(Parcel(batch, DivertReason.BUFFER_FAILED), DropReason.BUFFER_FAILED)
            return
        if evicted:
            self._send(Parcel(evicted, DivertReason.BUFFER_FULL), DropReason.BUFFER_FULL)

    def refuse(self, batch: Batch, divert: DivertReason | None, drop: DropReason) -> None:
        """Account for records that never reach the buffer: a transform failed, or the agent has stopped its sources."""
        self._context.move(Account.COLLECTED, Account.PENDING, len(batch))
        if divert is None:
            self._diverter.drop(batch, drop)
        else:
            self._send(Parcel(batch, divert), drop)

    def set_aside(self, batch: Batch, reasons: tuple[str, ...]) -> None:
        """Keep records that are none in the fallback, as rejected, with a reason for each; the sink never sees them."""
        self._context.move(Account.COLLECTED, Account.PENDING, len(batch))
        self._send(Parcel(batch, DivertReason.REJECTED, reasons), DropReason.REJECTED)

    def _send(self, parcel: Parcel, without_fallback: DropReason) -> None:
        if self._diverter.available:
            self._overflow.put(parcel, until_stored=self.buffer.durable)
        else:
            self._diverter.drop(parcel.batch, without_fallback)

    def open(self) -> None:
        """Open the fallback and the buffer. The sink opens in its first attempt: a database may be away at start."""
        self.open_fallback()
        self.open_buffer()

    def open_fallback(self) -> None:
        """The first half of ``open``."""
        self._diverter.open()

    def open_buffer(self) -> None:
        """The second half of ``open``."""
        self.buffer.open()
        recovered = self.buffer.stats().recovered_records
        self._context.move(Account.RECOVERED, Account.PENDING, recovered)

    def start(self) -> None:
        """Start the workers and the replay."""
        self._workers.start()
        if self._replay is not None:
            threading.Thread(target=self._replay.run, name=f"{self.sink_id}-replay", daemon=True).start()

    @property
    def watch(self) -> Watch:
        """Its ``run`` is for a thread that whoever starts the delivery gives it."""
        return self._watch

    def look_at_backlog(self) -> None:
        """For the watch's ``run``: see whether the backlog shrinks, and what the buffer has lost."""
        self._count_damaged()
        if self._replay is not None:
            self._replay.look()

    def drain(self, deadline: float) -> bool:
        """Write what is buffered until ``deadline`` (monotonic seconds); True when nothing is left.

        The sources have stopped. It ends early when waiting cannot help: the sink is down and the records are safe
        elsewhere. If they are not, a last probe is made at once.
        """
        if self._replay is not None:
            self._replay.stop()
        safe_elsewhere = self._diverter.available or self.buffer.durable
        if not safe_elsewhere:
            self._gate.probe_now()
        drained = self._workers.drain(deadline, safe_elsewhere)
        self._overflow.wake()
        return drained

    def spill_seconds(self) -> float:
        """How long ``spill`` may take: the time that a stop keeps for it."""
        if self.buffer.durable or not self._diverter.available:
            return SPILL_SECONDS
        return SPILL_SECONDS + self._pending() / SPILL_RATE

    def spill(self, deadline: float) -> None:
        """After ``drain``: account for the rest. A durable buffer keeps its records; others go to the fallback.

        Records that are ready go first, in large appends. Then workers hand back their leases, for half of the time;
        those of a worker that hangs inside a write go to the fallback too, as ambiguous. What a worker is just storing
        is its own to count, until ``deadline``. Rejected records that wait for the fallback get a last try.
        """
        clock = self._context.clock
        while self._overflow.store(last_try=True):
            pass
        if self.buffer.durable:
            self._workers.end(deadline)
            self._count_damaged()
            return
        self._spill_ready()
        now = clock.monotonic()
        stuck = self._workers.end(now + max(0.0, deadline - now) / 2)
        self._spill_stuck(stuck)
        self._spill_ready()
        if self._workers.wait_until(deadline, lambda: not self._pending()):
            self._spill_ready()

    def give_up(self) -> int:
        """After ``spill``, or when its time is up: count what is left in a volatile buffer, or on its way, as dropped.

        Returns how many records these are. Those that find their place later are counted there instead.
        """
        self._given_up = True
        if self.buffer.durable:
            return self._overflow.give_up()
        lost = self._context.ledger.give_up(self.sink_id)
        if lost:
            self._context.events.records_dropped(self.sink_id, lost, DropReason.SHUTDOWN)
        return lost

    def _count_damaged(self) -> None:
        """Records that the buffer cannot read any more are dropped: nobody else would ever account for them."""
        with self._damage_lock:
            damaged = max(0, self._buffer_stats().damaged_records - self._counted_damaged)
            self._counted_damaged += damaged
        if damaged:
            reason = DropReason.BUFFER_DAMAGED
            self._context.move(Account.PENDING, Account.DROPPED, damaged, reason)
            self._context.events.records_dropped(self.sink_id, damaged, reason)

    def _pending(self) -> int:
        return self._context.ledger.snapshot(self.sink_id).pending

    def _spill_ready(self) -> None:
        """Everything that no worker holds goes to the fallback: one write and one sync of the disk, if it has room."""
        least = self._config.batch.max_records
        size = max(least, SPILL_RECORDS)
        while not self._given_up and (rest := self.buffer.lease(size, 0)) is not None:
            if self._diverter.divert(rest.batch, DivertReason.SHUTDOWN):
                self.buffer.settle(rest)
            elif self._diverter.available and len(rest.batch) > least:
                self.buffer.release(rest)  # a part of them may fit
                size = max(least, len(rest.batch) // 2)
            else:
                reason = DropReason.FALLBACK_FAILED if self._diverter.available else DropReason.SHUTDOWN
                self._diverter.drop(rest.batch, reason)
                self.buffer.settle(rest)

    def _spill_stuck(self, stuck: Sequence[Lease]) -> None:
        together = Batch.join([lease.batch for lease in stuck])
        stored = len(stuck) > 1 and self._diverter.divert(together, DivertReason.AMBIGUOUS_COMMIT)
        for lease in stuck:
            if not stored:
                self._diverter.divert_or_drop(lease.batch, DivertReason.AMBIGUOUS_COMMIT, DropReason.SHUTDOWN)
            self.buffer.settle(lease)

    def close_sink(self) -> None:
        """Close the sink."""
        self._sink.close()

    def close_fallback(self) -> None:
        """Close the fallback."""
        self._diverter.close()

    def close_buffer(self) -> None:
        """Close the buffer."""
        self.buffer.close()

    def pause(self) -> None:
        """Stop writing until ``resume``; records wait in the buffer."""
        self._gate.pause()

    def resume(self) -> None:
        """Write again."""
        self._gate.resume()

    def try_now(self) -> bool:
        """Probe at once; False when the sink is in no state that probes."""
        return self._gate.probe_now()

    def backlog(self) -> Sequence[BacklogFile]:
        """Files that wait in the fallback, if it can list them; reads the disk."""
        return () if self._replay is None else self._replay.backlog()

    def replay_backup(self, file: str) -> None:
        """Write one file of the backlog back next. Raises UnknownBackupError, ReplayRefused or OSError."""
        if self._replay is None:
            raise ReplayRefused(f"sink {self.sink_id} has no fallback whose records can be read back")
        self._replay.request(file)

    def delete_rejected(self, file: str) -> int:
        """Delete a file of rejected records. Raises UnknownBackupError, ReplayRefused, SinkError or OSError."""
        if self._replay is None:
            raise ReplayRefused(f"sink {self.sink_id} has no fallback whose records can be read back")
        return self._replay.delete_rejected(file)

    def status(self) -> SinkStatus:
        """A snapshot, without secrets in what the sink and its fallback have to say."""
        error, redact = self._gate.last_error, self._context.redact
        return SinkStatus(
            sink_id=self.sink_id,
            type=self._config.type,
            state=self._gate.state,
            ledger=self._context.ledger.snapshot(self.sink_id),
            buffer=self._buffer_stats(),
            last_error=None if error is None else redact(text_of(error)),
            last_delivery_ns=self._workers.last_delivery_ns,
            next_probe_seconds=self._gate.next_probe_seconds(),
            inputs=self._config.inputs,
            replay=None if self._replay is None else self._replay.status(),
            advice=self._advice(),
            next_step=redact(str(error.next_step)) if isinstance(error, SinkError) and error.next_step else None,
            workers_running=self._workers.running,
            write_seconds=self._gate.longest_write_seconds() or None,
            divert_after_seconds=self._divert_after,
        )

    def _buffer_stats(self) -> BufferStats:
        try:
            return self.buffer.stats()
        except BaseException as error:  # a buffer's defect must not hide the other sinks, nor spoil a stop
            self._context.log.error(
                "buffer status failed", sink=self.sink_id, error=repr_of(error), every=self.sink_id, exc_info=error
            )
            return BufferStats(0, self._pending(), 0)

    def _advice(self) -> tuple[Finding, ...]:
        try:
            of_backlog = () if self._replay is None else self._replay.advice()
            of_fallback = (*self._diverter.advice(), *self._overflow.advice())
            of_buffer = () if self._advising_buffer is None else self._advising_buffer.advice()
            return tuple(map(self._redacted, (*of_fallback, *of_backlog, *of_buffer, *self._sink.advice())))
        except BaseException as error:  # a part's defect must not hide the other sinks
            self._context.log.error(
                "advice failed", sink=self.sink_id, error=repr_of(error), every=self.sink_id, exc_info=error
            )
            return ()

    def _redacted(self, finding: Finding) -> Finding:
        redact, step = self._context.redact, finding.next_step
        return replace(finding, message=redact(finding.message), next_step=None if step is None else redact(step))
