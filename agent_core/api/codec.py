"""Codec: a batch as bytes, for whoever keeps records on a disk or sends them elsewhere.

Exact: what ``decode`` returns equals what ``encode`` was given, the type of each value included. A frame is::

    b"TF"  version (1)  kind (1)  crc32 of the kind and the body (4, big-endian)  body (msgpack)

A batch of a polling group has the same names each time, and they are three quarters of its bytes. ``encode`` with
``names_apart`` leaves them out: the frame then holds ``names_key(names)`` only, and ``encode_names`` makes the frame
that has to be kept beside it, once.

No frame is trusted: it is checked before it is used, whatever it holds costs no more memory than a few times its own
size, and no code in it is ever run. Everything here is a pure function, and thread-safe.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from array import array
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, Final, cast

import msgpack

from agent_core.api.batch import QUALITY_NAMES, Batch, Origin, Segment, Value
from agent_core.api.errors import AgentError

MAX_FRAME_BYTES: Final = 256 * 1024 * 1024
"""The largest frame. Whoever has more records makes several batches of them."""

_HEAD: Final = struct.Struct(">2sBBI")
_MAGIC: Final = b"TF"
_VERSION: Final = 1
_BATCH: Final = 1
_NAMES: Final = 2
_DECIMAL: Final = 1
_LARGE_INT: Final = 2
"""Extension types of msgpack: a decimal as its text, and an integer beyond 64 bits as big-endian two's complement."""

_VALUE_TYPES: Final = frozenset((float, int, bool, str, Decimal, type(None)))
_TEXT: Final = frozenset((str,))
_WHOLE: Final = frozenset((int,))
_KEY_BYTES: Final = 8


class CodecError(AgentError, ValueError):
    """These bytes are not a frame of this codec, or are damaged, or from a newer version; or a batch fits in no frame.

    Nothing of such a frame is used.
    """


def encode(batch: Batch, *, names_apart: bool = False) -> bytes:
    """The batch as a frame. Raises CodecError when it would be larger than MAX_FRAME_BYTES."""
    stamps = batch.timestamps_ns
    qualities = batch.qualities
    uniform = qualities[0] if qualities and qualities.count(qualities[0]) == len(qualities) else qualities
    body = (
        names_key(batch.names) if names_apart else batch.names,
        batch.values,
        stamps if isinstance(stamps, int) else _little_endian(stamps),
        uniform,
        [(*segment.origin, segment.sequence, segment.start, segment.stop) for segment in batch.segments],
    )
    return _frame(_BATCH, body)


def decode(data: bytes, names_of: Callable[[bytes], tuple[str, ...] | None] | None = None) -> Batch:
    """The batch of a frame. Raises CodecError.

    ``names_of`` finds the names of a key, for frames made with ``names_apart``; None when it does not know them.
    """
    body = _body(_BATCH, data)
    if type(body) is not tuple or len(body) != 5:
        raise CodecError("a batch has five columns")
    names, values, stamps, qualities, segments = body
    if type(names) is bytes:
        names = None if names_of is None else names_of(names)
        if names is None:
            raise CodecError("the names of the batch are not at hand")
    _check_names(names)
    count = len(names)
    if type(values) is not tuple or len(values) != count or not _VALUE_TYPES.issuperset(map(type, values)):
        raise CodecError("values are missing, or of a wrong type")
    if type(qualities) is int:
        _check(qualities in QUALITY_NAMES, "an unknown quality")
        qualities = bytes((qualities,)) * count
    _check(type(qualities) is bytes and len(qualities) == count, "qualities are missing")
    _check(QUALITY_NAMES.keys() >= set(qualities), "an unknown quality")
    return Batch(names, values, _stamps(stamps, count), qualities, _segments(segments, count))


def encode_names(names: tuple[str, ...]) -> bytes:
    """The names of a batch as a frame of their own. Raises CodecError as ``encode`` does."""
    return _frame(_NAMES, names)


def decode_names(data: bytes) -> tuple[str, ...]:
    """The names of such a frame. Raises CodecError."""
    names = _body(_NAMES, data)
    _check_names(names)
    return cast("tuple[str, ...]", names)


def names_key(names: tuple[str, ...]) -> bytes:
    """What a frame without names holds in their place: 8 bytes, the same for the same names anywhere and forever."""
    return hashlib.blake2b(_pack(names), digest_size=_KEY_BYTES).digest()


def _frame(kind: int, body: object) -> bytes:
    packed = _pack(body)
    size = _HEAD.size + len(packed)
    if size > MAX_FRAME_BYTES:
        raise CodecError(f"{size} bytes are more than a frame may have: {MAX_FRAME_BYTES}")
    return _HEAD.pack(_MAGIC, _VERSION, kind, zlib.crc32(packed, kind)) + packed


def _body(kind: int, data: bytes) -> Any:
    if len(data) > MAX_FRAME_BYTES:
        raise CodecError(f"{len(data)} bytes are more than a frame may have: {MAX_FRAME_BYTES}")
    if len(data) < _HEAD.size:
        raise CodecError(f"{len(data)} bytes are less than a frame has")
    magic, version, found, checksum = _HEAD.unpack_from(data)
    _check(magic == _MAGIC, "it does not begin as a frame does")
    if version != _VERSION:
        raise CodecError(f"it is of version {version}, and version {_VERSION} can be read")
    _check(found == kind, "it is a frame of another kind")
    packed = memoryview(data)[_HEAD.size :]
    _check(zlib.crc32(packed, kind) == checksum, "its checksum is wrong: it is damaged")
    try:
        return msgpack.unpackb(
            packed, use_list=False, raw=False, unicode_errors="surrogatepass", strict_map_key=True, ext_hook=_extension
        )
    except CodecError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise CodecError(f"its body cannot be read: {error}") from error


def _pack(body: object) -> bytes:
    packed = msgpack.packb(body, use_bin_type=True, unicode_errors="surrogatepass", default=_extended)
    return cast("bytes", packed)


def _extended(value: object) -> object:
    """What msgpack itself has no form for."""
    if isinstance(value, Decimal):
        return msgpack.ExtType(_DECIMAL, str(value).encode("ascii"))
    if isinstance(value, int):
        return msgpack.ExtType(_LARGE_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    raise CodecError(f"a value of type {type(value).__name__} is not a Value")


def _extension(code: int, data: bytes) -> Value:
    if code == _LARGE_INT:
        return int.from_bytes(data, "big", signed=True)
    _check(code == _DECIMAL, "an unknown extension type")
    try:
        return Decimal(data.decode("ascii"))
    except (InvalidOperation, UnicodeDecodeError) as error:
        raise CodecError("a malformed decimal") from error


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CodecError(otherwise)


def _check_names(names: object) -> None:
    _check(type(names) is tuple and _TEXT.issuperset(map(type, names)), "a name is not a text")


def _little_endian(stamps: array[int] | memoryview[int]) -> bytes:
    if sys.byteorder == "little":
        return stamps.tobytes()
    swapped = array("q", stamps)
    swapped.byteswap()
    return swapped.tobytes()


def _stamps(stamps: object, count: int) -> memoryview[int] | int:
    if type(stamps) is int:
        _check(-(2**63) <= stamps < 2**63, "a timestamp beyond int64")
        return stamps
    if type(stamps) is not bytes or len(stamps) != 8 * count:
        raise CodecError("timestamps are missing")
    if sys.byteorder == "little":
        return memoryview(stamps).cast("q")
    swapped = array("q", stamps)
    swapped.byteswap()
    return memoryview(swapped.tobytes()).cast("q")


def _segments(rows: object, count: int) -> tuple[Segment, ...]:
    if type(rows) is not tuple or not all(type(row) is tuple and len(row) == 6 for row in rows):
        raise CodecError("segments have six fields")
    segments = tuple(
        Segment(Origin(source, device, group), sequence, start, stop)
        for source, device, group, sequence, start, stop in rows
    )
    _check(_TEXT.issuperset(type(part) for segment in segments for part in segment.origin), "an origin is not a text")
    bounds = (type(number) for segment in segments for number in segment[1:])
    _check(_WHOLE.issuperset(bounds), "the bounds of a segment are not integers")
    edges = [0, *chain.from_iterable((segment.start, segment.stop) for segment in segments), count]
    covered = edges[::2] == edges[1::2] and all(segment.start < segment.stop for segment in segments)
    _check(covered, "segments do not cover the records in order")
    return segments
