"""Flight: one batch on its way into the sink, from the first attempt until every record has its account."""

from __future__ import annotations

from typing import Final

from agent_core.api import Batch, Lease, WriteOutcome

NOTHING_WRITTEN: Final = WriteOutcome(0)


class Flight:
    """What was tried with one batch, and what became of it. Used by one thread at a time.

    ``attempts`` counts the writes, and the failed openings of the sink, made for this batch. ``attempted_at_ns`` is
    when the last one began (UTC ns, 0 before the first). ``outcome`` and ``elapsed_seconds`` are those of the write
    that returned.
    """

    __slots__ = ("attempted_at_ns", "attempts", "batch", "elapsed_seconds", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.attempts = 0
        self.attempted_at_ns = 0
        self.outcome = NOTHING_WRITTEN
        self.elapsed_seconds = 0.0

    def rejected(self) -> Batch:
        """The records that the sink rejected for their content."""
        return self.batch.select([rejection.position for rejection in self.outcome.rejected])


class LeaseFlight(Flight):
    """A flight whose batch is leased from the buffer; it lasts from the lease to its settlement.

    It lands once, by the worker that carries it or by the shutdown, never by both: ``landed`` belongs to the gate.
    Whoever lands it settles or releases the lease.

    ``failures`` counts attempts that failed since the sink was last given up; before ``retry_at`` (the clock's
    monotonic seconds) the batch is not tried again, and before ``divert_at`` the fallback is not. ``ambiguous``: the
    records may be in the sink although the write failed. ``exhausted``: their retries were used up.
    """

    __slots__ = ("ambiguous", "divert_at", "exhausted", "failures", "landed", "lease", "retry_at")

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease.batch)
        self.lease = lease
        self.failures = 0
        self.retry_at = 0.0
        self.divert_at = 0.0
        self.ambiguous = False
        self.exhausted = False
        self.landed = False
