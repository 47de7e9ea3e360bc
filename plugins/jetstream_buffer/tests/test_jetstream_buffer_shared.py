"""Several agents at one stream: each record goes to one of them, and what one leaves goes to another."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from jetstream_buffer.buffer import JetstreamBuffer
from jetstream_buffer.testing import NatsServer
from nats.js import JetStreamContext, api

from agent_core.api import ConfigurationError, Lease, Severity
from agent_core.testing.records import RecordMaker, numbers
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from .conftest import MakeStream, Stream


def lent(buffer: JetstreamBuffer, count: int) -> Lease:
    lease = buffer.lease(count, PATIENCE_SECONDS)
    assert lease is not None
    return lease


def wait_until_empty(stream: Stream) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while stream.messages():
        assert time.monotonic() < end, "messages that nobody acknowledged"
        time.sleep(0.01)


def test_each_record_goes_to_one_agent_and_is_forgotten_when_its_message_is_settled(stream: Stream) -> None:
    first, second, maker = stream.buffer(), stream.buffer(), RecordMaker()
    first.open()
    second.open()
    stream.publish(*(maker.batch(10) for _ in range(4)))
    leases = [lent(first, 10), lent(second, 10), lent(first, 5), lent(second, 10), lent(first, 5)]
    assert sorted(number for lease in leases for number in numbers(lease.batch)) == [*range(40)]
    for buffer, lease in zip((first, second, first, second), leases, strict=False):
        buffer.settle(lease)
    assert first.stats().recovered_records == second.stats().recovered_records == 20
    assert stream.messages() > 0, "a message that is half settled was acknowledged"
    first.settle(leases[-1])
    wait_until_empty(stream)
    with pytest.raises(OSError, match="filled by agents with jetstream_sink"):
        first.append(maker.batch(1))


def test_an_orderly_end_gives_back_what_is_held_at_once(stream: Stream) -> None:
    first, second, maker = stream.buffer(), stream.buffer(), RecordMaker()
    first.open()
    stream.publish(maker.batch(10), maker.batch(10))
    first.settle(lent(first, 10))
    lent(first, 4)
    first.close()
    second.open()
    assert numbers(lent(second, 10).batch) == [*range(10, 20)]


def test_what_a_dead_agent_holds_goes_to_another(stream: Stream) -> None:
    dead, other = stream.buffer(ack_wait=1.0), stream.buffer(ack_wait=1.0)
    dead.open()
    other.open()
    stream.publish(RecordMaker().batch(5))
    lent(dead, 5)
    dead._connection.close()
    assert numbers(lent(other, 5).batch) == [0, 1, 2, 3, 4]


def test_the_server_hears_that_what_is_held_is_being_worked_on(stream: Stream) -> None:
    slow = stream.buffer(ack_wait=1.0)
    slow.open()
    stream.publish(RecordMaker().batch(5))
    held = lent(slow, 5)

    async def next_word(jetstream: JetStreamContext) -> tuple[str, bytes]:
        said = await jetstream._nc.subscribe(f"$JS.ACK.{stream.name}.>")
        message = await said.next_msg(timeout=PATIENCE_SECONDS)
        return message.subject, message.data

    subject, word = stream.ask(next_word)
    assert (subject.split(".")[5], word) == ("1", b"+WPI")
    slow.settle(held)
    wait_until_empty(stream)


def test_an_agent_that_was_frozen_and_another_both_write_and_neither_is_stopped(stream: Stream) -> None:
    frozen, other = stream.buffer(ack_wait=0.5), stream.buffer(ack_wait=0.5)
    frozen.open()
    other.open()
    stream.publish(RecordMaker().batch(5))
    held = lent(frozen, 5)
    frozen._connection.soon(lambda: time.sleep(1.0))  # as SIGSTOP does to the whole process
    again = lent(other, 5)
    assert numbers(again.batch) == numbers(held.batch)
    frozen.settle(held)
    other.settle(again)
    wait_until_empty(stream)
    assert [buffer.stats().recovered_records for buffer in (frozen, other)] == [5, 5]
    assert [list(buffer.advice()) for buffer in (frozen, other)] == [[], []]


def test_after_stop_waiting_only_what_is_held_here_is_leased(stream: Stream) -> None:
    buffer, maker = stream.buffer(), RecordMaker()
    buffer.open()
    stream.publish(maker.batch(10), maker.batch(10))
    lent(buffer, 4)
    buffer.stop_waiting()
    rest = buffer.lease(100, PATIENCE_SECONDS)
    assert rest is not None
    assert numbers(rest.batch)[:6] == [4, 5, 6, 7, 8, 9]
    assert buffer.lease(100, PATIENCE_SECONDS) is None


def test_records_settled_while_the_server_is_away_are_acknowledged_later(
    own_server: NatsServer, make_stream: MakeStream
) -> None:
    stream = make_stream(own_server)
    buffer, maker = stream.buffer(ack_wait=1.0), RecordMaker()
    buffer.open()
    stream.publish(maker.batch(10), maker.batch(10))
    first = lent(buffer, 10)
    own_server.kill()
    buffer.settle(first)
    assert buffer.stats().leased_records == 0
    own_server.start()
    buffer.settle(lent(buffer, 10))
    wait_until_empty(stream)
    assert (buffer.stats().recovered_records, list(buffer.advice())) == (20, [])


def test_a_server_that_is_away_at_the_start_stops_nothing(own_server: NatsServer, make_stream: MakeStream) -> None:
    stream = make_stream(own_server)
    buffer = stream.buffer()
    own_server.kill()
    buffer.open()
    assert buffer.lease(5, 0.01) is None
    [finding] = buffer.advice()
    assert (finding.severity, "Connect call failed" in finding.message) == (Severity.CRITICAL, True)
    own_server.start()
    end = time.monotonic() + PATIENCE_SECONDS
    while buffer.advice():
        assert time.monotonic() < end
        buffer.lease(1, 0.01)
    stream.publish(RecordMaker().batch(3))
    assert len(lent(buffer, 3).batch) == 3


def test_a_wrong_password_is_one_log_in_and_then_a_slow_probe(own_server: NatsServer, make_stream: MakeStream) -> None:
    own_server.kill()
    own_server.settings = "authorization { user: agent, password: right }"
    own_server.start()
    buffer = make_stream(own_server).buffer(user="agent")
    buffer.open()
    assert buffer.lease(5, 0.3) is None
    assert "Authorization Violation" in buffer.advice()[0].message
    assert own_server.log().count("authentication error") == 1


UNSAFE = {
    "max_deliver": ({"max_deliver": 3}, "max_deliver is 3"),
    "filter": ({"filter_subject": "{subject}.one"}, "filter_subject is set"),
    "inactive": ({"inactive_threshold": 60.0}, "inactive_threshold is 60 s"),
    "headers": ({"headers_only": True}, "headers_only is true"),
    "backoff": ({"backoff": [1.0, 2.0], "max_deliver": 5}, "backoff is set"),
}


@pytest.mark.parametrize(("settings", "complaint"), UNSAFE.values(), ids=UNSAFE)
def test_a_consumer_that_would_lose_records_is_refused_by_name_and_not_changed(
    stream: Stream, settings: dict[str, object], complaint: str
) -> None:
    first = stream.buffer()
    first.open()
    first.close()
    given = {
        key: value.format(subject=stream.name.lower()) if isinstance(value, str) else value
        for key, value in settings.items()
    }
    config = api.ConsumerConfig(durable_name="writers", **given)  # type: ignore[arg-type]

    async def replace(jetstream: JetStreamContext) -> api.ConsumerConfig:
        await jetstream.delete_consumer(stream.name, "writers")
        return (await jetstream.add_consumer(stream.name, config)).config

    before = stream.ask(replace)
    buffer = stream.buffer()
    with pytest.raises(ConfigurationError, match=complaint):
        buffer.open()
    found = [finding for finding in buffer.diagnose() if finding.severity is Severity.CRITICAL]
    assert any(complaint in finding.message for finding in found)
    assert stream.ask(lambda jetstream: jetstream.consumer_info(stream.name, "writers")).config == before


def test_a_message_that_is_damaged_is_set_aside_and_the_next_is_delivered(stream: Stream, tmp_path: Path) -> None:
    buffer = stream.buffer()
    buffer.open()

    async def publish(jetstream: JetStreamContext) -> None:
        await jetstream.publish(f"{stream.name.lower()}.edge", b"not a frame")

    stream.ask(publish)
    stream.publish(RecordMaker().batch(3))
    buffer.settle(lent(buffer, 3))
    wait_until_empty(stream)
    [file] = (tmp_path / "damaged" / "warehouse").iterdir()
    assert file.read_bytes() == b"not a frame"
    assert [finding.subject for finding in buffer.advice()] == ["damaged messages"]


def test_a_consumer_that_is_deleted_is_made_again(stream: Stream) -> None:
    buffer = stream.buffer()
    buffer.open()
    assert buffer.lease(1, 0.01) is None
    stream.ask(lambda jetstream: jetstream.delete_consumer(stream.name, "writers"))
    stream.publish(RecordMaker().batch(3))
    assert len(lent(buffer, 3).batch) == 3


def test_the_doctor_says_what_waits_and_creates_nothing(stream: Stream) -> None:
    buffer = stream.buffer()
    assert [finding.message for finding in buffer.diagnose()][1:] == ["will be created, 64,000,000 bytes at most"]
    buffer.open()
    stream.publish(RecordMaker().batch(3))
    found = list(buffer.diagnose())
    assert {finding.severity for finding in found} == {Severity.OK}
    assert found[-1].message == "0 messages with writers, 1 with none"
