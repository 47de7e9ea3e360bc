"""ReverseProxy: shows a monitor under a path of its own, as nginx and its like do."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

SECONDS = 60.0


class ReverseProxy:
    """One request a connection; a WebSocket is passed on both ways until either side ends.

    ``prefix`` is where browsers find the monitor; ``keeps_prefix`` passes it on, otherwise it is taken away. ``tells``
    adds ``X-Forwarded-*``.
    """

    def __init__(self, upstream: int, prefix: str = "", *, keeps_prefix: bool = False, tells: bool = True) -> None:
        self._upstream = upstream
        self._prefix = prefix
        self._keeps_prefix = keeps_prefix
        self._tells = tells
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(SECONDS)
            data = b""
            while b"\r\n\r\n" not in data:
                piece = client.recv(65536)
                if not piece:
                    return
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            with socket.create_connection(("127.0.0.1", self._upstream), SECONDS) as upstream:
                upstream.sendall(self._rewritten(head.decode("latin-1")) + body)
                back = threading.Thread(target=_pipe, args=(client, upstream), daemon=True)
                back.start()
                _pipe(upstream, client)

    def _rewritten(self, head: str) -> bytes:
        first, *lines = head.split("\r\n")
        method, path, version = first.split(" ")
        if not self._keeps_prefix:
            path = path.removeprefix(self._prefix) or "/"
        headers = dict(line.split(": ", 1) for line in lines)
        if self._tells:
            headers |= {"X-Forwarded-Host": headers.get("Host", ""), "X-Forwarded-Proto": "http"}
            headers |= {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Prefix": self._prefix}
        headers["Host"] = f"127.0.0.1:{self._upstream}"
        if "Upgrade" not in headers:
            headers["Connection"] = "close"
        fields = [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([f"{method} {path} {version}", *fields, "", ""]).encode("latin-1")


def _pipe(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)
