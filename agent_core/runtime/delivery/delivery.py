"""Delivery: carries the rows of one sink from its buffer to the sink, or to its fallback.

Every sink gets this for nothing: batching, retries of the same rows, states with a single probe, the fallback,
an exact account of each row, and a shutdown that ends in time::

    accept -> buffer -> lease -> write ----------> settle
                 \\ evicted        \\ given up or rejected
                  `-> fallback      `-> fallback -> settle
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from agent_core.api import (
    Account,
    Advising,
    BacklogFile,
    Batch,
    Buffer,
    Clock,
    DivertReason,
    DropReason,
    RateLimit,
    Replayable,
    ReplayRefused,
    Sink,
    SinkState,
    SinkStatus,
)
from agent_core.registry.events import Events
from agent_core.runtime.delivery.carrier import Carrier, CarrierSettings
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.primary import Primary
from agent_core.runtime.delivery.settler import Settler
from agent_core.runtime.delivery.sink_gate import DOWN, SinkGate
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.replayer import Replayer, ReplaySettings

WORKER_RESTART_SECONDS = 1.0
"""A worker that a defect threw out of its loop starts over after this time, so that it cannot spin."""


class Delivery:
    """The way to one sink. ``accept`` and ``refuse`` are called from source threads, the rest from the main thread."""

    def __init__(
        self,
        sink_id: str,
        sink_type: str,
        inputs: Sequence[str],
        sink: Sink,
        buffer: Buffer,
        fallback: Fallback | None,
        *,
        workers: int,
        max_records: int,
        max_wait_seconds: float,
        carrier: CarrierSettings,
        replay: ReplaySettings | None,
        state_dir: Path,
        ledger: Ledger,
        events: Events,
        clock: Clock,
        logger: logging.Logger,
    ) -> None:
        self.sink_id = sink_id
        self.buffer = buffer
        self._sink_type = sink_type
        self._advising = sink if isinstance(sink, Advising) else None
        self._inputs = tuple(inputs)
        self._workers = workers
        self._max_records = max_records
        self._max_wait_seconds = max_wait_seconds
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self._log = logger
        self._faults = RateLimit(clock)
        self._gate = SinkGate(clock, self._announce_state)
        self._diverter = Diverter(sink_id, fallback, ledger, events, clock, logger)
        self._primary = Primary(sink, self._gate, clock)
        self._settler = Settler(sink_id, self._primary, buffer, self._diverter, carrier.backoff, ledger, events, clock)
        self._carrier = Carrier(
            sink_id, self._primary, buffer, self._diverter, self._gate, self._settler, carrier, events, clock, logger
        )
        self._replayable: Replayable | None = None
        if fallback is not None and isinstance(fallback.sink, Replayable):
            self._replayable = fallback.sink
        self._replayer: Replayer | None = None
        if replay is not None and self._replayable is not None:
            position = ReplayPosition(state_dir / "replay" / f"{sink_id}.json")
            self._replayer = Replayer(
                sink_id,
                self._primary,
                self._replayable,
                self._diverter,
                self._gate,
                position,
                replay,
                events,
                clock,
                logger,
            )
        self._draining = False
        self._running = 0

    def accept(self, batch: Batch) -> None:
        """Take the rows; on return each is in the buffer, durable in the fallback, or counted as dropped."""
        self._ledger.move(self.sink_id, Account.COLLECTED, Account.PENDING, len(batch))
        try:
            evicted = self.buffer.append(batch)
        except Exception as error:
            if (repeats := self._faults.allow("buffer")) is not None:
                self._log.error("buffer failed: sink=%s error=%r%s", self.sink_id, error, repeats)
            self._diverter.divert_or_drop(batch, DivertReason.BUFFER_FAILED, DropReason.BUFFER_FAILED)
            return
        if evicted:
            self._diverter.divert_or_drop(evicted, DivertReason.BUFFER_FULL, DropReason.BUFFER_FULL)

    def refuse(self, batch: Batch, divert: DivertReason | None, drop: DropReason) -> None:
        """Account for rows that never reach the buffer: a transform failed, or the agent has stopped its sources."""
        self._ledger.move(self.sink_id, Account.COLLECTED, Account.PENDING, len(batch))
        if divert is None:
            self._diverter.drop(batch, drop)
        else:
            self._diverter.divert_or_drop(batch, divert, drop)

    def open(self) -> None:
        """Open the fallback and the buffer. The sink opens in its first attempt: a database may be away at start."""
        self._diverter.open()
        self.buffer.open()
        recovered = self.buffer.stats().recovered_records
        self._ledger.move(self.sink_id, Account.RECOVERED, Account.PENDING, recovered)

    def start(self) -> None:
        """Start the workers."""
        self._running = self._workers
        for number in range(1, self._workers + 1):
            threading.Thread(target=self._work, name=f"{self.sink_id}-{number}", daemon=True).start()
        if self._replayer is not None:
            threading.Thread(target=self._replayer.run, name=f"{self.sink_id}-replay", daemon=True).start()

    def drain(self, deadline: float) -> bool:
        """Write what is buffered until ``deadline`` (monotonic seconds); True when nothing is left.

        The sources have stopped. It ends early when waiting cannot help: the sink is down and the rows have another
        safe place. Without one, a last probe is made at once.
        """
        if self._replayer is not None:
            self._replayer.stop()
        safe_elsewhere = self._diverter.available or self.buffer.durable
        if not safe_elsewhere:
            self._gate.probe_now()
        self._draining = True
        self.buffer.stop_waiting()
        with self._gate.changed:
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                state = self._gate.locked_state()
                waits_in_vain = state in DOWN and safe_elsewhere and not self._carrier.diverts
                if waits_in_vain or state is SinkState.PAUSED:
                    break
                self._clock.wait(self._gate.changed, left)
            drained = not self._running
        self._gate.close()
        return drained

    def spill(self, deadline: float) -> None:
        """After ``drain``: account for the rest. A durable buffer keeps its rows; others go to the fallback.

        Raises RuntimeError when rows that were pending are in no lease and no buffer, a defect of a part that would
        otherwise hide a loss; they are counted as dropped.

        Waits until ``deadline`` for workers to hand back their leases; rows of one that hangs inside a write go to
        the fallback too, as ambiguous. Rejected rows that wait for the fallback get a last try.
        """
        with self._gate.changed:
            while self._running and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._gate.changed, left)
            stuck = self._carrier.locked_land_all()
        self._settler.finish()
        if self.buffer.durable:
            return
        for lease in stuck:
            self._diverter.divert_or_drop(lease.batch, DivertReason.AMBIGUOUS_COMMIT, DropReason.SHUTDOWN)
            self.buffer.settle(lease)
        while (rest := self.buffer.lease(self._max_records, 0)) is not None:
            self._diverter.divert_or_drop(rest.batch, DivertReason.SHUTDOWN, DropReason.SHUTDOWN)
            self.buffer.settle(rest)
        self._drop_missing()

    def _drop_missing(self) -> None:
        missing = self._ledger.snapshot(self.sink_id).pending
        if missing:
            self._ledger.move(self.sink_id, Account.PENDING, Account.DROPPED, missing, DropReason.SHUTDOWN)
            self._events.records_dropped(self.sink_id, missing, DropReason.SHUTDOWN)
            raise RuntimeError(f"{missing} pending rows are in no lease and not in the buffer")

    def close_sink(self) -> None:
        """Close the sink."""
        self._primary.close()

    def close_fallback(self) -> None:
        """Close the fallback."""
        self._diverter.close()

    def close_buffer(self) -> None:
        """Close the buffer."""
        self.buffer.close()

    def pause(self) -> None:
        """Stop writing until ``resume``; rows wait in the buffer."""
        self._gate.pause()

    def resume(self) -> None:
        """Go on writing."""
        self._gate.resume()

    def backlog(self) -> Sequence[BacklogFile]:
        """Files that wait in the fallback, if it can list them; reads the disk."""
        return () if self._replayable is None else self._replayable.backlog()

    def replay_backup(self, file: str) -> None:
        """Write one file of the backlog back next. Raises UnknownBackupError, ReplayRefused or OSError."""
        if self._replayer is None:
            raise ReplayRefused(f"sink {self.sink_id} has no fallback whose rows can be read back")
        self._replayer.request(file)

    def status(self) -> SinkStatus:
        """A snapshot."""
        last_error = self._gate.last_failure
        return SinkStatus(
            sink_id=self.sink_id,
            type=self._sink_type,
            state=self._gate.state,
            ledger=self._ledger.snapshot(self.sink_id),
            buffer=self.buffer.stats(),
            last_error=last_error,
            last_delivery_ns=self._carrier.last_delivery_ns,
            next_probe_seconds=self._gate.next_probe_seconds(),
            inputs=self._inputs,
            replay=None if self._replayer is None else self._replayer.status(),
            advice=() if self._advising is None else tuple(self._advising.advice()),
            next_step=self._primary.step_after(last_error),
        )

    def _work(self) -> None:
        """One worker: lease and carry until the gate closes, or nothing is left to drain."""
        try:
            while not self._gate.closed:
                try:
                    lease = self.buffer.lease(self._max_records, self._max_wait_seconds)
                    if lease is not None:
                        self._carrier.carry(lease)
                    elif self._draining:
                        return
                    self._settler.try_again()
                except Exception as error:
                    if (repeats := self._faults.allow("worker")) is not None:
                        self._log.exception(
                            "worker failed and goes on: sink=%s error=%r%s", self.sink_id, error, repeats
                        )
                    self._gate.sleep(WORKER_RESTART_SECONDS)
        finally:
            with self._gate.changed:
                self._running -= 1
                self._gate.changed.notify_all()

    def _announce_state(self, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None) -> None:
        self._events.sink_state_changed(self.sink_id, old, new, reason, next_probe_seconds)
