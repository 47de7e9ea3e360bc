"""WebSocketClient: a WebSocket as a browser opens it, on a plain socket."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, RejectConnection, Request, TextMessage

SECONDS = 60.0


class WebSocketRefused(Exception):
    """The handshake was answered with ``status``."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class WebSocketClient:
    """Connects when made; raises WebSocketRefused. ``subprotocol`` is the one that the server picked."""

    def __init__(
        self,
        port: int,
        path: str,
        subprotocols: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        self._connection = WSConnection(ConnectionType.CLIENT)
        extra = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
        request = Request(f"{host}:{port}", path, subprotocols=list(subprotocols), extra_headers=extra)
        self._socket.sendall(self._connection.send(request))
        self._pieces: list[str] = []
        self._messages: list[str] = []
        self.closed_with: int | None = None
        self.subprotocol: str | None = None
        try:
            self._handshake()
        except BaseException:
            self.close()
            raise

    def receive(self) -> Any:
        """The next message, as JSON. Raises EOFError when the server has closed, TimeoutError after 10 s."""
        while not self._messages:
            if self.closed_with is not None:
                raise EOFError(f"closed with {self.closed_with}")
            self._read()
        return json.loads(self._messages.pop(0))

    def send(self, text: str) -> None:
        self._socket.sendall(self._connection.send(TextMessage(text)))

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _handshake(self) -> None:
        accepted = False
        while not accepted:
            for event in self._events():
                if isinstance(event, RejectConnection):
                    raise WebSocketRefused(event.status_code)
                if isinstance(event, AcceptConnection):
                    accepted, self.subprotocol = True, event.subprotocol

    def _read(self) -> None:
        for event in self._events():
            if isinstance(event, TextMessage):
                self._pieces.append(event.data)
                if event.message_finished:
                    self._messages.append("".join(self._pieces))
                    self._pieces.clear()
            elif isinstance(event, CloseConnection):
                self.closed_with = event.code

    def _events(self) -> list[object]:
        data = self._socket.recv(65536)
        self._connection.receive_data(data or None)
        return list(self._connection.events())
