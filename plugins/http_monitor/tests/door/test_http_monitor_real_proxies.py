"""Behind nginx and Caddy themselves, with the files of deploy/ as they are shipped."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from http_monitor.config import NamedToken, Role, Tls
from monitored.certificates import make_certificate
from monitored.http_client import SECONDS, Response
from monitored.running import MakeServed, Served
from monitored.web_socket import WebSocketClient

from agent_core.api import Secret
from agent_core.testing.suite.patience import PATIENCE_SECONDS

DEPLOY = Path(__file__).parents[4] / "deploy"
HOST = "monitor.plant"
KIM = NamedToken("kim", Secret(lambda: "kim's own long token"), Role.OPERATE)
BEARER = {"Authorization": "Bearer kim's own long token"}
STOP_ALL = "/line-1/api/polling/stop-all"


@dataclass
class Proxied:
    """Two monitors behind one proxy, which speaks TLS as ``monitor.plant`` on ``port``."""

    port: int
    trusting: ssl.SSLContext
    line_1: Served
    line_2: Served

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: object = None) -> Response:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=self.trusting)
        connection.sock = self._connected()
        try:
            connection.request(method, path, body, {"Host": f"{HOST}:{self.port}", **(headers or {})})  # type: ignore[arg-type]
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def _connected(self) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), SECONDS)
        return self.trusting.wrap_socket(plain, server_hostname=HOST)

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/line-1/healthz").status == 200
        except OSError:
            return False


def nginx(folder: Path, port: int, tls: Tls) -> list[str]:
    shipped = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    shipped = shipped.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    shipped = shipped.replace("/etc/nginx/monitor.plant.pem", str(tls.certificate))
    shipped = shipped.replace("/etc/nginx/monitor.plant.key", str(tls.key))
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary}\n{shipped}\n}}\n",
        encoding="utf-8",
    )
    return ["nginx", "-p", str(folder), "-c", "nginx.conf"]


def caddy(folder: Path, port: int, tls: Tls) -> list[str]:
    shipped = (DEPLOY / "Caddyfile").read_text(encoding="utf-8")
    site = (
        f"{{\n\tadmin off\n\tauto_https off\n}}\n{HOST}:{port} {{\n\tbind 127.0.0.1\n\ttls {tls.certificate} {tls.key}"
    )
    (folder / "Caddyfile").write_text(shipped.replace(f"{HOST} {{", site), encoding="utf-8")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def proxied(request: pytest.FixtureRequest, make_served: MakeServed, tmp_path: Path) -> Iterator[Proxied]:
    command_of = request.param
    if not DEPLOY.is_dir():
        pytest.skip("the files of deploy/ are in the repository only")
    if shutil.which(command_of.__name__) is None:
        pytest.skip(f"{command_of.__name__} is not here")
    lines = [make_served(tokens=(KIM,), allowed_hosts=(HOST,), trusted_proxies=("127.0.0.1",)) for _ in range(2)]
    tls, port = make_certificate(tmp_path, host=HOST), free_port()
    command = command_of(tmp_path, port, tls)
    written = tmp_path / command[-1] if command[-1] == "nginx.conf" else Path(command[-1])
    text = written.read_text(encoding="utf-8")
    for upstream, line in (("127.0.0.1:8081", lines[0]), ("127.0.0.1:8082", lines[1])):
        assert upstream in text
        text = text.replace(upstream, f"127.0.0.1:{line.port}")
    written.write_text(text, encoding="utf-8")
    with (tmp_path / "proxy.log").open("wb") as log:
        home = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **home})
    try:
        found = Proxied(port, ssl.create_default_context(cafile=tls.certificate), *lines)
        end = time.monotonic() + PATIENCE_SECONDS
        while process.poll() is None and not found.answers() and time.monotonic() < end:
            time.sleep(0.02)
        assert process.poll() is None, (tmp_path / "proxy.log").read_text(encoding="utf-8")
        yield found
    finally:
        process.terminate()
        process.wait(SECONDS)


def test_all_that_the_monitor_does_works_behind_the_proxy(proxied: Proxied, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "http_monitor")
    origin = {"Origin": f"https://{HOST}:{proxied.port}", "Sec-Fetch-Site": "same-origin"}
    forged = {
        "X-Forwarded-For": "198.51.100.9",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Proto": "http",
        "Forwarded": "for=198.51.100.9;host=evil.example",
    }
    calls = proxied.line_1.agent.polling.calls

    page = proxied.ask("GET", "/line-1/")
    assert (page.status, 'src="assets/dashboard.js"' in page.text) == (200, True)
    assert proxied.ask("GET", "/line-1/assets/dashboard.js").status == 200
    alone = proxied.ask("GET", "/line-1")
    assert alone.status in (301, 302, 308)
    assert alone.headers["location"] in ("/line-1/", f"https://{HOST}:{proxied.port}/line-1/")
    assert proxied.ask("HEAD", "/line-1/healthz").status == 200

    assert proxied.ask("GET", "/line-1/api/live").status == 401
    assert proxied.ask("GET", "/line-1/api/live", BEARER | forged).status == 200
    assert proxied.ask("POST", STOP_ALL, origin).status == 401
    assert proxied.ask("POST", STOP_ALL, BEARER | {"Origin": "https://evil.example"}).status == 403
    assert proxied.ask("POST", STOP_ALL, BEARER | {"Origin": "https://evil.example"} | forged).status == 403
    assert proxied.ask("POST", STOP_ALL, BEARER, iter([b"x" * 1024] * 17)).status == 413, "in chunks"
    assert calls == []
    assert proxied.ask("POST", STOP_ALL, BEARER | origin | forged).status == 200
    assert calls == [("stop_all",)]
    assert proxied.line_2.agent.polling.calls == []
    assert proxied.ask("POST", "/line-2/api/polling/stop-all", BEARER | origin).status == 200
    assert proxied.line_2.agent.polling.calls == [("stop_all",)]
    assert "action=stop_all target=all by=kim client=127.0.0.1 note=- outcome=done" in caplog.text
    assert "198.51.100.9" not in caplog.text

    with WebSocketClient(
        proxied.port, "/line-1/ws/polling", headers=BEARER | origin, tls=proxied.trusting, host=HOST
    ) as live:
        assert [live.receive()["name"] for _ in range(2)] == ["line-1"] * 2
