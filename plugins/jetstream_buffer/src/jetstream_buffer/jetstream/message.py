"""Message: records as they travel: a frame of the codec, compressed, with its count in a header."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from agent_core.api import Batch
from agent_core.api.codec import CodecError, decode, encode

RECORDS_HEADER: Final = "Tagferry-Records"
ID_HEADER: Final = "Nats-Msg-Id"
MAX_DECODED_BYTES: Final = 64 * 1024 * 1024
"""What a message may unpack to; a server takes 64 MiB packed at most, and ours are far smaller."""
PREFERRED_BYTES: Final = 512 * 1024
HEADER_BYTES: Final = 1024
"""Set aside of the server's ``max_payload``, which counts headers too."""


class Packed(NamedTuple):
    """Records ``start:stop`` of a batch as one message; ``payload`` is None for a record that fits in none."""

    start: int
    stop: int
    payload: bytes | None

    @property
    def headers(self) -> dict[str, str]:
        """The id is that of the content, so the same records have it again after a restart."""
        id_ = blake2b(self.payload or b"", digest_size=16).hexdigest()
        return {ID_HEADER: id_, RECORDS_HEADER: str(self.stop - self.start)}


def pack(batch: Batch, max_payload: int) -> Iterator[Packed]:
    """The records in order, in as few messages as the server takes."""
    limit = min(PREFERRED_BYTES, max_payload - HEADER_BYTES)
    waiting = [(0, len(batch))]
    while waiting:
        start, stop = waiting.pop()
        try:
            frame = encode(batch.slice(start, stop))
            payload = zlib.compress(frame, 1) if len(frame) <= MAX_DECODED_BYTES else None
        except CodecError:  # too much for a frame
            payload = None
        if payload is not None and len(payload) <= limit:
            yield Packed(start, stop, payload)
        elif stop - start > 1:
            middle = (start + stop) // 2
            waiting += ((middle, stop), (start, middle))
        elif payload is not None and len(payload) <= max_payload - HEADER_BYTES:
            yield Packed(start, stop, payload)
        else:
            yield Packed(start, stop, None)


def unpack(payload: bytes) -> Batch:
    """The records. Raises CodecError when the bytes are damaged, from a newer version, or not ours."""
    unpacking = zlib.decompressobj()
    try:
        frame = unpacking.decompress(payload, MAX_DECODED_BYTES)
    except zlib.error as error:
        raise CodecError(f"not a message of a tagferry agent: {error}") from error
    if not unpacking.eof:
        raise CodecError("not a message of a tagferry agent: too short, or too large")
    return decode(frame)
