"""Ledger: where every value is."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from agent_core.api import Account, DivertReason, DropReason, LedgerSnapshot

INFLOWS = frozenset({Account.COLLECTED, Account.RECOVERED})
"""Accounts that records come from: they grow when records move out of them; all others shrink."""


class Ledger:
    """Record counts of every sink since the process started. Thread-safe: one lock, and ``move`` is the only change.

    Except for ``give_up``, at the end of a stop: from then on, records of the sink that are pending count as dropped,
    reason ``shutdown``, and those that find their place late move there from that account. So *dropped* means lost.
    """

    def __init__(self, sink_ids: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Account]] = {sink_id: Counter() for sink_id in sink_ids}
        self._dropped: dict[str, Counter[str]] = {sink_id: Counter() for sink_id in self._counts}
        self._diverted: dict[str, Counter[str]] = {sink_id: Counter() for sink_id in self._counts}
        self._given_up: set[str] = set()

    def give_up(self, sink_id: str) -> int:
        """Count what is pending as dropped, now and from now on; returns how many records these are."""
        with self._lock:
            self._given_up.add(sink_id)
            counts = self._counts[sink_id]
            count, counts[Account.PENDING] = counts[Account.PENDING], 0
            self._add(sink_id, Account.DROPPED, count, DropReason.SHUTDOWN)
            return count

    def move(
        self,
        sink_id: str,
        origin: Account,
        target: Account,
        count: int,
        reason: DropReason | DivertReason | None = None,
    ) -> None:
        """Move ``count`` records (>= 0) of one sink. ``reason`` is required for DROPPED and DIVERTED.

        Raises ValueError when more records are moved than are there: a defect, caught before it hides a loss.
        """
        if count == 0:
            return
        if count < 0 or target in INFLOWS or (reason is None) == (target in (Account.DROPPED, Account.DIVERTED)):
            raise ValueError(f"no such move: {count} records from {origin} to {target}, reason {reason}")
        with self._lock:
            counts = self._counts[sink_id]
            given_up = sink_id in self._given_up
            if origin in INFLOWS:
                counts[origin] += count
            elif given_up and origin is Account.PENDING:
                self._take_given_up(sink_id, count)
            elif counts[origin] < count:
                raise ValueError(f"{sink_id}: {count} records moved from {origin}, which holds {counts[origin]}")
            else:
                counts[origin] -= count
            if given_up and target is Account.PENDING:
                target, reason = Account.DROPPED, DropReason.SHUTDOWN
            self._add(sink_id, target, count, reason)

    def _add(self, sink_id: str, target: Account, count: int, reason: DropReason | DivertReason | None) -> None:
        self._counts[sink_id][target] += count
        if count and target is Account.DROPPED:
            self._dropped[sink_id][str(reason)] += count
        elif count and target is Account.DIVERTED:
            self._diverted[sink_id][str(reason)] += count

    def _take_given_up(self, sink_id: str, count: int) -> None:
        dropped, reason = self._dropped[sink_id], str(DropReason.SHUTDOWN)
        if dropped[reason] < count:
            raise ValueError(f"{sink_id}: {count} records moved that were given up, which were {dropped[reason]}")
        self._counts[sink_id][Account.DROPPED] -= count
        dropped[reason] -= count
        if not dropped[reason]:
            del dropped[reason]

    def snapshot(self, sink_id: str) -> LedgerSnapshot:
        """The counts of one sink at one instant."""
        with self._lock:
            counts = self._counts[sink_id]
            return LedgerSnapshot(
                **{account.value: counts[account] for account in Account},
                dropped_by_reason=dict(self._dropped[sink_id]),
                diverted_by_reason=dict(self._diverted[sink_id]),
            )
