"""Taking the port and giving it back."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvicorn
from http_monitor.config import HttpMonitorConfig, NamedToken, Protect, Role, Tls
from http_monitor.diagnosis import diagnose
from http_monitor.door.listen_address import ListenAddress
from http_monitor.extension import HttpMonitor
from monitored.http_client import HttpClient
from monitored.running import MakeServed, Served
from monitored.web_socket import WebSocketClient
from pytest_mock import MockerFixture

from agent_core.api import AgentError, ComponentContext, ConfigError, Secret, Severity


def monitor(folder: Path, listen: str) -> HttpMonitor:
    context = ComponentContext("http_monitor", "line-1", folder, "http_monitor")
    return HttpMonitor(HttpMonitorConfig(listen, None, Protect.CHANGES, ()), context)


def test_a_port_in_use_is_a_clear_error_at_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        listen = f"127.0.0.1:{other.getsockname()[1]}"
        wanted = monitor(tmp_path, listen)
        with pytest.raises(AgentError, match=f"cannot listen on {listen}: address already in use; .*change listen:"):
            wanted.open()
        wanted.close()


def test_the_doctor_says_whether_the_port_can_be_had_and_who_has_it(
    make_served: MakeServed, certificate: Tls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("http_monitor.diagnosis.ASK_SECONDS", 0.2)

    def said(port: int, *, name: str = "line-1", tls: bool = False) -> tuple[str, str]:
        (finding,) = diagnose(ListenAddress("127.0.0.1", port), name, tls=tls)
        assert finding.subject == f"port 127.0.0.1:{port}"
        assert (finding.next_step is None) == (finding.severity is Severity.OK)
        return str(finding.severity), finding.message

    own, closed = make_served(), make_served(protect=Protect.EVERYTHING, token="0123456789abcdef")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert said(silent.getsockname()[1]) == ("critical", "another program uses it")
    assert [finding.message for finding in monitor(tmp_path, "127.0.0.1:0").diagnose()] == ["free"]
    monkeypatch.setattr("http_monitor.diagnosis.ASK_SECONDS", 60.0)
    assert said(own.port) == ("ok", "this agent runs now and answers there")
    assert said(own.port, name="line-2") == ("critical", "another agent uses it: 'line-1'")
    severity, message = said(closed.port)
    assert (severity, message.partition(",")[0]) == ("warning", "the monitor of an agent answers there")
    assert said(make_served(tls=certificate).port, tls=True) == ("ok", "this agent runs now and answers there")
    (elsewhere,) = diagnose(ListenAddress("192.0.2.1", 8080), "line-1", tls=False)
    assert (elsewhere.severity, elsewhere.next_step) == (Severity.CRITICAL, "change listen:")


def test_an_open_to_other_machines_without_a_token_is_refused_even_without_the_check(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a token is required"):
        monitor(tmp_path, "0.0.0.0:0").open()


def test_closing_is_safe_without_opening_and_twice(tmp_path: Path) -> None:
    wanted = monitor(tmp_path, "127.0.0.1:0")
    wanted.close()
    wanted.open()
    wanted.close()
    wanted.close()


def test_the_port_is_free_again_after_closing(tmp_path: Path) -> None:
    first = monitor(tmp_path, "127.0.0.1:0")
    first.open()
    port = first.address.port
    assert HttpClient(port).get("/healthz").status == 200
    first.close()
    second = monitor(tmp_path, f"127.0.0.1:{port}")
    second.open()
    assert HttpClient(port).get("/healthz").status == 200
    second.close()


def test_opening_again_after_it_failed_works(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        wanted = monitor(tmp_path, f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(AgentError):
            wanted.open()
    wanted.open()
    wanted.close()


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    wanted = monitor(tmp_path, "127.0.0.1:0")
    wanted.open()
    HttpClient(wanted.address.port).get("/healthz")
    wanted.close()
    assert [thread.name for thread in threading.enumerate() if thread.name == "http_monitor"] == []


def test_the_address_is_logged_with_the_real_port(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "http_monitor")
    wanted = monitor(tmp_path, "127.0.0.1:0")
    wanted.open()
    assert f"dashboard opened: url=http://127.0.0.1:{wanted.address.port}/ token_protects=nothing" in caplog.text
    wanted.close()


@pytest.mark.parametrize(
    ("text", "host", "port", "url"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080, "http://127.0.0.1:8080/"),
        ("[::1]:80", "::1", 80, "http://[::1]:80/"),
        ("0.0.0.0:9", "0.0.0.0", 9, "http://127.0.0.1:9/"),
        ("plant-server:8080", "plant-server", 8080, "http://plant-server:8080/"),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int, url: str) -> None:
    address = ListenAddress.parse(text)
    assert (address.host, address.port, address.url, str(address)) == (host, port, url, text)


def test_many_requests_that_are_no_http_disturb_nobody(served: Served) -> None:
    for garbage in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/9.9\r\n\r\n", b"A" * 40_000, b"\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port), 60) as raw:
            raw.sendall(garbage)
    assert served.client.get("/healthz").status == 200


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("http_monitor.door.server.RESTART_SECONDS", 0.02)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60.0
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def answers(port: int) -> bool:
    try:
        return HttpClient(port).get("/healthz").status == 200
    except OSError:
        return False


def gone(client: WebSocketClient) -> bool:
    try:
        client.receive()
    except (EOFError, OSError):
        return True
    return False


def test_a_token_is_changed_while_the_agent_runs(make_served: MakeServed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("http_monitor.door.tokens.READ_SECONDS", 0.01)
    current = ["first-token-of-kim"]
    served = make_served(tokens=(NamedToken("kim", Secret(lambda: current[0]), Role.OPERATE),))

    def status(token: str) -> int:
        return served.client.post("/api/polling/stop-all", Authorization=f"Bearer {token}").status

    assert status("first-token-of-kim") == 200
    current[0] = "second-token-of-kim"
    until(lambda: status("first-token-of-kim") == 401)
    assert status("second-token-of-kim") == 200


@pytest.mark.usefixtures("impatient")
@pytest.mark.provokes("http server failed")
def test_a_server_that_ended_by_itself_is_started_again_with_all_that_it_does(
    make_served: MakeServed, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    served, on_tick, faults = make_served(), uvicorn.Server.on_tick, [OSError("no buffer space available")]

    async def failing(server: uvicorn.Server, counter: int) -> bool:
        if faults:
            raise faults.pop()
        return await on_tick(server, counter)

    with WebSocketClient(served.port, "/ws/polling") as before:
        before.receive()
        mocker.patch.object(uvicorn.Server, "on_tick", failing)
        until(lambda: gone(before))
    until(lambda: answers(served.port))
    with WebSocketClient(served.port, "/ws/polling") as after:
        assert [after.receive()["name"] for _ in range(3)] == ["line-1"] * 3, "and it pushes on"
    assert [record.levelname for record in caplog.records if "http server failed" in record.message] == ["ERROR"]


@pytest.mark.usefixtures("impatient")
def test_a_listening_socket_that_was_closed_is_bound_again_once_the_port_is_free(
    make_served: MakeServed, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    bound = mocker.spy(socket, "create_server")
    served = make_served()
    listening = bound.spy_return
    listening.close()  # as asyncio does on Windows when accepting failed
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", served.port))
        other.listen()
        until(lambda: bound.call_count > 3)
        assert served.monitor.address.port == served.port
    until(lambda: answers(served.port))
    assert caplog.text.count("http server failed") == 1, "one line a minute"
