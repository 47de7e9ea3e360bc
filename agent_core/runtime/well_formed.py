"""Well-formed batches: what sources and transforms hand over is checked once, before it is stored anywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from agent_core.api import QUALITY_NAMES, Batch, Value

_QUALITIES: Final = bytes(QUALITY_NAMES)


def well_formed(batch: Batch) -> Batch:
    """The batch, with its texts escaped where they must be. Raises ValueError when its columns do not fit together.

    It costs about ten steps at C speed per batch. A malformed record that only a later part stumbles over could be lost
    there.
    """
    count = len(batch)
    stamps = batch.timestamps_ns
    if not count == len(batch.values) == len(batch.qualities) or not (isinstance(stamps, int) or len(stamps) == count):
        raise ValueError("columns differ in length")
    starts = [0, *(segment.stop for segment in batch.segments)]
    if starts[-1] != count or starts[:-1] != [segment.start for segment in batch.segments]:
        raise ValueError(f"segments do not cover the {count} records in order: {batch.segments}")
    if unknown := batch.qualities.translate(None, _QUALITIES):
        raise ValueError(f"unknown quality 0x{unknown[0]:02X}")
    return escape_text(batch)


def escape_text(batch: Batch) -> Batch:
    """The batch with NUL and lone surrogates in its texts written as ``\\x00`` and ``\\udXXX``.

    No database and no UTF-8 file takes them, so one such text would fail a whole write. The same object when there
    is nothing to escape, which a batch of numbers shows at the cost of one pass over the types.
    """
    if str not in set(map(type, batch.values)):
        return batch
    texts = "".join(value for value in batch.values if isinstance(value, str))
    if "\0" not in texts and (texts.isascii() or _encodable(texts)):
        return batch
    return replace(batch, values=tuple(map(_escape, batch.values)))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _escape(value: Value) -> Value:
    if isinstance(value, str):
        return value.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    return value
