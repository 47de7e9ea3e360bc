"""A peer that is no database: it may send no more than a limit, and a log-in that was given up is cut off."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import oracledb
import pytest
from oracle_sink.session.peer import LOGIN_BYTES, Peer
from oracle_sink.sink import OracleSink
from pytest_mock import MockerFixture

from agent_core.api import Batch, Origin, RetryableError
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
"""The driver does not close the socket of a connection that it has lost."""

MakeSink = Callable[..., OracleSink]
Serve = Callable[[socket.socket], None]

SHORT = {"connect": 60.0, "login": 0.2, "call": 60.0, "wait": 60.0}


@contextmanager
def peer(serve: Serve) -> Iterator[str]:
    """A dsn; ``serve`` gets each connection, in a thread."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}/X"


def log_ins_end() -> bool:
    """Whether the thread of every log-in ends."""
    threads = [thread for thread in threading.enumerate() if thread.name == "oracle_sink-login"]
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    return not any(thread.is_alive() for thread in threads)


def test_a_peer_that_sends_without_end_is_cut_after_a_limit(make_sink: MakeSink) -> None:
    sent: list[int] = []
    block = b"\xff" * 65_536

    def flood(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while sum(sent) < 4 * LOGIN_BYTES:
                sent.append(connection.send(block))

    with peer(flood) as dsn, pytest.raises(RetryableError, match="more than 16 MiB arrived, and no answer") as raised:
        make_sink(dsn=dsn).open()
    assert raised.value.next_step == "check that a database listens at the address in dsn:"
    assert sum(sent) < 2 * LOGIN_BYTES  # the rest is in the buffers of the sockets
    assert log_ins_end()


def test_a_log_in_that_was_given_up_is_cut_and_its_thread_ends(make_sink: MakeSink) -> None:
    ended = threading.Event()

    def swallow(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while connection.recv(65_536):
                pass
        ended.set()

    with peer(swallow) as dsn, pytest.raises(RetryableError, match="no answer within"):
        make_sink(dsn=dsn, timeouts=SHORT).open()
    assert ended.wait(PATIENCE_SECONDS)
    assert log_ins_end()


def test_a_connection_that_is_made_after_the_cut_is_cut_at_once() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        watched = Peer(1000)
        watched.cut()
        with watched.watching():
            made = socket.create_connection(server.getsockname())
        with made:
            made.settimeout(PATIENCE_SECONDS)
            assert made.recv(1) == b""


def test_a_log_in_that_cannot_be_cut_delays_the_next_ones(make_sink: MakeSink, mocker: MockerFixture) -> None:
    go_on = threading.Event()
    connect = mocker.patch.object(oracledb, "connect", side_effect=lambda **_: go_on.wait())
    mocker.patch("oracle_sink.session.login._CUT_SECONDS", 0.0)
    clock = ManualClock()
    sink = make_sink(clock, timeouts=SHORT)
    with pytest.raises(RetryableError, match="no answer within"):
        sink.open()
    clock.advance(5.0)
    with pytest.raises(RetryableError, match="without an answer: 1; the next one starts in 10 s"):
        sink.open()
    assert connect.call_count == 1
    clock.advance(15.0)
    with pytest.raises(RetryableError, match="no answer within"):
        sink.open()
    clock.advance(15.0)
    with pytest.raises(RetryableError, match="without an answer: 2"):
        sink.open()
    go_on.set()


def test_a_session_may_send_no_more_than_a_limit(
    make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink()
    sink.open()
    batch = Batch.of(Origin("s", "d", "g"), ("T1",), (1.0,), 1_767_225_600_000_000_000)
    monkeypatch.setattr("oracle_sink.session.connections.ANSWER_BYTES", 10)
    with caplog.at_level(logging.WARNING), pytest.raises(RetryableError):
        sink.write(batch)
    assert "answer too large" in caplog.text
    monkeypatch.undo()
    assert sink.write(batch).inserted == 1


@pytest.mark.parametrize("late", ["in the thread", "just now"])
def test_a_session_that_comes_after_it_was_given_up_is_closed(
    late: str, make_sink: MakeSink, mocker: MockerFixture
) -> None:
    closed, waited = threading.Event(), threading.Event()
    connection = mocker.Mock(spec=oracledb.Connection)
    connection.close.side_effect = closed.set

    class Results(queue.SimpleQueue[object]):
        def get(self, block: bool = True, timeout: float | None = None) -> object:
            if late == "just now" and block:
                waited.set()
                while self.empty():
                    time.sleep(0.001)
                raise queue.Empty
            return super().get(block, timeout)

    mocker.patch("oracle_sink.session.login.queue.SimpleQueue", Results)
    mocker.patch("oracle_sink.session.login._CUT_SECONDS", 0.0)
    go_on = threading.Event() if late == "in the thread" else waited
    mocker.patch.object(oracledb, "connect", side_effect=lambda **_: go_on.wait() and connection)
    with pytest.raises(RetryableError, match="no answer within"):
        make_sink(timeouts=SHORT).open()
    go_on.set()
    assert closed.wait(PATIENCE_SECONDS)
