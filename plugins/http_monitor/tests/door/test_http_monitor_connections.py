"""Clients that say nothing, or too little, or do not listen: over real sockets."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest
from http_monitor.door import guard
from http_monitor.door.acceptor import Acceptor
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.places import Limits, Places
from http_monitor.door.server import Server
from monitored.http_client import HttpClient
from monitored.running import MakeServed, Served
from monitored.web_socket import WebSocketClient, WebSocketRefused
from pytest_mock import MockerFixture
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_core.api import Log
from agent_core.testing.suite.patience import PATIENCE_SECONDS

FOR_EVER = 10 * PATIENCE_SECONDS
HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


def connected(port: int, *, first: bytes = b"") -> socket.socket:
    one = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
    one.sendall(first)
    return one


def closed_by_server(one: socket.socket) -> bool:
    """Waits for the end of what the server sends."""
    try:
        while one.recv(4096):
            pass
    except ConnectionError:
        pass
    return True


def still_open(one: socket.socket) -> bool:
    one.setblocking(False)
    try:
        return one.recv(1) != b""
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


@pytest.fixture
def crowded(make_served: MakeServed) -> Served:
    """A monitor with 16 places, which closes nothing for being late."""
    return make_served(limits=Limits(connections=16, request_seconds=FOR_EVER))


@pytest.mark.parametrize("first", [b"", HEAD], ids=["silent", "slow head"])
def test_two_hundred_clients_that_ask_nothing_blind_no_probe(
    crowded: Served, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connected(crowded.port, first=first))) for _ in range(200)]
        for path in ("/healthz", "/readyz", "/metrics", "/api/live"):
            assert crowded.client.get(path).status == 200, path
        assert closed_by_server(clients[0])
        assert sum(still_open(client) for client in clients) <= 8, "the share of one address"
    assert caplog.text.count("connections full: client=127.0.0.1 connections=16 per_address=8") == 1


def test_a_browser_that_is_served_is_not_closed_for_those_who_ask_nothing(crowded: Served) -> None:
    with WebSocketClient(crowded.port, "/ws/polling") as browser, ExitStack() as stack:
        browser.receive()
        for _ in range(40):
            stack.enter_context(closing(connected(crowded.port)))
        assert [browser.receive()["name"] for _ in range(2)] == ["line-1"] * 2


def test_an_address_whose_share_is_in_use_gets_no_more(make_served: MakeServed) -> None:
    served = make_served(limits=Limits(connections=8, request_seconds=FOR_EVER))
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(WebSocketClient(served.port, "/ws/polling"))
        with closing(connected(served.port)) as refused:
            assert closed_by_server(refused), "nobody waits, so nobody makes room"


def test_browsers_leave_places_for_the_probes(make_served: MakeServed) -> None:
    limits = Limits(connections=16, request_seconds=FOR_EVER)
    served = make_served(limits=limits, trusted_proxies=("127.0.0.1",), public_reading=True)
    with ExitStack() as stack:
        for _ in range(limits.connections - limits.for_probes):
            stack.enter_context(WebSocketClient(served.port, "/ws/polling"))
        with pytest.raises(WebSocketRefused, match="503"):
            WebSocketClient(served.port, "/ws/polling")
        busy = served.client.get("/api/live")
        assert (busy.status, busy.headers["retry-after"]) == (503, "1")
        for path in ("/healthz", "/readyz", "/metrics"):
            assert served.client.get(path).status == 200, path


@pytest.fixture
def strict(make_served: MakeServed) -> Served:
    return make_served(limits=Limits(request_seconds=0.1, transfer_seconds=0.1))


def test_a_head_that_does_not_end_is_cut_off(strict: Served) -> None:
    with closing(connected(strict.port, first=HEAD)) as client:
        assert closed_by_server(client)


def test_a_head_that_comes_byte_by_byte_gains_no_time(strict: Served) -> None:
    with closing(connected(strict.port, first=HEAD)) as client, suppress(ConnectionError):
        client.settimeout(0.01)
        for _ in range(int(PATIENCE_SECONDS / 0.01)):
            client.sendall(b"X")
            with suppress(TimeoutError):
                if not client.recv(1):
                    return
        pytest.fail("it went on for ever")


def test_after_an_answer_the_next_head_has_a_deadline_too(strict: Served) -> None:
    for _ in range(1000):  # on a busy machine the first head may be late as well
        with closing(connected(strict.port)) as client, suppress(ConnectionError):
            client.sendall(HEAD + b"\r\n")
            if client.recv(12) == b"HTTP/1.1 200":
                with suppress(ConnectionError):
                    client.sendall(b"G")
                assert closed_by_server(client)
                return
    pytest.fail("no answer")


@contextmanager
def serving(app: ASGIApp, places: Places) -> Iterator[int]:
    """The door with another application behind it: the monitor's own takes no body and answers at once."""
    server = Server(app, ListenAddress("127.0.0.1", 0), [], Log("http_monitor"), places)
    server.start()
    try:
        yield server.address.port
    finally:
        server.stop()


def test_a_body_that_does_not_come_is_not_awaited_for_ever() -> None:
    ended = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.set()

    with (
        serving(app, Places(Limits(request_seconds=FOR_EVER, transfer_seconds=0.1))) as port,
        closing(connected(port, first=b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf")) as client,
    ):
        assert closed_by_server(client)
        assert ended.wait(PATIENCE_SECONDS)


def test_an_answer_that_nobody_takes_is_given_up() -> None:
    ended = threading.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        if (await receive())["type"] == "http.disconnect":
            ended.set()

    with (
        serving(app, Places(Limits(request_seconds=FOR_EVER, transfer_seconds=0.1))) as port,
        closing(connected(port, first=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")),
    ):
        assert ended.wait(PATIENCE_SECONDS)


def test_clients_that_take_no_answer_of_a_probe_blind_no_probe() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64 if scope["path"] == "/metrics" else 0):
            await send({"type": "http.response.body", "body": bytes(2**20), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    places = Places(Limits(8, request_seconds=FOR_EVER, transfer_seconds=FOR_EVER), unlimited=lambda _: True)
    with serving(app, places) as port, ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(closing(connected(port, first=b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")))
        assert HttpClient(port).get("/healthz").status == 200


def test_strangers_cannot_fill_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20):
        with closing(connected(served.port, first=b"no HTTP at all\r\n\r\n")) as client:
            assert closed_by_server(client)
        assert served.client.request("GET", "/", {"Host": "evil.example"}).status == 403
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOBUFS, errno.EPERM, errno.EPROTO])
def test_a_connection_that_cannot_be_accepted_ends_nothing_and_keeps_no_core_busy(
    make_served: MakeServed, mocker: MockerFixture, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    served = make_served()
    accept, failing = asyncio.SelectorEventLoop.sock_accept, [True] * 3

    async def sometimes(loop: asyncio.SelectorEventLoop, listening: socket.socket) -> tuple[socket.socket, object]:
        if failing:
            failing.pop()
            raise OSError(number, "no")
        return await accept(loop, listening)

    mocker.patch.object(asyncio.SelectorEventLoop, "sock_accept", sometimes)
    pauses = mocker.spy(asyncio, "sleep")
    assert served.client.get("/healthz").status == 200, "accepted before the fault"
    assert served.client.get("/healthz").status == 200
    assert failing == []
    assert [call.args[0] for call in pauses.call_args_list if call.args[0] in (0.05, 0.2)] == [0.05, 0.2]
    assert "connection not accepted" in caplog.text
    assert "http server failed" not in caplog.text


def test_the_port_is_closed_when_the_places_are_full(make_served: MakeServed) -> None:
    served = make_served(limits=Limits(connections=8, request_seconds=FOR_EVER))
    with ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(closing(connected(served.port)))
        assert HttpClient(served.port).get("/healthz").status == 200
        served.monitor.close()
        with pytest.raises(ConnectionRefusedError):
            connected(served.port)


def test_a_request_with_two_ends_is_refused_and_nothing_after_it_is_read(served: Served) -> None:
    two_ends = b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    smuggled = HEAD + b"\r\n"
    with closing(connected(served.port, first=HEAD + two_ends + smuggled)) as one, one.makefile("rb") as answers:
        text = answers.read()
    assert text.startswith(b"HTTP/1.1 400 ")
    assert text.count(b"HTTP/1.1 ") == 1


def chunks(path: str, *sizes: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for size in sizes)


@pytest.mark.parametrize("path", ["/api/polling/stop-all", "/api/polling/groups/nobody/stop", "/healthz"])
def test_a_body_in_chunks_has_the_same_limit(served: Served, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "LINGER_SECONDS", 0.01)
    body = chunks(path, *[1024] * 17)  # it has no end: nobody may wait for one
    with closing(connected(served.port, first=body)) as one, one.makefile("rb") as answers:
        text = answers.read()
    assert text.startswith(b"HTTP/1.1 413 ")
    assert text.count(b"HTTP/1.1 ") == 1
    assert served.agent.polling.calls == []


def test_who_still_sends_a_body_that_is_too_large_reads_the_answer(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "LINGER_SECONDS", PATIENCE_SECONDS)
    part = b"x" * 100_000
    head = b"POST /api/polling/stop-all HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 300000\r\n\r\n"
    with closing(connected(served.port, first=head + part)) as one, one.makefile("rb") as answers:
        assert one.recv(1, socket.MSG_PEEK), "it is answered before it is whole"
        one.sendall(part)
        one.sendall(part)
        text = answers.read()
    assert text.startswith(b"HTTP/1.1 413 ")
    assert text.count(b"HTTP/1.1 ") == 1
    assert served.agent.polling.calls == []


def test_a_body_in_chunks_that_do_not_end_has_no_more_time_for_being_in_chunks(strict: Served) -> None:
    first = chunks("/api/polling/stop-all", 1)
    with closing(connected(strict.port, first=first)) as client, suppress(ConnectionError):
        client.settimeout(0.01)
        for _ in range(int(PATIENCE_SECONDS / 0.01)):
            client.sendall(b"1\r\nx\r\n")
            with suppress(TimeoutError):
                if not client.recv(1):
                    break
        else:
            pytest.fail("it went on for ever")
    assert strict.agent.polling.calls == [], "nothing is done before the request is whole"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/live", "/", "/assets/dom.js"])
def test_head_is_answered_as_get_without_the_body(served: Served, path: str) -> None:
    get = served.client.get(path)
    with closing(connected(served.port)) as one:
        one.sendall(f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        with one.makefile("rb") as answers:
            head, _, body = answers.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""
    assert f"content-type: {get.headers['content-type']}".encode() in head


def test_head_changes_nothing(served: Served) -> None:
    assert served.client.request("HEAD", "/api/polling/stop-all").status == 405
    assert served.agent.polling.calls == []


def test_an_answer_is_not_held_back_until_its_head_is_acknowledged() -> None:
    at_once: list[int] = []

    class Accepted(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted = transport.get_extra_info("socket")
            at_once.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def accept_one(listening: socket.socket) -> None:
        acceptor = Acceptor(listening, Places(Limits()), lambda _: Accepted(), Log("http_monitor"))
        running = asyncio.create_task(acceptor.run())
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        await reader.read()
        writer.close()
        running.cancel()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        asyncio.run(asyncio.wait_for(accept_one(listening), PATIENCE_SECONDS))
    assert at_once == [1]
