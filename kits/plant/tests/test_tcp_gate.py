"""The gate's faults that wait for their turn, and what it counts."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest
from plant.tcp_gate import TcpGate

SECONDS = 60.0


class Server(socketserver.ThreadingTCPServer):
    """Echoes; keeps what it was asked, and how many sessions have ended."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.asked: list[bytes] = []
        self.ended = 0
        self.changed = threading.Condition()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def wait_for(self, *, asked: int = 0, ended: int = 0) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.asked) >= asked and self.ended >= ended, SECONDS)


class Session(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        try:
            while data := self.request.recv(4096):
                with server.changed:
                    server.asked.append(data)
                    server.changed.notify_all()
                self.request.sendall(b"you said " + data)
        except OSError:
            pass
        with server.changed:
            server.ended += 1
            server.changed.notify_all()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def gate(server: Server) -> Iterator[TcpGate]:
    gate = TcpGate(server.port)
    yield gate
    gate.close()


class Client:
    def __init__(self, gate: TcpGate) -> None:
        self._socket = socket.create_connection(("127.0.0.1", gate.port), timeout=SECONDS)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, text: str) -> bytes:
        """What comes back until it is as long as an answer or the connection ends."""
        self.send(text)
        wanted, found = len(b"you said ") + len(text), b""
        while len(found) < wanted and (data := self._socket.recv(4096)):
            found += data
        return found

    def send(self, text: str) -> None:
        self._socket.sendall(text.encode())

    def is_reset(self) -> bool:
        try:
            self._socket.recv(1)
        except ConnectionResetError:
            return True
        return False


@pytest.fixture
def client(gate: TcpGate) -> Iterator[Client]:
    with Client(gate) as client:
        assert client.ask("hello") == b"you said hello"
        yield client


def test_a_lost_answer_leaves_the_work_done(server: Server, gate: TcpGate, client: Client) -> None:
    gate.obey("nth 2 answer cut 0")
    assert client.ask("one") == b"you said one"
    assert gate.waiting == 1
    assert client.ask("two") == b""
    assert server.asked == [b"hello", b"one", b"two"]
    assert gate.waiting == 0
    assert gate.happened == {"answer cut": 1}


@pytest.mark.parametrize(("side", "answer", "asked"), [("answer", b"you sa", b"one"), ("request", b"", b"o")])
def test_a_cut_in_the_middle_passes_the_first_part_on(
    server: Server, gate: TcpGate, client: Client, side: str, answer: bytes, asked: bytes
) -> None:
    gate.obey(f"nth 1 {side} cut 0.5")
    assert client.ask("one") == answer
    server.wait_for(asked=2, ended=1)
    assert server.asked[1] == asked
    assert gate.happened == {f"{side} cut": 1}


def test_turns_are_counted_over_all_connections(gate: TcpGate, client: Client) -> None:
    with Client(gate) as other:
        gate.obey("nth 2 request cut 0")
        assert client.ask("one") == b"you said one"
        assert other.ask("two") == b""
        assert client.ask("three") == b"you said three"


def test_log_ins_can_be_spared(gate: TcpGate, client: Client) -> None:
    gate.obey("spare 2")
    gate.obey("nth 1 request cut 0")
    with Client(gate) as other:
        assert other.ask("two") == b"you said two"
        assert client.ask("one") == b""


def test_a_request_that_is_late_arrives_even_when_its_client_has_left(
    server: Server, gate: TcpGate, client: Client
) -> None:
    gate.obey("nth 1 request late 0.1")
    with Client(gate) as other:
        other.send("one")
        assert server.asked == [b"hello"]
    server.wait_for(asked=2, ended=1)
    assert client.ask("two") == b"you said two"


def test_a_late_answer_and_one_in_pieces_are_whole_in_the_end(gate: TcpGate, client: Client) -> None:
    gate.obey("nth 1 answer late 0.1")
    gate.obey("nth 2 answer pieces 1")
    began = time.monotonic()
    assert client.ask("one") == b"you said one"
    assert time.monotonic() - began >= 0.1
    assert client.ask("two") == b"you said two"
    assert gate.happened == {"answer late": 1, "answer pieces": 1}


def test_an_orphan_outlives_its_client_and_what_drops_the_others_and_ends_by_itself(
    server: Server, gate: TcpGate, client: Client
) -> None:
    gate.obey("nth 1 request orphan 0.3")
    assert client.ask("one") == b""
    server.wait_for(asked=2)
    with Client(gate) as other:
        assert other.ask("two") == b"you said two"
        gate.obey("drop")
        server.wait_for(ended=1)
        assert server.ended == 1
    server.wait_for(ended=2)
    assert gate.happened == {"request orphan": 1, "drop": 1}


def test_the_end_of_the_gate_ends_its_orphans(server: Server) -> None:
    gate = TcpGate(server.port)
    gate.obey("nth 1 request orphan 3600")
    with Client(gate) as client:
        assert client.ask("one") == b""
    gate.close()
    server.wait_for(ended=1)


def test_a_reset_is_one_and_only_what_hits_a_connection_is_counted(gate: TcpGate) -> None:
    for order in ("reset", "drop", "pause", "resume", "hang", "unhang"):
        assert gate.obey(order)
    assert not gate.happened
    with Client(gate) as client:
        client.ask("one")
        gate.obey("reset")
        assert client.is_reset()
    assert gate.happened == {"reset": 1}


def test_what_is_swallowed_is_counted_once(server: Server, gate: TcpGate, client: Client) -> None:
    gate.obey("hang")
    for _ in range(3):
        client.send("one")
        end = time.monotonic() + SECONDS
        while not gate.happened and time.monotonic() < end:
            time.sleep(0.001)
    gate.obey("drop")
    server.wait_for(ended=1)
    assert server.asked == [b"hello"]
    assert gate.happened == {"hang": 1, "drop": 1}


def test_a_clear_forgets_what_waits(gate: TcpGate, client: Client) -> None:
    gate.obey("nth 1 answer cut 0")
    gate.obey("clear")
    assert client.ask("one") == b"you said one"
    assert not gate.obey("nth 1 answer sung 0")
    with pytest.raises(ValueError, match="orphaned"):
        gate.obey("nth 1 answer orphan 1")


def test_a_pause_leaves_no_connection_half_made(server: Server) -> None:
    broken: list[object] = []
    gate = TcpGate(server.port)
    try:
        gate._loop.set_exception_handler(lambda loop, context: broken.append(context))
        for _ in range(10):
            clients = [socket.create_connection(("127.0.0.1", gate.port)) for _ in range(10)]
            gate.obey("pause")
            for client in clients:
                client.close()
            gate.obey("resume")
    finally:
        gate.close()
    assert broken == []
