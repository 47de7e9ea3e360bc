"""The WebSocket: snapshots once a second, to those who may see them."""

from __future__ import annotations

import pytest
from http_monitor.config import Protect
from http_monitor.door.access_policy import to_protocol
from monitored.running import MakeServed, Served
from monitored.web_socket import WebSocketClient, WebSocketRefused

TOKEN = "0123456789abcdef"


def receive_all(socket: WebSocketClient) -> None:
    """Until the server closes."""
    while True:
        socket.receive()


def test_snapshots_come_by_themselves(served: Served) -> None:
    with WebSocketClient(served.port, "/ws/polling", ["agent-live"]) as socket:
        first, second = socket.receive(), socket.receive()
    assert socket.subprotocol == "agent-live"
    assert first["name"] == second["name"] == "line-1"
    assert first["groups"][0]["group_id"] == "PROCESS"
    assert first.keys() == served.client.get("/api/live").json().keys()


def test_several_clients_are_served_and_one_that_goes_disturbs_nobody(served: Served) -> None:
    first = WebSocketClient(served.port, "/ws/polling")
    with WebSocketClient(served.port, "/ws/polling") as second:
        first.receive()
        first.close()
        assert [second.receive()["name"] for _ in range(3)] == ["line-1"] * 3


def test_what_a_client_sends_is_ignored(served: Served) -> None:
    with WebSocketClient(served.port, "/ws/polling") as socket:
        socket.send("stop everything")
        socket.receive()
        socket.receive()
    assert served.agent.polling.calls == []


def test_a_long_message_closes_the_socket(served: Served) -> None:
    with WebSocketClient(served.port, "/ws/polling") as socket:
        socket.send("x" * 100_000)
        with pytest.raises((EOFError, ConnectionError)):
            receive_all(socket)
    assert served.client.get("/healthz").status == 200


def test_a_page_of_another_site_is_refused(served: Served) -> None:
    with pytest.raises(WebSocketRefused) as refused:
        WebSocketClient(served.port, "/ws/polling", headers={"Origin": "http://evil.example"})
    assert refused.value.status == 403


def test_where_everything_is_protected_the_token_comes_as_a_subprotocol(make_served: MakeServed) -> None:
    served = make_served(token=TOKEN, protect=Protect.EVERYTHING)
    for subprotocols in (["agent-live"], ["agent-live", to_protocol("wrong")]):
        with pytest.raises(WebSocketRefused) as refused:
            WebSocketClient(served.port, "/ws/polling", subprotocols)
        assert refused.value.status == 401
    with WebSocketClient(served.port, "/ws/polling", ["agent-live", to_protocol(TOKEN)]) as socket:
        assert socket.receive()["name"] == "line-1"
    assert socket.subprotocol == "agent-live", "the token is not sent back"


def test_before_the_start_a_socket_waits(make_served: MakeServed) -> None:
    served = make_served(started=False)
    with WebSocketClient(served.port, "/ws/polling") as socket:
        served.events.started(served.agent)
        assert socket.receive()["phase"] == "running"


def test_closing_the_monitor_closes_the_sockets_in_time(served: Served) -> None:
    with WebSocketClient(served.port, "/ws/polling") as socket:
        socket.receive()
        served.monitor.close()
        with pytest.raises((EOFError, ConnectionError)):
            receive_all(socket)
