"""HTTPS on the monitor's own port."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from http_monitor.config import Tls
from http_monitor.door.certificate import Certificate
from http_monitor.door.places import Limits
from monitored.certificates import make_certificate
from monitored.running import MakeServed, Served

from agent_core.api import ConfigError, Log
from agent_core.testing.suite.patience import PATIENCE_SECONDS

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
FOR_EVER = 10 * PATIENCE_SECONDS


def shaken(served: Served, trusted: Tls) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=trusted.certificate)
    plain = socket.create_connection(("127.0.0.1", served.port), PATIENCE_SECONDS)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def asked(served: Served, trusted: Tls) -> bytes:
    with shaken(served, trusted) as secure:
        secure.sendall(REQUEST)
        return secure.recv(12)


def test_it_answers_over_tls_and_not_without(make_served: MakeServed, certificate: Tls) -> None:
    served = make_served(tls=certificate)
    assert asked(served, certificate) == b"HTTP/1.1 200"
    with closing(socket.create_connection(("127.0.0.1", served.port), PATIENCE_SECONDS)) as plain:
        plain.sendall(REQUEST)
        with suppress(ConnectionError):
            assert not plain.recv(4096).startswith(b"HTTP/1.1 200")
    assert asked(served, certificate) == b"HTTP/1.1 200"


def test_the_address_that_is_logged_is_https(
    make_served: MakeServed, certificate: Tls, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "http_monitor")
    served = make_served(tls=certificate)
    assert f"dashboard opened: url=https://127.0.0.1:{served.port}/" in caplog.text


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not here")
def test_curl_reads_it_with_the_certificate_and_refuses_without(make_served: MakeServed, certificate: Tls) -> None:
    served = make_served(tls=certificate)
    url = f"https://127.0.0.1:{served.port}/healthz"
    trusting = subprocess.run(["curl", "-sS", "--cacert", certificate.certificate, url], capture_output=True)
    assert b'"status":"ok"' in trusting.stdout
    assert subprocess.run(["curl", "-sS", url], capture_output=True).returncode != 0


def test_whoever_does_not_shake_hands_makes_room_for_whoever_does(make_served: MakeServed, certificate: Tls) -> None:
    served = make_served(tls=certificate, limits=Limits(connections=16, request_seconds=FOR_EVER))
    with ExitStack() as stack:
        silent = [
            stack.enter_context(closing(socket.create_connection(("127.0.0.1", served.port), PATIENCE_SECONDS)))
            for _ in range(60)
        ]
        assert asked(served, certificate) == b"HTTP/1.1 200"
        with suppress(ConnectionError):
            assert silent[0].recv(1) == b""


def test_a_handshake_has_a_deadline(make_served: MakeServed, certificate: Tls) -> None:
    served = make_served(tls=certificate, limits=Limits(request_seconds=0.2))
    with (
        closing(socket.create_connection(("127.0.0.1", served.port), PATIENCE_SECONDS)) as silent,
        suppress(ConnectionError),
    ):
        assert silent.recv(1) == b""


def test_after_the_handshake_a_request_has_a_deadline(make_served: MakeServed, certificate: Tls) -> None:
    served = make_served(tls=certificate, limits=Limits(request_seconds=0.5))
    for _ in range(100):  # on a busy machine the handshake may be late as well
        try:
            silent = shaken(served, certificate)
        except OSError:
            continue
        with silent, suppress(ConnectionError, ssl.SSLError):
            assert silent.recv(1) == b""
        return
    pytest.fail("no handshake")


def test_renewed_files_are_taken_and_bad_ones_are_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    used, renewed = make_certificate(tmp_path, "used"), make_certificate(tmp_path, "renewed")
    certificate = Certificate(used, Log("http_monitor"), look_seconds=0.001)
    before = certificate.context()

    def put(content: bytes, file: Path) -> None:
        new = file.with_suffix(".new")
        new.write_bytes(content)
        new.replace(file)

    async def until(text: str) -> None:
        watching = asyncio.ensure_future(certificate.watch())
        async with asyncio.timeout(PATIENCE_SECONDS):
            while text not in caplog.text:
                await asyncio.sleep(0.001)
        watching.cancel()

    caplog.set_level("INFO", "http_monitor")
    put(b"half of a file", used.certificate)
    asyncio.run(until("certificate not renewed"))
    assert certificate.context() is before
    put(renewed.key.read_bytes(), used.key)
    put(renewed.certificate.read_bytes(), used.certificate)
    asyncio.run(until("certificate renewed"))
    assert certificate.context() is not before


def test_files_that_are_gone_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the certificate .*gone\.pem cannot be read: No such file"):
        Certificate(Tls(tmp_path / "gone.pem", tmp_path / "gone.key"), Log("http_monitor"))
