"""Guard: stands before every path, as ASGI middleware: access, body limit, security headers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent_core.api import Log
from http_monitor.door.access_policy import AccessPolicy, AccessRequest, Refusal, shown

MAX_BODY_BYTES: Final = 16 * 1024
"""No path takes a body worth mentioning."""

_POLICY: Final = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class BodyTooLarge(Exception):
    """The body went on beyond the limit."""


class Guard:
    """Wraps the application. Refusals are logged as often as ``log`` lets one line through."""

    def __init__(self, app: ASGIApp, access: AccessPolicy, log: Log) -> None:
        self._app = app
        self._access = access
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        request = _request(scope)
        refusal = self._access.refusal(request)
        if refusal is None and _declared_length(request) > MAX_BODY_BYTES:
            refusal = Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
        if refusal is not None:
            self._note(scope, request, refusal)
            await _refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        await self._pass_on(scope, receive, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, started = 0, False

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise BodyTooLarge
            return message

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": [*message.get("headers", ()), *_missing(message.get("headers", ()))]}
            await send(message)

        try:
            await self._app(scope, limited, with_headers)
        except BodyTooLarge:
            if started:
                raise
            refusal = Refusal(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
            await _refuse(refusal, scope, receive, send)

    def _note(self, scope: Scope, request: AccessRequest, refusal: Refusal) -> None:
        client = scope.get("client")
        self._log.warning(
            "request refused",
            client=client[0] if client else "?",
            method=request.method,
            path=shown(request.path),
            status=refusal.status,
            reason=refusal.message,
            every="refused",
        )


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    headers["Cache-Control"] = "no-store"
    if refusal.status == 413:
        headers["Connection"] = "close"  # what is left of the body is not read
    response = JSONResponse({"detail": refusal.message}, refusal.status, headers)
    if scope["type"] == "websocket":
        if "websocket.http.response" in scope.get("extensions", {}):
            await response(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": refusal.message})
        return
    await response(scope, receive, send)


def _request(scope: Scope) -> AccessRequest:
    return AccessRequest(
        method=scope.get("method", "GET"),
        path=scope["path"],
        headers={name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        subprotocols=tuple(scope.get("subprotocols", ())),
        websocket=scope["type"] == "websocket",
    )


def _declared_length(request: AccessRequest) -> int:
    text = request.headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        return 0  # the server's parser refuses it
    return int(text) if len(text) < 19 else MAX_BODY_BYTES + 1


def _missing(present: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in present}
    extra = [header for header in _HEADERS if header[0] not in names]
    if b"cache-control" not in names:
        extra.append((b"cache-control", b"no-store"))
    return extra
