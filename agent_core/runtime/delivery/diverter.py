"""Diverter: hands records to the fallback of one sink, and counts what became of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final, NamedTuple

from agent_core.api import (
    EMPTY,
    Account,
    Advising,
    Batch,
    Diversion,
    DivertReason,
    DropReason,
    Finding,
    KeepsDelivered,
    RetryableError,
    Severity,
    SinkError,
)
from agent_core.runtime.delivery.fallback import Fallback, FallbackFailed
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.error_words import message_of

FAILING_NEXT_STEP: Final = (
    "fix what the message says, the next records are tried at once; until then they stay in the buffer, and what does "
    "not fit there is lost"
)

HANGING_SECONDS: Final = 10.0
"""A call of the fallback that has not returned for so long is named, and until it does, no other is made."""

HANGING_NEXT_STEP: Final = "check the disk or mount behind it; if it stays, restart the agent"

UNAVAILABLE_NEXT_STEP: Final = (
    "end the tagferry replay that holds it, or fix what the message says; it opens when the next records need it"
)


class Stored(NamedTuple):
    """What became of records in the fallback: ``kept`` are durable, ``refused`` it rejected for their content."""

    kept: Batch
    refused: Batch


class Diverter:
    """Moves pending records of one sink to ``diverted``, ``rejected`` or ``dropped``. Thread-safe.

    It depends on no worker, retry or state: source threads use it while the sink is away.
    """

    def __init__(self, context: SinkContext, fallback: Fallback | None) -> None:
        self.available = fallback is not None
        self._context = context
        self._fallback = fallback
        self._keeper: KeepsDelivered | None = None
        if fallback is not None and isinstance(fallback.sink, KeepsDelivered):
            self._keeper = fallback.sink
        self._calls: dict[int, float] = {}
        """When the call of the fallback under way in each thread began (monotonic seconds)."""

    def open(self) -> None:
        """Open the fallback, if there is one. Raises what its ``open`` raises, except RetryableError.

        ``tagferry replay`` may hold the backlog, which must not stop the collection of values. The fallback then opens
        when it is needed; until then, what it cannot take is counted as dropped.
        """
        if self._fallback is not None:
            try:
                self._fallback.open()
            except RetryableError as error:
                self._log_unavailable(error)

    def _log_unavailable(self, error: BaseException) -> None:
        sink_id = self._context.sink_id
        step = error.next_step if isinstance(error, SinkError) and error.next_step else UNAVAILABLE_NEXT_STEP
        self._context.log.warning("fallback unavailable", sink=sink_id, error=error, next_step=step, every=sink_id)

    def advice(self) -> Sequence[Finding]:
        """That the fallback hangs, or fails until one call has worked; else what it has to say itself."""
        if self._fallback is None:
            return ()
        if (seconds := self.hanging_seconds()) > 0:
            message = f"a call has not returned for {seconds:.0f} s; records for it wait in memory while there is room"
            subject = f"fallback {self._fallback.fallback_id}"
            return (Finding(Severity.CRITICAL, subject, message, HANGING_NEXT_STEP),)
        failure, sink = self._fallback.failure, self._fallback.sink
        if failure is None:
            return sink.advice() if isinstance(sink, Advising) else ()
        step = failure.next_step if isinstance(failure, SinkError) and failure.next_step else FAILING_NEXT_STEP
        message = f"stores no records: {message_of(failure)}"
        return (Finding(Severity.CRITICAL, f"fallback {self._fallback.fallback_id}", message, step),)

    def hanging_seconds(self) -> float:
        """How long the oldest call of the fallback under way has taken, once that is too long; else 0.0."""
        began = min(tuple(self._calls.values()), default=None)
        seconds = 0.0 if began is None else self._context.clock.monotonic() - began
        return seconds if seconds >= HANGING_SECONDS else 0.0

    @property
    def hangs(self) -> bool:
        """True while a call has taken so long that nobody should make another."""
        return bool(self._calls) and self.hanging_seconds() > 0

    def hanging_threads(self) -> frozenset[int]:
        """The threads inside a call that has taken so long."""
        limit = self._context.clock.monotonic() - HANGING_SECONDS
        return frozenset(thread for thread, began in tuple(self._calls.items()) if began <= limit)

    def name_hanging(self) -> None:
        """Log a call of the fallback that does not return."""
        if (seconds := self.hanging_seconds()) > 0:
            self._context.log.error(
                "fallback hangs",
                sink=self._context.sink_id,
                elapsed_seconds=seconds,
                next_step=HANGING_NEXT_STEP,
                every=self._context.sink_id,
            )

    def close(self) -> None:
        """Close the fallback."""
        if self._fallback is not None:
            self._fallback.close()

    def store(
        self, batch: Batch, reason: DivertReason, attempted_at_ns: int, details: tuple[str, ...] | None
    ) -> Stored | None:
        """Make records durable in the fallback; None, and a line in the log, when that fails. Counts nothing."""
        assert self._fallback is not None
        if details is not None:  # what the sink said of each record: a file shows it to whoever may read
            details = tuple(map(self._context.redact, details))
        sink_id, failed_before = self._context.sink_id, self._fallback.failure is not None
        thread = threading.get_ident()
        self._calls[thread] = self._context.clock.monotonic()
        try:
            refused = self._fallback.divert(batch, Diversion(reason, attempted_at_ns, details))
        except FallbackFailed as error:
            self._context.log.error("fallback failed", sink=sink_id, error=error, every=sink_id)
            return None
        finally:
            self._calls.pop(thread, None)
        if failed_before:
            self._context.log.info("fallback works again", sink=sink_id, every=sink_id)
        if not refused:
            return Stored(batch, EMPTY)
        first = refused[0]
        self._context.log.error(
            "fallback rejected records",
            sink=sink_id,
            records=len(refused),
            code=first.code,
            error=first.message,
            every=sink_id,
        )
        indices = {rejection.position for rejection in refused}
        kept = [index for index in range(len(batch)) if index not in indices]
        return Stored(batch.select(kept), batch.select(sorted(indices)))

    def store_rejected(self, flight: Flight) -> Stored | None:
        """Make the records that the sink rejected durable in the fallback, as ``store`` does."""
        details = flight.outcome.rejection_details()
        return self.store(flight.rejected(), DivertReason.REJECTED, flight.attempted_at_ns, details)

    def copy_delivered(self, flight: Flight) -> None:
        """Give the fallback a copy of what the sink has, if it keeps copies. Nothing depends on it."""
        if self._keeper is None:
            return
        try:
            self._keeper.keep_delivered(flight.delivered())
        except BaseException as error:  # a plugin's defect costs a copy, not a batch
            sink_id = self._context.sink_id
            self._context.log.error("copy not kept", sink=sink_id, error=message_of(error), every=sink_id)

    def count_diverted(self, stored: Stored, reason: DivertReason) -> None:
        """Count and announce records that ``store`` took from the buffer."""
        assert self._fallback is not None
        if stored.kept:
            self._context.move(Account.PENDING, Account.DIVERTED, len(stored.kept), reason)
            self._context.events.batch_diverted(self._context.sink_id, self._fallback.fallback_id, stored.kept, reason)
        if stored.refused:
            self.drop(stored.refused, DropReason.FALLBACK_FAILED)

    def count_rejected(self, stored: Stored) -> None:
        """Count records that the sink rejected, after ``store`` took them."""
        self._context.move(Account.PENDING, Account.REJECTED, len(stored.kept))
        if stored.refused:
            self.drop(stored.refused, DropReason.FALLBACK_FAILED)

    def divert(self, batch: Batch, reason: DivertReason) -> bool:
        """Try the fallback once; False, and nothing is counted, when there is none or it fails."""
        if not self.available:
            return False
        stored = self.store(batch, reason, self._context.clock.time_ns(), None)
        if stored is not None:
            self.count_diverted(stored, reason)
        return stored is not None

    def divert_or_drop(self, batch: Batch, divert: DivertReason, drop: DropReason) -> None:
        """Try the fallback once; without one, or when it fails, the records are dropped with a reason."""
        if not self.available:
            self.drop(batch, drop)
        elif not self.divert(batch, divert):
            self.drop(batch, DropReason.FALLBACK_FAILED)

    def drop(self, batch: Batch, reason: DropReason) -> None:
        """Count and announce records that are permanently lost."""
        self._context.move(Account.PENDING, Account.DROPPED, len(batch), reason)
        self._context.events.records_dropped(self._context.sink_id, len(batch), reason)
