"""Ledger: where every value is."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from agent_core.api import Account, DivertReason, DropReason, LedgerSnapshot

INFLOWS = frozenset({Account.COLLECTED, Account.RECOVERED})
"""Accounts that records come from: they grow when records move out of them; all others shrink."""


class Ledger:
    """Record counts of every sink since the process started. Thread-safe: one lock, and ``move`` is the only change."""

    def __init__(self, sink_ids: Iterable[str]) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Account]] = {sink_id: Counter() for sink_id in sink_ids}
        self._dropped: dict[str, Counter[str]] = {sink_id: Counter() for sink_id in self._counts}
        self._diverted: dict[str, Counter[str]] = {sink_id: Counter() for sink_id in self._counts}

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
            if origin in INFLOWS:
                counts[origin] += count
            elif counts[origin] < count:
                raise ValueError(f"{sink_id}: {count} records moved from {origin}, which holds {counts[origin]}")
            else:
                counts[origin] -= count
            counts[target] += count
            if target is Account.DROPPED:
                self._dropped[sink_id][str(reason)] += count
            elif target is Account.DIVERTED:
                self._diverted[sink_id][str(reason)] += count

    def snapshot(self, sink_id: str) -> LedgerSnapshot:
        """The counts of one sink at one instant."""
        with self._lock:
            counts = self._counts[sink_id]
            return LedgerSnapshot(
                **{account.value: counts[account] for account in Account},
                dropped_by_reason=dict(self._dropped[sink_id]),
                diverted_by_reason=dict(self._diverted[sink_id]),
            )
