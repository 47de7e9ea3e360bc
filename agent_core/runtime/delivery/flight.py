"""Flight: one batch on its way into the sink, from the first attempt until every record has its account."""

from __future__ import annotations

from typing import Final

from agent_core.api import Batch, Lease, WriteOutcome

NOTHING_WRITTEN: Final = WriteOutcome(0)


class Flight:
    """The attempts to write one batch, and their outcome. Used by one thread at a time.

    ``attempts`` counts the writes, and the failed openings of the sink, made for this batch. ``attempted_at_ns`` is
    when the last one began (UTC ns, 0 before the first). ``outcome`` and ``elapsed_seconds`` are those of the write
    that returned. ``calling_since`` is when the call of the sink under way began (monotonic seconds), None between
    calls.
    """

    __slots__ = ("attempted_at_ns", "attempts", "batch", "calling_since", "elapsed_seconds", "outcome")

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.attempts = 0
        self.attempted_at_ns = 0
        self.outcome = NOTHING_WRITTEN
        self.elapsed_seconds = 0.0
        self.calling_since: float | None = None

    def rejected(self) -> Batch:
        """The records that the sink rejected for their content."""
        return self.batch.select([rejection.position for rejection in self.outcome.rejected])

    def delivered(self) -> Batch:
        """The records that the sink has: all others."""
        if not self.outcome.rejected:
            return self.batch
        without = {rejection.position for rejection in self.outcome.rejected}
        return self.batch.select([position for position in range(len(self.batch)) if position not in without])


class LeaseFlight(Flight):
    """A flight whose batch is leased from the buffer. It ends when the lease is settled or released.

    It lands once: either the worker that carries it or the shutdown lands it, and then settles or releases the lease.
    ``landed`` is guarded by the gate's lock.

    ``failures`` counts failed attempts since the retries were last used up, ``failing_since`` is when the first of them
    began. The sink is not tried again before ``retry_at``, nor the fallback before ``divert_at`` (all in the clock's
    monotonic seconds). ``ambiguous``: the records may be in the sink although the write failed. ``exhausted``: the
    retries were used up. ``diverting``: they are on their way into the fallback, so nobody takes them over; guarded by
    the gate's lock.
    """

    __slots__ = (
        "ambiguous",
        "divert_at",
        "diverting",
        "exhausted",
        "failing_since",
        "failures",
        "landed",
        "lease",
        "retry_at",
    )

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease.batch)
        self.lease = lease
        self.failures = 0
        self.failing_since = 0.0
        self.retry_at = 0.0
        self.divert_at = 0.0
        self.ambiguous = False
        self.exhausted = False
        self.diverting = False
        self.landed = False
