"""Refusal: why a request is not done, and the answer that says so."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and why; ``retry_after_seconds`` when it may be otherwise later."""

    status: int
    message: str
    retry_after_seconds: int | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, also to whoever wanted a WebSocket: uvicorn answers those over HTTP, too."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        headers["Cache-Control"] = "no-store"
        if self.retry_after_seconds is not None:
            headers["Retry-After"] = str(self.retry_after_seconds)
        if self.status in (400, 413):
            headers["Connection"] = "close"  # what follows is not read: the rest of a body, or nobody knows what
        await JSONResponse({"detail": self.message}, self.status, headers)(scope, receive, send)
