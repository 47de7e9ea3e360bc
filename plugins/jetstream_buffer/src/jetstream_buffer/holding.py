"""Holding: the messages that this agent holds, and which of their records are ready, leased or settled."""

from __future__ import annotations

import heapq
from collections import deque
from typing import NamedTuple

from agent_core.api import Batch, Lease


class Held:
    """One message. ``reply`` is that of its latest delivery; ``lent`` counts the records that were ever leased."""

    __slots__ = ("at", "batch", "lent", "reply", "sequence", "unsettled")

    def __init__(self, sequence: int, reply: str, batch: Batch, at: float) -> None:
        self.sequence = sequence
        self.reply = reply
        self.batch = batch
        self.at = at
        self.unsettled = len(batch)
        self.lent = 0


class _Piece(NamedTuple):
    """Records ``start:stop`` of a message. ``position`` counts the records that came before the first, so it sorts."""

    position: int
    held: Held
    start: int
    stop: int


class Holding:
    """First in, first out. Not thread-safe: the buffer has a lock.

    A message stays until its last record is settled, whatever leases its records went out in. ``recovered`` counts
    every record once, when it is first leased.
    """

    __slots__ = ("_came", "_leases", "_ready", "_tokens", "leased", "messages", "ready", "recovered")

    def __init__(self) -> None:
        self._ready: deque[_Piece] = deque()
        self._leases: dict[int, tuple[Lease, list[_Piece]]] = {}
        self._came = 0
        self._tokens = 0
        self.messages: dict[int, Held] = {}
        """By sequence, those with a record that is not settled."""
        self.ready = self.leased = self.recovered = 0

    def oldest_at(self) -> float | None:
        """When the message of the oldest record that is not leased came."""
        return self._ready[0].held.at if self._ready else None

    def take(self, held: Held) -> None:
        """Put its records at the end."""
        count = len(held.batch)
        self.messages[held.sequence] = held
        self._ready.append(_Piece(self._came, held, 0, count))
        self._came += count
        self.ready += count

    def lease(self, max_records: int) -> Lease | None:
        """Lend the oldest records."""
        pieces: list[_Piece] = []
        wanted = min(max_records, self.ready)
        if not wanted:
            return None
        self.ready -= wanted
        self.leased += wanted
        while wanted:
            position, held, start, stop = self._ready.popleft()
            if stop - start > wanted:
                self._ready.appendleft(_Piece(position + wanted, held, start + wanted, stop))
                stop = start + wanted
            pieces.append(_Piece(position, held, start, stop))
            wanted -= stop - start
            self.recovered += max(0, stop - held.lent)
            held.lent = max(held.lent, stop)
        self._tokens += 1
        lease = Lease(Batch.join([piece.held.batch.slice(piece.start, piece.stop) for piece in pieces]), self._tokens)
        self._leases[lease.token] = lease, pieces
        return lease

    def settle(self, lease: Lease) -> list[Held] | None:
        """The messages that are done now; None when the lease is not out."""
        if (pieces := self._end(lease)) is None:
            return None
        done: list[Held] = []
        for _, held, start, stop in pieces:
            held.unsettled -= stop - start
            if not held.unsettled:
                done.append(self.messages.pop(held.sequence))
        return done

    def release(self, lease: Lease) -> bool:
        """Put the records back where they were; False when the lease is not out."""
        if (pieces := self._end(lease)) is None:
            return False
        self._ready = deque(heapq.merge(self._ready, pieces, key=lambda piece: piece.position))
        self.ready += len(lease.batch)
        return True

    def _end(self, lease: Lease) -> list[_Piece] | None:
        known = self._leases.get(lease.token)
        if known is None or known[0].batch is not lease.batch:
            return None
        del self._leases[lease.token]
        self.leased -= len(lease.batch)
        return known[1]
