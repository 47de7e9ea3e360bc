"""Behind a reverse proxy, over real sockets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from http_monitor.config import NamedToken, Role
from monitored.http_client import HttpClient
from monitored.proxy import ReverseProxy
from monitored.running import MakeServed, Served
from monitored.web_socket import WebSocketClient

from agent_core.api import Secret

TOKEN = "kim's own long token"
KIM = NamedToken("kim", Secret(lambda: TOKEN), Role.OPERATE)
BEARER = {"Authorization": f"Bearer {TOKEN}"}
STOP_ALL = "/line-1/api/polling/stop-all"


@pytest.fixture
def documented(make_served: MakeServed) -> Served:
    """As README.md and deploy/README.md show it."""
    return make_served(tokens=(KIM,), allowed_hosts=("127.0.0.1",), trusted_proxies=("127.0.0.1",))


@pytest.fixture(params=[False, True], ids=["prefix taken away", "prefix passed on"])
def proxied(documented: Served, request: pytest.FixtureRequest) -> Iterator[HttpClient]:
    with ReverseProxy(documented.port, "/line-1", keeps_prefix=request.param) as proxy:
        yield HttpClient(proxy.port)


def test_nobody_stops_the_agent_through_a_proxy_without_a_token(proxied: HttpClient, documented: Served) -> None:
    assert proxied.post(STOP_ALL).status == 401
    assert proxied.get("/line-1/api/live").status == 401
    assert documented.agent.polling.calls == []
    assert proxied.request("POST", STOP_ALL, BEARER).status == 200


def test_the_page_its_files_and_its_calls_work_under_a_path(proxied: HttpClient, documented: Served) -> None:
    page = proxied.get("/line-1/")
    assert page.status == 200
    assert 'src="assets/dashboard.js"' in page.text, "relative to the page's own folder"
    assert proxied.get("/line-1/assets/dashboard.js").status == 200
    assert proxied.get("/line-1/healthz").status == 200
    assert proxied.get("/line-1/api/live", **BEARER).status == 200
    origin = {"Origin": f"http://127.0.0.1:{proxied.port}", "Sec-Fetch-Site": "same-origin"}
    assert proxied.request("POST", STOP_ALL, BEARER | origin).status == 200
    elsewhere = {"Origin": f"http://127.0.0.1:{documented.port}"}
    assert proxied.request("POST", STOP_ALL, BEARER | elsewhere).status == 403


def test_the_log_names_the_token_and_the_client_behind_the_proxy(
    proxied: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "http_monitor")
    proxied.request("POST", STOP_ALL, BEARER)
    assert "action=stop_all target=all by=kim client=192.0.2.7 note=- outcome=done" in caplog.text


def test_a_live_socket_passes_a_proxy(documented: Served) -> None:
    with (
        ReverseProxy(documented.port, "/line-1") as proxy,
        WebSocketClient(proxy.port, "/line-1/ws/polling", headers=BEARER) as live,
    ):
        assert live.receive()["name"] == "line-1"


def test_a_proxy_that_nobody_configured_gets_nothing_to_change_or_read(served: Served) -> None:
    with ReverseProxy(served.port) as proxy:
        client = HttpClient(proxy.port)
        assert client.post("/api/polling/stop-all").status == 403
        assert client.get("/api/live").status == 403
        assert client.get("/healthz").status == 200
    assert served.agent.polling.calls == []
    assert served.client.post("/api/polling/stop-all").status == 200, "this machine itself may, as before"


def test_the_path_alone_leads_to_the_page(make_served: MakeServed) -> None:
    served = make_served(tokens=(KIM,), root_path="/line-1")
    answer = served.client.get("/line-1")
    assert (answer.status, answer.headers["location"]) == (308, "/line-1/")
    assert served.client.get("/line-1/api/live", **BEARER).status == 200
    assert served.client.get("/line-10/api/live", **BEARER).status == 404
    assert served.client.get("/api/live/", **BEARER).status == 404, "no redirect to an address of the proxy's own"
