"""Guard: stands before every path, as ASGI middleware: access, sub-path, body limit, security headers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_core.api import Log
from http_monitor.door.access_policy import AccessPolicy, AccessRequest, shown
from http_monitor.door.proxies import Proxies
from http_monitor.door.refusal import Refusal

MAX_BODY_BYTES: Final = 16 * 1024
"""No path takes a body worth mentioning."""
TOO_LARGE: Final = Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
LINGER_BYTES: Final = 1024 * 1024
LINGER_SECONDS: Final = 1.0
"""How much of a body that is too large is read after the answer, and for how long. A connection that is closed with
unread data is reset, and a proxy that is still sending makes a 502 of an answer that it has not read by then."""

VISITOR: Final = "visitor"
"""Where the scope's ``state`` has who asks."""

_POLICY: Final = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Guard:
    """Wraps the application. Refusals are logged as often as ``log`` lets one line through."""

    def __init__(self, app: ASGIApp, access: AccessPolicy, proxies: Proxies, log: Log) -> None:
        self._app = app
        self._access = access
        self._proxies = proxies
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = self._request(scope)
        judged = _ambiguous(request) or self._access.judge(request)
        if not isinstance(judged, Refusal) and _declared_length(request) > MAX_BODY_BYTES:
            judged = TOO_LARGE
        if isinstance(judged, Refusal):
            self._note(request, judged)
            linger = judged is TOO_LARGE and scope["type"] == "http"
            await (_answer_and_linger if linger else judged.answer)(scope, receive, send)
            return
        if not request.path:  # the page's own links are relative to its folder
            await RedirectResponse(f"{request.seen.prefix}/", 308)(scope, receive, send)
            return
        inside = {**scope, "path": request.path, "state": {**scope.get("state", {}), VISITOR: judged}}
        if scope["type"] == "websocket":
            await self._app(inside, receive, send)
            return
        if scope["method"] == "HEAD":  # answered as GET: the server knows what was asked, and sends no body
            inside["method"] = "GET"
        if _has_body(request):
            if not await _read_within_limit(receive):
                self._note(request, TOO_LARGE)
                await _answer_and_linger(scope, receive, send)
                return
            receive = _already_read(receive)
        await self._app(inside, receive, _with_headers(send))

    def _request(self, scope: Scope) -> AccessRequest:
        headers: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        client = scope.get("client")
        seen = self._proxies.seen(client[0] if client else "?", scope.get("scheme", "http"), headers)
        return AccessRequest(
            method=scope.get("method", "GET"),
            path=_below(seen.prefix, scope["path"]),
            headers=headers,
            seen=seen,
            subprotocols=tuple(scope.get("subprotocols", ())),
            websocket=scope["type"] == "websocket",
        )

    def _note(self, request: AccessRequest, refusal: Refusal) -> None:
        self._log.warning(
            "request refused",
            client=request.seen.client,
            method=request.method[:20],
            path=shown(request.path),
            status=refusal.status,
            reason=refusal.message,
            every="refused",
        )


def _below(prefix: str, path: str) -> str:
    """The monitor's own path, whether the proxy has taken the prefix away or not. Empty for the prefix alone."""
    below = path.removeprefix(prefix)
    return below if below != path and (not below or below.startswith("/")) else path


def _ambiguous(request: AccessRequest) -> Refusal | None:
    """A proxy that believes the other header takes the rest of this request for somebody else's (RFC 9112, 6.1)."""
    if "content-length" in request.headers and "transfer-encoding" in request.headers:
        return Refusal(400, "Content-Length and Transfer-Encoding exclude each other")
    return None


def _declared_length(request: AccessRequest) -> int:
    text = request.headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        return 0  # the server's parser refuses it
    return int(text) if len(text) < 19 else MAX_BODY_BYTES + 1


def _has_body(request: AccessRequest) -> bool:
    return "transfer-encoding" in request.headers or _declared_length(request) > 0


async def _read_within_limit(receive: Receive, limit_bytes: int = MAX_BODY_BYTES) -> bool:
    """Takes in the body, which no path uses. False as soon as it is larger than allowed."""
    received, more = 0, True
    while more:
        message = await receive()  # the outer Pace bounds the time
        received += len(message.get("body", b""))
        if received > limit_bytes:
            return False
        more = message["type"] == "http.request" and message.get("more_body", False)
    return True


async def _answer_and_linger(scope: Scope, receive: Receive, send: Send) -> None:
    """Say that the body is too large, then give its sender the time to read that."""

    async def all_but_the_end(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await TOO_LARGE.answer(scope, receive, all_but_the_end)
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            await _read_within_limit(receive, LINGER_BYTES)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _already_read(receive: Receive) -> Receive:
    """As ``receive`` of a request without a body."""
    unread: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]

    async def nothing_first() -> Message:
        return unread.pop() if unread else await receive()

    return nothing_first


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_missing(message.get("headers", ()))]}
        await send(message)

    return with_headers


def _missing(present: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in present}
    extra = [header for header in _HEADERS if header[0] not in names]
    if b"cache-control" not in names:
        extra.append((b"cache-control", b"no-store"))
    return extra
