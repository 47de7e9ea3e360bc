"""Unsettled: commits without an answer, and which records are in the table if they happened.

They are few, and outlive the process: whoever writes these records again, in whatever batches, has to know. Each is a
file in ``state_dir``, written before anybody hears of the lost answer, until all its records have come again.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from agent_core.api import Batch
from agent_core.api.files.private import make_private_folder, replace_private
from agent_core.api.files.whole_file import read_whole_text

_LARGEST_BYTES: Final = 64 * 1024 * 1024
_DIGEST_BYTES: Final = 12


@dataclass(slots=True)
class Unsettled:
    """One commit. The writer's row has ``token`` if it happened, else ``before``.

    ``records`` counts the digests of those that it would have inserted and that have not come again since; they are of
    the time ``first_ns`` to ``last_ns``. ``committed``: the database has said that it happened.
    """

    writer: str
    before: str
    token: str
    first_ns: int
    last_ns: int
    records: Counter[str]
    committed: bool = False

    @classmethod
    def of(cls, batch: Batch, positions: Iterable[int], writer: str, before: str, token: str) -> Unsettled:
        """For the records of a batch that were inserted."""
        digests = record_digests(batch)
        first_ns, last_ns = bounds(batch)
        return cls(writer, before, token, first_ns, last_ns, Counter(digests[position] for position in positions))

    def concerns(self, batch: Batch) -> bool:
        """False if none of the records can be in the batch."""
        first_ns, last_ns = bounds(batch)
        return first_ns <= self.last_ns and self.first_ns <= last_ns


def record_digests(batch: Batch) -> list[str]:
    """For each record a digest that is the same in each process, and after it was in a backup file."""
    return [_digest((*record[:3], record.quality & 0xC0, *record.origin)) for record in batch.records()]


def batch_digest(batch: Batch) -> str:
    """A digest of the whole batch, the same in each process; without work in Python per record."""
    stamps = batch.timestamps_ns
    content = hashlib.blake2b("\0".join(batch.names).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES)
    content.update(b"\0" + (str(stamps).encode() if isinstance(stamps, int) else stamps.tobytes()))
    try:
        numbers = array("d", cast("tuple[float, ...]", batch.values))  # raises if one is none
        content.update(numbers)
    except (TypeError, ValueError, OverflowError):  # not only numbers
        content.update(repr(batch.values).encode("utf-8", "surrogatepass"))
    content.update(batch.qualities)
    return content.hexdigest()


def _digest(content: object) -> str:
    return hashlib.blake2b(repr(content).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).hexdigest()


def bounds(batch: Batch) -> tuple[int, int]:
    """The first and the last time of a batch."""
    stamps = batch.timestamps_ns
    return (stamps, stamps) if isinstance(stamps, int) else (min(stamps), max(stamps))


class UnsettledFiles:
    """The files of one sink."""

    def __init__(self, state_dir: Path, sink: str, table: str) -> None:
        owner = hashlib.sha256(f"{sink}\n{table}".encode()).hexdigest()[:16]
        self._folder = state_dir
        self._prefix = f"unsettled-commit-{owner}-"

    def read(self) -> Iterator[Unsettled]:
        """Those that an earlier process has left; what cannot be read is passed over."""
        for path in sorted(self._folder.glob(f"{self._prefix}*.json")):
            with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                stored = json.loads(read_whole_text(path, _LARGEST_BYTES))
                yield Unsettled(
                    writer=str(stored["writer"]),
                    before=str(stored["before"]),
                    token=str(stored["token"]),
                    first_ns=int(stored["first_ns"]),
                    last_ns=int(stored["last_ns"]),
                    records=Counter({str(digest): int(count) for digest, count in stored["records"].items()}),
                    committed=bool(stored["committed"]),
                )

    def keep(self, unsettled: Unsettled) -> None:
        """Raises OSError."""
        make_private_folder(self._folder)
        stored = {name: getattr(unsettled, name) for name in Unsettled.__slots__}
        replace_private(self._path(unsettled), json.dumps(stored))

    def remove(self, unsettled: Unsettled) -> None:
        with suppress(OSError):
            self._path(unsettled).unlink(missing_ok=True)

    def _path(self, unsettled: Unsettled) -> Path:
        # A writer may write the same batch, that is the same token, twice in succession.
        name = hashlib.sha256(f"{unsettled.writer}\n{unsettled.before}\n{unsettled.token}".encode()).hexdigest()[:16]
        return self._folder / f"{self._prefix}{name}.json"
