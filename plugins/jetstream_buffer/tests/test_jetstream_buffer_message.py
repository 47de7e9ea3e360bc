"""Records as they travel."""

from __future__ import annotations

import random
import zlib

import pytest
from jetstream_buffer.jetstream.message import MAX_DECODED_BYTES, PREFERRED_BYTES, pack, unpack

from agent_core.api import Batch, Origin
from agent_core.api.codec import CodecError
from agent_core.testing.records import RecordMaker, records

ORIGIN = Origin("line1", "PLC01", "G1")


def test_a_batch_is_one_message_and_comes_back_as_it_was() -> None:
    batch = RecordMaker().batch(350)
    [packed] = pack(batch, 1_000_000)
    assert packed.payload is not None
    assert records(unpack(packed.payload)) == records(batch)
    assert packed.headers["Tagferry-Records"] == "350"


def test_the_id_is_that_of_the_content() -> None:
    batch, other = RecordMaker().batch(5), RecordMaker(1).batch(5)
    [first], [again], [different] = pack(batch, 10**6), pack(batch.slice(0, 5), 10**6), pack(other, 10**6)
    assert first.headers == again.headers != different.headers


def test_a_large_batch_is_cut_into_messages_that_the_server_takes_in_order() -> None:
    texts = [random.Random(number).randbytes(30_000).hex() for number in range(60)]
    batch = Batch.of(ORIGIN, [f"T{number}" for number in range(60)], texts, 5)
    found = list(pack(batch, 1_000_000))
    assert len(found) > 2
    assert [packed.start for packed in found[1:]] == [packed.stop for packed in found[:-1]]
    payloads = [packed.payload or b"" for packed in found]
    assert max(map(len, payloads)) <= PREFERRED_BYTES
    assert records(Batch.join(list(map(unpack, payloads)))) == records(batch)


def test_bytes_that_are_not_a_message_are_refused_and_cost_no_memory() -> None:
    [packed] = pack(RecordMaker().batch(5), 10**6)
    payload = packed.payload or b""
    flipped = bytearray(zlib.decompress(payload))
    flipped[len(flipped) // 2] ^= 1
    bomb = zlib.compress(bytes(MAX_DECODED_BYTES + 1), 9)
    for damaged in (b"", b"nonsense", payload[:-3], zlib.compress(bytes(flipped)), bomb):
        with pytest.raises(CodecError):
            unpack(damaged)
