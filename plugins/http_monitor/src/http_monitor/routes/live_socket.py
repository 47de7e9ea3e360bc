"""The WebSocket that pushes snapshots once a second."""

from __future__ import annotations

import asyncio
from typing import Final

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from http_monitor.answers.live import live
from http_monitor.door.access_policy import LIVE_PROTOCOL
from http_monitor.state.monitor_state import MonitorState

MAX_CLIENTS: Final = 50
SEND_TIMEOUT_SECONDS: Final = 10.0
"""A client that takes nothing for this long is let go: its snapshots must not pile up."""


class LiveSocket:
    """All of it runs in the server's loop. A snapshot is written out once for all clients."""

    def __init__(self, monitor: MonitorState) -> None:
        self._monitor = monitor
        self._clients = 0
        self._text = ""
        self._number = 0
        self._fresh = asyncio.Condition()

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_websocket_route("/ws/polling", self.serve)
        return router

    def begin(self) -> None:
        """A loop begins: from now on its tasks wait here. A condition belongs to the loop that first waited on it."""
        self._fresh = asyncio.Condition()

    async def publish(self) -> None:
        """Push a snapshot; called once a second."""
        if not self._clients or not self._monitor.running:
            return
        self._text = live(self._monitor, self._monitor.now()).model_dump_json()
        async with self._fresh:
            self._number += 1
            self._fresh.notify_all()

    async def serve(self, websocket: WebSocket) -> None:
        """Push until the client goes. What it sends is read and ignored."""
        offered = websocket.scope.get("subprotocols", ())
        await websocket.accept(subprotocol=LIVE_PROTOCOL if LIVE_PROTOCOL in offered else None)
        if self._clients >= MAX_CLIENTS:
            await websocket.close(1013, "too many clients")
            return
        self._clients += 1
        reader = asyncio.create_task(_until_gone(websocket))
        writer = asyncio.create_task(self._push(websocket))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._clients -= 1
            for task in (reader, writer):
                task.cancel()
            await asyncio.gather(reader, writer, return_exceptions=True)

    async def _push(self, websocket: WebSocket) -> None:
        if self._monitor.running:
            await websocket.send_text(live(self._monitor, self._monitor.now()).model_dump_json())
        seen = self._number
        try:
            while True:
                async with self._fresh:
                    while self._number == seen:
                        await self._fresh.wait()
                    seen, text = self._number, self._text
                await asyncio.wait_for(websocket.send_text(text), SEND_TIMEOUT_SECONDS)
        except (WebSocketDisconnect, RuntimeError, OSError, TimeoutError):
            return


async def _until_gone(websocket: WebSocket) -> None:
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
    except (WebSocketDisconnect, RuntimeError):
        return
