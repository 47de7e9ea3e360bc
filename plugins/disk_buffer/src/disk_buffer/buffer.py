"""DiskBuffer: records in a file, the oldest of them in memory as well, and the threads that wait for them.

::

    append -> frame -> group of all who wait -> one COMMIT -> queue -> lease -> settle -> forgotten with a later COMMIT

Two locks. ``_disk`` is held by whoever uses the file, ``_lock`` by whoever uses what is in memory, and never during
I/O; who needs both takes ``_disk`` first.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterable, Sequence
from typing import Final

from agent_core.api import EMPTY, Batch, BufferStats, ComponentContext, Finding, Lease, LeaseError
from disk_buffer.config import DiskBufferConfig, WhenFull
from disk_buffer.diagnosis import diagnose
from disk_buffer.keeper import RESERVE_BYTES, Framed, Keeper
from disk_buffer.queue import Chunk, Entry, RecordQueue, join
from disk_buffer.store import Store, StoredBatch
from disk_buffer.waiting import Waiters

SETTLE_SECONDS: Final = 0.1
SETTLE_LEASES: Final = 50
"""Settled leases leave the file with the next append, else after this time or number. kill -9 repeats them."""

READ_RECORDS: Final = 5000
"""How many records are read back at once."""


class _Parcel:
    """A batch on its way into the file: of ``thread``, framed; ``evicted`` once it is there, or the ``error``.

    ``promised``: records and bytes that are kept free for it.
    """

    __slots__ = ("done", "error", "evicted", "framed", "promised", "thread")

    def __init__(self, framed: Framed) -> None:
        self.framed = framed
        self.thread = threading.get_ident()
        self.done = False
        self.error: BaseException | None = None
        self.evicted: Batch = EMPTY
        self.promised = (0, 0.0)


class _Loan:
    """A lease that is out, and the chunks to put back if it is released."""

    __slots__ = ("chunks", "lease")

    def __init__(self, lease: Lease, chunks: list[Chunk]) -> None:
        self.lease = lease
        self.chunks = chunks


class DiskBuffer:
    """A Buffer in a file; see ``agent_core.api.Buffer`` for the contract.

    ``append`` returns when its records are on disk; who comes meanwhile shares the next COMMIT. Evicted records stay in
    the file until the same thread's next ``append``, or ``close``: a crash repeats them instead of losing them. With
    ``sync_interval`` a thread of the buffer syncs what was committed; without, it has no thread.
    """

    durable = True

    def __init__(
        self,
        config: DiskBufferConfig,
        context: ComponentContext,
        store: Store | None = None,
        reserve_bytes: int = RESERVE_BYTES,
    ) -> None:
        folder = (config.directory or context.state_dir / "buffer") / context.component_id
        self._config = config
        self._id = context.component_id
        self._clock = context.clock
        self._log = context.log
        self._file = folder / "records.db"
        self._keeper = Keeper(store or Store(self._file), folder, context, reserve_bytes)
        self._disk = threading.Lock()
        self._is_open = False  # guarded by _disk, as the next two
        self._next_position = 0
        self._unsynced_since: float | None = None
        self._lock = threading.Lock()
        # All below is guarded by _lock.
        self._queue = RecordQueue(config.memory_records)
        self._waiters = Waiters(self._lock, self._clock)
        self._work = threading.Condition(self._lock)
        self._parcels: list[_Parcel] = []
        self._promised_records = 0
        self._promised_bytes = 0.0
        self._loans: dict[int, _Loan] = {}
        self._leased = 0
        self._tokens = 0
        self._bytes = 0.0
        self._removed: list[Chunk] = []
        self._removed_leases = 0
        self._removed_since = 0.0
        self._evicted: dict[int, list[Chunk]] = {}
        self._recovered = 0
        self._damaged = 0
        self._closed = False

    @property
    def blocks(self) -> bool:
        return self._config.when_full is WhenFull.BLOCK

    def open(self) -> None:
        """Open the file. OSError when it cannot be, another process has it, or a newer version wrote it."""
        with self._disk:
            totals = self._keeper.open()
            self._is_open = True
            self._next_position = totals.next_position
            now = self._clock.monotonic()
            age = max(0.0, (self._clock.time_ns() - totals.oldest_at_ns) / 1e9) if totals.records else 0.0
            with self._lock:
                self._queue.cold_to = totals.next_position
                self._queue.thaw((), 0, now - age, totals.records)
                self._recovered = totals.records
                self._bytes = float(totals.data_bytes)
        if self._config.sync_interval_seconds > 0:
            threading.Thread(target=self._sync_each_interval, name=f"{self._id}-sync", daemon=True).start()

    def close(self) -> None:
        """Forget what was settled and evicted, sync, and give the file back. What is not settled stays in it."""
        self.stop_waiting()
        with self._lock:
            self._closed = True
            self._work.notify_all()
        with self._disk:
            if not self._is_open:
                return
            self._is_open = False
            with self._lock:
                self._removed += [chunk for chunks in self._evicted.values() for chunk in chunks]
                self._evicted.clear()
            self._forget(sync=True)
            self._keeper.close()

    def append(self, batch: Batch) -> Batch:
        if not batch:
            return EMPTY
        parcel = _Parcel(self._keeper.frame(batch))
        with self._lock:
            if self.blocks:
                self._wait_for_room(parcel)
            self._parcels.append(parcel)
        with self._disk:
            if not parcel.done:
                self._commit()
        if isinstance(parcel.error, OSError):
            raise OSError(parcel.error.errno, parcel.error.strerror, parcel.error.filename) from parcel.error
        if parcel.error is not None:
            raise parcel.error
        return parcel.evicted

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        if max_records < 1:
            raise ValueError(f"a lease is of one record or more, not {max_records}")
        if max_wait_seconds > 0:
            self._tidy(max_records)
        queue = self._queue
        give_up_at = self._clock.monotonic() + max_wait_seconds
        while True:
            with self._lock:
                if max_wait_seconds > 0 and queue.records < max_records:
                    self._waiters.wait_for_records(
                        max_records, max_wait_seconds, give_up_at, lambda: queue.records, queue.oldest_at
                    )
                if not queue.cold_records or queue.hot_records >= max_records:
                    return self._lend(max_records)
            try:
                with self._disk:
                    self._thaw(max_records)
            except OSError as error:
                self._log.error("buffer not read", sink=self._id, error=error, every=self._id)
                with self._lock:
                    if not queue.hot_records and max_wait_seconds > 0:
                        self._waiters.pause(max_wait_seconds)
                    return self._lend(max_records)

    def settle(self, lease: Lease) -> None:
        with self._lock:
            chunks = self._take_back(lease).chunks
            if not self._removed:
                self._removed_since = self._clock.monotonic()
            self._removed += chunks
            self._removed_leases += 1
            self._count_out(chunks)
            self._waiters.room_came()
            waited = self._clock.monotonic() - self._removed_since
            due = self._removed_leases >= SETTLE_LEASES or waited >= SETTLE_SECONDS
        if due:
            with self._disk:
                self._forget()

    def release(self, lease: Lease) -> None:
        with self._lock:
            self._queue.put_back(self._take_back(lease).chunks)
            self._waiters.records_came_back()

    def stop_waiting(self) -> None:
        with self._lock:
            self._waiters.stop()

    def stats(self) -> BufferStats:
        with self._lock:
            oldest_at = self._queue.oldest_at()
            return BufferStats(
                capacity_records=self._config.capacity_records,
                ready_records=self._queue.records,
                leased_records=self._leased,
                recovered_records=self._recovered,
                oldest_age_seconds=0.0 if oldest_at is None else self._clock.monotonic() - oldest_at,
                stored_bytes=round(self._bytes),
                damaged_records=self._damaged,
            )

    def advice(self) -> Sequence[Finding]:
        """A full disk, damaged records, a file that was replaced."""
        return self._keeper.findings()

    def diagnose(self) -> Iterable[Finding]:
        """Look at the folder, without the file."""
        return diagnose(self._file, self._config.max_bytes)

    def _wait_for_room(self, parcel: _Parcel) -> None:
        """Wait, with ``block``, and keep the room until the records are in."""
        framed = parcel.framed
        records = min(len(framed.batch), self._config.capacity_records)
        size = min(framed.bytes_each * len(framed.batch), float(self._config.max_bytes))
        limit = self._config.block_limit_seconds
        self._waiters.wait_for_room(records, limit, lambda: self._excess(records, size) <= 0)
        parcel.promised = (records, size)
        self._promise(parcel, 1)

    def _promise(self, parcel: _Parcel, sign: int) -> None:
        records, size = parcel.promised
        self._promised_records += sign * records
        self._promised_bytes += sign * size

    def _excess(self, records: int, size: float, bytes_each: float = 1.0) -> int:
        """How many records too many there would be with these."""
        too_large = self._bytes + self._promised_bytes + size - self._config.max_bytes
        by_size = -int(-too_large // bytes_each) if too_large > 0 else 0
        pending = self._leased + self._queue.records + self._promised_records
        return max(pending + records - self._config.capacity_records, by_size)

    def _commit(self) -> None:
        """Store the batches of all who wait, as one transaction. With ``_disk`` held; the parcels tell the outcome."""
        with self._lock:
            parcels, self._parcels = self._parcels, []
            for parcel in parcels:
                self._removed += self._evicted.pop(parcel.thread, ())
            removed, self._removed = self._removed, []
        try:
            rows: list[StoredBatch] = []
            position, at_ns = self._next_position, self._clock.time_ns()
            for parcel in parcels:
                rows.append(StoredBatch(position, len(parcel.framed.batch), at_ns, parcel.framed.data))
                position += len(parcel.framed.batch)
            if not self._is_open:
                raise OSError(errno.EBADF, "the buffer is not open")  # noqa: TRY301
            sync = self._config.sync_interval_seconds <= 0
            self._keeper.write(rows, [parcel.framed for parcel in parcels], removed, sync)
            self._next_position = position
            self._note_written(sync)
            for parcel, row in zip(parcels, rows, strict=True):
                parcel.evicted = self._take_in(parcel, row.position)
        except BaseException as error:
            with self._lock:
                self._removed = [chunk for chunk in removed if chunk.entry.left > 0] + self._removed
            for parcel in parcels:
                parcel.error = error
            if not isinstance(error, OSError):
                raise
        else:
            with self._lock:
                self._removed_leases = 0
        finally:
            with self._lock:
                for parcel in parcels:
                    self._promise(parcel, -1)
                    parcel.promised = (0, 0.0)
                    parcel.done = True
                self._waiters.room_came()

    def _take_in(self, parcel: _Parcel, position: int) -> Batch:
        """Put the records of a stored batch into the queue, and evict what is too much. With ``_disk`` held."""
        framed = parcel.framed
        count, size = len(framed.batch), framed.bytes_each * len(framed.batch)
        entry = Entry(position, framed.batch, self._clock.monotonic(), framed.bytes_each, count)
        newest = self._config.when_full is WhenFull.DROP_NEWEST
        while True:
            with self._lock:
                queue = self._queue
                held = self._leased + queue.records
                each = framed.bytes_each if newest or not held else max(1.0, self._bytes / held)
                self._promise(parcel, -1)
                excess = self._excess(count, size, each)
                if newest or queue.hot_records >= min(excess, queue.records):
                    parcel.promised = (0, 0.0)
                    return self._place(entry, max(0, excess), parcel.thread)
                self._promise(parcel, 1)
            self._thaw(excess)

    def _place(self, entry: Entry, excess: int, thread: int) -> Batch:
        count = len(entry.batch)
        evicted: list[Chunk] = []
        start, stop = 0, count
        if self._config.when_full is WhenFull.DROP_NEWEST:
            stop = max(0, count - excess)
            if stop < count:
                evicted = [Chunk(entry.position + stop, entry, stop, count)]
        elif excess:
            evicted = self._queue.cut(excess)
            start = min(count, excess - sum(chunk.stop - chunk.start for chunk in evicted))
            if start:
                evicted.append(Chunk(entry.position, entry, 0, start))
        self._bytes += entry.bytes_each * count
        self._count_out(evicted)
        self._queue.push(Chunk(entry.position + start, entry, start, stop))
        if evicted:
            self._evicted.setdefault(thread, []).extend(evicted)
        self._waiters.records_came(self._queue.records)
        return join(evicted)

    def _count_out(self, chunks: Sequence[Chunk]) -> None:
        self._bytes -= sum(chunk.entry.bytes_each * (chunk.stop - chunk.start) for chunk in chunks)
        if not self._queue.records and not self._leased:
            self._bytes = 0.0

    def _lend(self, max_records: int) -> Lease | None:
        chunks = self._queue.cut(max_records)
        if not chunks:
            return None
        self._tokens += 1
        lease = Lease(join(chunks), self._tokens)
        self._loans[lease.token] = _Loan(lease, chunks)
        self._leased += len(lease.batch)
        return lease

    def _take_back(self, lease: Lease) -> _Loan:
        loan = self._loans.get(lease.token)
        if loan is None or loan.lease.batch is not lease.batch:
            raise LeaseError(
                f"buffer of {self._id}: lease {lease.token} is not out; "
                "it was already settled or released, or another buffer made it"
            )
        del self._loans[lease.token]
        self._leased -= len(lease.batch)
        return loan

    def _thaw(self, wanted: int) -> None:
        """Read the oldest cold records, if there are any and so many are not in memory. With ``_disk`` held."""
        with self._lock:
            queue = self._queue
            if not queue.cold_records or queue.hot_records >= wanted:
                return
            position, before, cold = queue.cold_from, queue.cold_to, queue.cold_records
        found = self._keeper.read(position, before, READ_RECORDS)
        with self._lock:
            chunks = queue.known(found.chunks)
        left = cold - found.lost - sum(chunk.stop - chunk.start for chunk in chunks)
        lost = found.lost
        if left < 0 or (found.exhausted and left):
            if left > 0:
                self._keeper.count_lost(left)
            lost += left  # the file holds fewer than it once did: a part of it was damaged
            left = 0
        with self._lock:
            queue.thaw(chunks, found.following, found.following_at, left)
            self._damaged += lost
            self._waiters.room_came()

    def _forget(self, *, sync: bool = False) -> None:
        """Remove what was settled from the file; kept for later when that fails. With ``_disk`` held."""
        with self._lock:
            removed, self._removed = self._removed, []
            leases, self._removed_leases = self._removed_leases, 0
        if not removed and not sync:
            return
        try:
            self._keeper.write((), (), removed, sync)
        except OSError as error:
            with self._lock:
                self._removed = removed + self._removed
                self._removed_leases += leases
                self._removed_since = self._clock.monotonic()
            self._log.warning("settled records not removed", sink=self._id, error=error, every=self._id)
        else:
            self._note_written(sync)

    def _tidy(self, max_records: int) -> None:
        """Before a lease that will wait: there is time to remove what was settled, and to give room back."""
        with self._lock:
            idle = self._queue.records < max_records
            anything = bool(self._removed)
            empty = not self._queue.records
        if idle and (anything or empty):
            with self._disk:
                if anything:
                    self._forget()
                if empty and self._is_open:
                    self._keeper.shrink()

    def _note_written(self, sync: bool) -> None:
        if sync:
            self._unsynced_since = None
        elif self._unsynced_since is None:
            self._unsynced_since = self._clock.monotonic()
            with self._lock:
                self._work.notify_all()

    def _sync_each_interval(self) -> None:
        """The body of the thread that syncs; ends at ``close``."""
        interval = self._config.sync_interval_seconds
        while True:
            with self._lock:
                while not self._closed and self._unsynced_since is None:
                    self._clock.wait(self._work, None)
                since = self._unsynced_since
                while not self._closed and since is not None:
                    left = since + interval - self._clock.monotonic()
                    if left <= 0:
                        break
                    self._clock.wait(self._work, left)
                if self._closed:
                    return
            try:
                with self._disk:
                    if self._is_open:
                        self._keeper.write((), (), (), sync=True)
                        self._note_written(sync=True)
            except BaseException as error:
                self._unsynced_since = self._clock.monotonic()
                exc_info = None if isinstance(error, OSError) else error
                self._log.error("buffer not synced", sink=self._id, error=error, every=self._id, exc_info=exc_info)
