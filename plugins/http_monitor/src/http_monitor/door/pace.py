"""Pace: what a client takes its time with has a deadline; ASGI middleware, the outermost."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from http_monitor.door.places import Place
from http_monitor.door.refusal import Refusal

PLACE: Final = "place"
"""Where the scope's ``state`` has the connection's Place."""
PROBES: Final = ("/healthz", "/readyz", "/metrics")
"""Answered even when every place that others may use is taken."""
BUSY: Final = Refusal(503, "too many requests at once; try again", retry_after_seconds=1)


class Pace:
    """Tells the connection's place when it is worked for. The place hangs up when a deadline passes."""

    def __init__(self, app: ASGIApp, transfer_seconds: float) -> None:
        self._app = app
        self._transfer_seconds = transfer_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        place = scope.get("state", {}).get(PLACE)
        if not isinstance(place, Place):
            await self._app(scope, receive, send)
            return
        if not place.work(probe=scope["path"].endswith(PROBES)):  # a sub-path may be in front
            await BUSY.answer(scope, receive, send)
            return
        try:
            await self._app(scope, self._receiving(place, scope, receive), self._sending(place, send))
        finally:
            place.wait()

    def _receiving(self, place: Place, scope: Scope, receive: Receive) -> Receive:
        """The body as a whole has the time; what comes behind it (that the client has gone) may take any."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._transfer_seconds
        complete = scope["type"] != "http"

        async def timed() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            with place.deadline(end - loop.time()):
                message = await receive()
            complete = not message.get("more_body", False)
            return message

        return timed

    def _sending(self, place: Place, send: Send) -> Send:
        """Each piece of the answer has the time."""

        async def timed(message: Message) -> None:
            with place.deadline(self._transfer_seconds):
                await send(message)

        return timed
