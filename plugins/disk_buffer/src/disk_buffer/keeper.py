"""Keeper: what the buffer does with its file: frames, names, the reserve, and what when disk or file fail."""

from __future__ import annotations

import errno
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_core.api import Batch, ComponentContext, Finding, Severity
from agent_core.api.codec import CodecError, decode, encode, encode_names, names_key
from disk_buffer.queue import Chunk, Entry
from disk_buffer.reserve import Reserve
from disk_buffer.store import Changes, Store, StoreDamaged, StoredBatch, StoreFull, Totals

RESERVE_BYTES: Final = 8 * 1024 * 1024
_SEEN: Final = 256
_MOST_NAMES: Final = 4096
_SHRINK_PAGES: Final = 1000
"""About 4 MB: some 80 ms on a slow disk."""


@dataclass(frozen=True, slots=True)
class Framed:
    """A batch as bytes. ``key`` stands for its names when they are kept apart."""

    batch: Batch
    data: bytes
    key: bytes | None

    @property
    def bytes_each(self) -> float:
        """What a record of it takes on disk."""
        return room(len(self.data)) / len(self.batch)


@dataclass(frozen=True, slots=True)
class Thawed:
    """What was read: records, how many could not be, and where the next read begins."""

    chunks: Sequence[Chunk]
    lost: int
    following: int
    following_at: float
    exhausted: bool


def room(size: int) -> float:
    """How many bytes a frame takes in the file: small ones share a page of 4,096, a long one has its own."""
    if size <= 4000:
        return 4096 / max(1, 4080 // (size + 24))
    return size * 4096 / 4088 + 512


class Keeper:
    """Called by one thread at a time, but for ``frame`` and ``findings``. What raises, raises OSError."""

    def __init__(self, store: Store, folder: Path, context: ComponentContext, reserve_bytes: int) -> None:
        self._store = store
        self._context = context
        self._log = context.log
        self._sink = context.component_id
        self._clock = context.clock
        self._reserve = Reserve(folder / "reserve", reserve_bytes)
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, ...], bytes | None] = OrderedDict()  # guarded by the lock
        self._kept_names: set[bytes] = set()
        self._known_names: dict[bytes, tuple[str, ...]] = {}
        self._findings: dict[str, Finding] = {}
        self._damaged = 0

    def open(self) -> Totals:
        """Open the file; one that is damaged is renamed aside, and what can be read of it is brought over."""
        try:
            self._store.open()
            totals = self._store.totals()
        except StoreDamaged as error:
            self._replace(error)
            totals = self._store.totals()
        if not self._reserve.hold():
            self._say_full()
        return totals

    def close(self) -> None:
        """Close the file. Never raises."""
        self._store.close()
        self._kept_names.clear()

    def findings(self) -> Sequence[Finding]:
        """What an operator should know; a snapshot."""
        return tuple(self._findings.values())

    def frame(self, batch: Batch) -> Framed:
        """From any thread. Names go into the frame unless a batch with the same ones came shortly before."""
        key = self._key_of(batch.names)
        try:
            return Framed(batch, encode(batch, names_apart=key is not None), key)
        except CodecError as error:
            raise OSError(errno.EFBIG, str(error), str(self._store.file)) from error

    def write(
        self, added: Sequence[StoredBatch], framed: Sequence[Framed], removed: Sequence[Chunk], sync: bool
    ) -> None:
        """Store and forget in one transaction. What is removed is only known to be so when this has returned."""
        if added and not self._reserve.held and not self._room_again():
            raise OSError(errno.ENOSPC, "the disk is full", str(self._store.file))
        new = {one.key: one.batch.names for one in framed if one.key is not None and one.key not in self._kept_names}
        names = [(key, encode_names(parts)) for key, parts in new.items()]
        left = _count(removed)
        whole = [entry.position for entry, gone in left.items() if gone >= entry.left]
        ranges = [
            (chunk.entry.position, chunk.start, chunk.stop) for chunk in removed if left[chunk.entry] < chunk.entry.left
        ]
        changes = Changes(added, names, whole, ranges)
        try:
            self._store.write(changes, sync=sync)
        except StoreFull:
            self._make_room(Changes(whole=whole, ranges=ranges))
            if added:
                raise
        except StoreDamaged as error:
            self._replace(error)
            self._store.write(changes, sync=sync)
        self._kept_names.update(new)
        for entry, gone in left.items():
            entry.left -= gone

    def read(self, position: int, before: int, records: int) -> Thawed:
        """Bring batches of the positions ``position:before`` into memory. What is damaged is set aside and counted."""
        now_ns, now = self._clock.time_ns(), self._clock.monotonic()
        try:
            rows = self._store.read(position, before, records)
        except StoreDamaged as error:
            self._replace(error)
            rows = self._store.read(position, before, records)
        chunks: list[Chunk] = []
        lost = 0
        for row in rows:
            live = list(row.live())
            try:
                batch = decode(row.data, self._names_of)
                if len(batch) != row.records:
                    raise CodecError(f"it holds {len(batch)} records, not {row.records}")  # noqa: TRY301
            except CodecError as error:
                left = sum(stop - start for start, stop in live)
                lost += left
                self._set_aside(row, left, error)
                continue
            left = sum(stop - start for start, stop in live)
            at = now - max(0.0, (now_ns - row.at_ns) / 1e9)
            entry = Entry(row.position, batch, at, room(len(row.data)) / row.records, left)
            chunks += [Chunk(row.position + start, entry, start, stop) for start, stop in live]
        following = rows[-1].position + 1 if rows else position
        at_ns = self._store.at_ns(following, before) if rows else None
        following_at = now - max(0.0, (now_ns - at_ns) / 1e9) if at_ns is not None else now
        return Thawed(chunks, lost, following, following_at, at_ns is None)

    def shrink(self) -> None:
        """Give some unused room back to the disk, if there is much. Never raises."""
        try:
            self._store.shrink(_SHRINK_PAGES)
        except OSError as error:
            self._log.warning("buffer file not shrunk", sink=self._sink, error=error, every=self._sink)

    def count_lost(self, records: int) -> None:
        """Say that records cannot be read any more."""
        self._damaged += records
        self._findings["damaged"] = Finding(
            Severity.CRITICAL,
            f"buffer of {self._sink}",
            f"{self._damaged} records in its file are damaged and were set aside",
            f"check the disk; what is left of them is in {self._store.file.parent}",
        )

    def _key_of(self, names: tuple[str, ...]) -> bytes | None:
        with self._lock:
            seen, self._seen[names] = names in self._seen, self._seen.get(names)
            self._seen.move_to_end(names)
            if len(self._seen) > _SEEN:
                self._seen.popitem(last=False)
            key = self._seen[names]
        if not seen:
            return None
        if key is None:
            key = names_key(names)
            with self._lock:
                self._seen[names] = key
        return key if key in self._kept_names or len(self._kept_names) < _MOST_NAMES else None

    def _names_of(self, key: bytes) -> tuple[str, ...] | None:
        found = self._known_names.get(key)
        if found is None:
            found = self._store.names(key)
            if found is not None:
                if len(self._known_names) >= _SEEN:
                    self._known_names.clear()
                self._known_names[key] = found
        return found

    def _set_aside(self, row: StoredBatch, records: int, error: CodecError) -> None:
        self._store.set_aside(row.position)
        self._log.error(
            "stored batch damaged", sink=self._sink, records=records, error=error, every=self._sink,
            next_step="check the disk; the batch is kept as it is in the table damaged of the buffer's file",
        )  # fmt: skip
        self.count_lost(records)

    def _replace(self, error: StoreDamaged) -> None:
        aside = self._store.replace()
        self._kept_names.clear()
        self._log.error(
            "buffer file replaced", sink=self._sink, damaged_file=aside, error=error, every=self._sink,
            next_step="check the disk; keep the damaged file until it is clear what it holds",
        )  # fmt: skip
        self._findings["replaced"] = Finding(
            Severity.CRITICAL,
            f"buffer of {self._sink}",
            "its file was damaged: what could be read of it was brought over into a new one",
            f"check the disk; the damaged file is {aside}",
        )

    def _make_room(self, removal: Changes) -> None:
        """The disk is full: give up the reserve, so that records that were written elsewhere can be removed."""
        self._say_full()
        self._reserve.give_up()
        self._store.checkpoint()
        self._store.write(removal, sync=False)

    def _say_full(self) -> None:
        step = "free space on its disk; the buffer takes records again without a restart"
        self._findings["full"] = Finding(
            Severity.CRITICAL, f"buffer of {self._sink}", "its disk is full: new records are refused", step
        )
        self._log.error("buffer disk full", sink=self._sink, file=self._store.file, every=self._sink, next_step=step)

    def _room_again(self) -> bool:
        if not self._reserve.hold():
            return False
        self._findings.pop("full", None)
        self._log.info("buffer disk has room again", sink=self._sink, file=self._store.file, every=self._sink)
        return True


def _count(chunks: Sequence[Chunk]) -> dict[Entry, int]:
    gone: dict[Entry, int] = {}
    for chunk in chunks:
        gone[chunk.entry] = gone.get(chunk.entry, 0) + chunk.stop - chunk.start
    return gone
