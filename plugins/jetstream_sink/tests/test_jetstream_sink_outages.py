"""Servers that are away, full, frozen or refuse; a real one each time."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections.abc import Iterator

import pytest
from jetstream_buffer.jetstream.config import TlsConfig
from jetstream_buffer.testing import NatsServer
from jetstream_sink.sink import JetstreamSink
from nats.js import api

from agent_core.api import (
    AuthenticationError,
    Batch,
    ConfigurationError,
    Origin,
    RetryableError,
    Severity,
    SinkError,
    WriteOutcome,
)
from agent_core.testing.background import Background
from agent_core.testing.sinks import numbered_batch
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from .conftest import MakeSink, numbers
from .stored import stored_batches, with_jetstream

ORIGIN = Origin("line1", "PLC01", "G1")


def refused(sink: JetstreamSink, kind: type[SinkError]) -> SinkError:
    with pytest.raises(kind) as caught:
        sink.open()
    return caught.value


def open_patiently(sink: JetstreamSink) -> None:
    """With an answer's time so short that a busy machine may need more than one attempt."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return sink.open()
        except RetryableError:
            assert time.monotonic() < end


def log_ins(server: NatsServer) -> int:
    """How often the server has refused somebody."""
    return server.log().count("authentication error")


def test_a_wrong_password_is_one_log_in_for_each_attempt(server: NatsServer, make_sink: MakeSink) -> None:
    before = log_ins(server)
    sink = make_sink(password="wrong")
    for attempt in (1, 2):
        assert "check user, password" in str(refused(sink, AuthenticationError))
        assert log_ins(server) == before + attempt


def test_workers_that_write_at_once_share_one_log_in(own_server: NatsServer, make_sink: MakeSink) -> None:
    sink = make_sink(url=own_server.url)
    sink.open()
    own_server.kill()
    own_server.settings = "authorization { user: agent, password: changed }"
    own_server.start()

    async def together() -> list[object]:
        return list(await asyncio.gather(*(sink._connection.client() for _ in range(4)), return_exceptions=True))

    assert [type(found) for found in sink._connection.run(together(), 30.0)] == [AuthenticationError] * 4
    assert log_ins(own_server) == 1


def test_a_server_that_dies_is_an_outage_and_what_it_has_stored_is_recognised(
    own_server: NatsServer, make_sink: MakeSink
) -> None:
    sink = make_sink(url=own_server.url, stream="S", password=None)
    own_server.kill()
    assert "Connect call failed" in str(refused(sink, RetryableError))
    own_server.start()
    sink.open()
    assert sink.write(numbered_batch(350)) == WriteOutcome(350)
    own_server.kill()
    with pytest.raises(RetryableError):
        sink.write(numbered_batch(350))
    own_server.start()
    assert sink.write(numbered_batch(350)) == WriteOutcome(0, 350)
    assert sink.write(numbered_batch(350, 7)) == WriteOutcome(350)


def test_a_server_that_says_nothing_costs_the_answers_time_and_is_ambiguous(
    own_server: NatsServer, make_sink: MakeSink
) -> None:
    sink = make_sink(url=own_server.url, password=None, answer=0.5)
    open_patiently(sink)
    own_server.freeze()
    try:
        with pytest.raises(RetryableError) as caught:
            sink.write(numbered_batch(5))
        assert caught.value.ambiguous
    finally:
        own_server.thaw()


def test_a_full_stream_is_throttled_and_takes_records_again_when_it_is_drained(
    server: NatsServer, make_sink: MakeSink
) -> None:
    name = f"FULL{next(numbers)}"
    sink = make_sink(stream=name, max_bytes=20_000)
    sink.open()
    stored: list[int] = []

    def fill() -> None:
        stored.extend(sink.write(numbered_batch(350, number)).inserted for number in range(100))

    with pytest.raises(RetryableError) as caught:
        fill()
    assert (caught.value.throttle, caught.value.code) == (True, "10077")
    assert sum(map(len, stored_batches(server.url, name))) == sum(stored)
    with_jetstream(server.url, lambda jetstream: jetstream.purge_stream(name))
    assert sink.write(numbered_batch(350, 99)) == WriteOutcome(350)


def test_a_record_that_no_message_can_carry_is_refused_alone(server: NatsServer, make_sink: MakeSink) -> None:
    name = f"LARGE{next(numbers)}"
    sink = make_sink(stream=name)
    sink.open()
    noise = random.Random(1).randbytes(1_500_000).hex()
    outcome = sink.write(Batch.of(ORIGIN, "ABCD", (1.0, noise, "b" * 600_000, 2.0), 5))
    assert [(rejection.position, rejection.code) for rejection in outcome.rejected] == [(1, "TOO_LARGE")]
    assert outcome.inserted == 3
    kept = Batch.join(stored_batches(server.url, name))
    assert sorted(kept.names) == ["A", "C", "D"]


UNSAFE = {
    "retention": ({"retention": "limits"}, "retention is limits"),
    "interest": ({"retention": "interest"}, "retention is interest"),
    "storage": ({"storage": "memory"}, "storage is memory"),
    "discard": ({"discard": "old"}, "discard is old"),
    "max_age": ({"max_age": 60.0}, "max_age is 60 s"),
    "per_subject": ({"max_msgs_per_subject": 5}, "max_msgs_per_subject is 5"),
    "no_ack": ({"no_ack": True}, "no_ack is true"),
    "subjects": ({"subjects": ["elsewhere_{name}.*"]}, "subjects are elsewhere_"),
}


@pytest.mark.parametrize(("settings", "complaint"), UNSAFE.values(), ids=UNSAFE)
def test_a_stream_that_would_lose_records_is_refused_by_name_and_not_changed(
    server: NatsServer, make_sink: MakeSink, settings: dict[str, object], complaint: str
) -> None:
    name = f"U{next(numbers)}"
    safe = {
        "subjects": [f"{name.lower()}.>"],
        "retention": "workqueue",
        "storage": "file",
        "discard": "new",
        "max_bytes": 1_000_000,
        "duplicate_window": 60.0,
    }
    given = {key: [value[0].format(name=name)] if isinstance(value, list) else value for key, value in settings.items()}
    config = api.StreamConfig(name=name, **{**safe, **given})  # type: ignore[arg-type]
    before = with_jetstream(server.url, lambda jetstream: jetstream.add_stream(config)).config
    sink = make_sink(stream=name)
    assert complaint in str(refused(sink, ConfigurationError))
    found = list(sink.diagnose())
    assert any(finding.severity is Severity.CRITICAL and complaint in finding.message for finding in found)
    assert with_jetstream(server.url, lambda jetstream: jetstream.stream_info(name)).config == before


def test_a_stream_that_is_missing_is_created_only_with_a_size(server: NatsServer, make_sink: MakeSink) -> None:
    name = f"NEW{next(numbers)}"
    sink = make_sink(stream=name, max_bytes=None)
    assert "set stream: max_bytes" in str(refused(sink, ConfigurationError))
    assert [finding.severity for finding in sink.diagnose()] == [Severity.OK, Severity.CRITICAL]
    creating = make_sink(stream=name, monitor=server.monitor)
    assert [finding.message for finding in creating.diagnose()][1:] == ["will be created, 67,108,864 bytes at most"]
    creating.open()
    assert [finding.severity for finding in creating.diagnose()] == [Severity.OK, Severity.OK]
    sink.open()  # now it is there
    config = with_jetstream(server.url, lambda jetstream: jetstream.stream_info(name)).config
    assert (config.retention, config.discard, config.max_bytes) == ("workqueue", "new", 67_108_864)


def test_a_stream_that_is_deleted_while_the_sink_runs_is_made_again(server: NatsServer, make_sink: MakeSink) -> None:
    name = f"GONE{next(numbers)}"
    sink = make_sink(stream=name)
    sink.open()
    with_jetstream(server.url, lambda jetstream: jetstream.delete_stream(name))
    with pytest.raises(RetryableError):
        sink.write(numbered_batch(3))
    assert sink.write(numbered_batch(3)) == WriteOutcome(3)


def test_a_server_that_does_not_sync_is_warned_of(own_server: NatsServer, make_sink: MakeSink) -> None:
    own_server.kill()
    own_server.sync = '"2m"'
    own_server.start()
    sink = make_sink(url=own_server.url, password=None, monitor=own_server.monitor)
    sink.open()
    found = [finding.message for finding in sink.diagnose() if finding.severity is Severity.WARNING]
    assert found == ["sync_interval is not always: a power failure loses the last 2 minutes of what was stored"]


def test_a_user_who_may_not_publish_is_a_configuration_error(own_server: NatsServer, make_sink: MakeSink) -> None:
    own_server.kill()
    own_server.settings = (
        "authorization { users: [{ user: agent, password: right, permissions: { publish: { deny: 'p.>' } } }] }"
    )
    own_server.start()
    sink = make_sink(url=own_server.url, stream="P", answer=0.5)
    open_patiently(sink)
    with pytest.raises(ConfigurationError) as caught:
        sink.write(numbered_batch(3))
    assert "allow the user this subject" in str(caught.value)


@pytest.fixture
def eavesdropper() -> Iterator[tuple[str, list[bytes]]]:
    """A server that says nothing of TLS, keeps what it hears, and hangs up."""
    heard: list[bytes] = []
    info = b'INFO {"server_id":"X","version":"2.15.1","max_payload":1048576,"auth_required":true}\r\n'
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def listen() -> None:
            accepted, _ = listening.accept()
            with accepted:
                accepted.sendall(info)
                heard.append(accepted.recv(65536))

        call = Background(listen)
        yield f"nats://127.0.0.1:{listening.getsockname()[1]}", heard
        call.result()


def test_a_password_is_never_sent_to_a_server_that_offers_no_tls(
    eavesdropper: tuple[str, list[bytes]], make_sink: MakeSink
) -> None:
    url, heard = eavesdropper
    sink = make_sink(url=url, tls=TlsConfig(None, None, None, handshake_first=True))
    with pytest.raises(SinkError):
        sink.open()
    assert heard
    assert all(data[:1] == b"\x16" for data in heard), "something else than a TLS handshake was sent"
