"""MonitorClient against servers that are not, or not only, a monitor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agent_core.cli.monitor import client as module
from agent_core.cli.monitor.client import MonitorClient, MonitorRefused, MonitorUnreachable

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The URL of a server that answers every GET with ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # the client has left
                answer(self)

        def log_message(self, *_: object) -> None:
            """Nothing: the log of a test is the agent's."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as found:
        threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{found.server_port}"
        finally:
            found.shutdown()


def body(text: bytes, code: int = 200) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return answer


def test_the_token_goes_to_no_host_that_was_not_asked_for() -> None:
    seen: list[str | None] = []

    def other(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        body(b"{}")(handler)

    with server(other) as elsewhere:

        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("Location", f"{elsewhere}/api/live")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        with (
            server(redirect) as url,
            pytest.raises(MonitorRefused, match=f"redirects to {elsewhere}/api/live; give that address with --url"),
        ):
            MonitorClient(url, "a token of some length").get("/api/live")
    assert seen == []


def test_nothing_in_an_answer_is_obeyed_by_a_terminal() -> None:
    with server(body(rb'{"name": "\u001b[2Jline\n1", "tags": ["\u0007"], "\u001b": 1}')) as url:
        assert MonitorClient(url).get("/") == {"name": r"\x1b[2Jline\n1", "tags": [r"\x07"], r"\x1b": 1}
    with (
        server(body(rb'{"detail": "\u001b[2J no"}', 403)) as url,
        pytest.raises(MonitorRefused, match=r"\\x1b\[2J no$"),
    ):
        MonitorClient(url).get("/")


def test_an_answer_without_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_ANSWER_BYTES", 1024 * 1024)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b"x" * 65536)

    with server(endless) as url, pytest.raises(MonitorUnreachable, match="the answer is larger than 1 MiB"):
        MonitorClient(url).get("/")


def test_an_answer_that_trickles_is_given_up() -> None:
    gone = threading.Event()

    def trickle(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not gone.wait(0.02):
            handler.wfile.write(b" ")

    with server(trickle) as url:
        try:
            with pytest.raises(MonitorUnreachable, match=r"the answer does not end|did not answer within"):
                MonitorClient(url, seconds=0.3).get("/")
        finally:
            gone.set()


def test_headers_that_come_letter_by_letter_end_at_the_limit() -> None:
    enough = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000:
            handler.wfile.write(bytes([letter]))
            if enough.wait(0.05):
                return

    with server(drip) as url:
        try:
            with pytest.raises(MonitorUnreachable, match=r"did not answer within 0\.3 s"):
                MonitorClient(url).at_most(0.3).get("/api/live")
        finally:
            enough.set()
