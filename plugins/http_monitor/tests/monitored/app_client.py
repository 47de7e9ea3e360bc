"""AppClient: asks the application itself, without a server; as quick as a function call."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import unquote

from starlette.types import ASGIApp, Message

from monitored.http_client import HttpClient, Response


class AppClient(HttpClient):
    """An HttpClient whose requests reach ``app`` directly, from 127.0.0.1, each in an event loop of its own."""

    def __init__(self, app: ASGIApp, port: int = 8080) -> None:
        super().__init__(port)
        self._app = app

    def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Response:
        named = {"host": f"127.0.0.1:{self.port}"}
        named |= {name.replace("_", "-").lower(): value for name, value in (headers or {}).items()}
        if body is not None:
            named["content-length"] = str(len(body))
        plain, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(plain),
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", self.port),
        }
        sent: list[Message] = []

        unread = [body or b""]

        async def receive() -> Message:
            if not unread:
                await asyncio.Event().wait()  # a client that stays connected sends nothing more
            return {"type": "http.request", "body": unread.pop(), "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(self._app(scope, receive, send))  # type: ignore[arg-type]
        start = sent[0]
        found = {name.decode().lower(): value.decode() for name, value in start["headers"]}
        return Response(start["status"], found, b"".join(message.get("body", b"") for message in sent[1:]))
