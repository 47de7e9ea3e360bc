"""Server: uvicorn on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from agent_core.api import AgentError
from http_monitor.address import Address

START_SECONDS: Final = 10.0
STOP_SECONDS: Final = 4.0
MAX_CONNECTIONS: Final = 200
"""More than any plant has browsers; what comes beyond is answered with 503 instead of piling up."""

Background = Callable[[], Awaitable[None]]


class Server:
    """Binds in ``start``, so that a port in use is an error there; answers until ``stop``.

    ``background`` runs in the server's loop beside it, from start to stop.
    """

    def __init__(self, app: ASGIApp, address: Address, background: Background, logger: logging.Logger) -> None:
        self._wanted = address
        self._background = background
        self._log = logger
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self._uvicorn = uvicorn.Server(
            uvicorn.Config(
                app,
                loop="asyncio",
                http="h11",
                ws="wsproto",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=1,
                h11_max_incomplete_event_size=16 * 1024,
                ws_max_size=4096,
                ws_ping_interval=20.0,
                ws_ping_timeout=20.0,
            )
        )

    @property
    def address(self) -> Address:
        """Where it really listens; differs from the wish when that had port 0."""
        if self._socket is None:
            return self._wanted
        return Address(self._wanted.host, self._socket.getsockname()[1])

    def start(self) -> None:
        """Take the port and answer. Raises AgentError when the port cannot be had."""
        self._socket = self._bind()
        self._thread = threading.Thread(target=self._run, name="http_monitor", daemon=True)
        self._thread.start()
        end = time.monotonic() + START_SECONDS
        while not self._uvicorn.started:
            if self._failure is not None or time.monotonic() > end:
                failure = self._failure
                self.stop()
                raise AgentError(f"http_monitor could not start: {failure or 'it took too long'}") from failure
            time.sleep(0.005)

    def stop(self) -> None:
        """Let go of the port. Safe without ``start``, and twice."""
        self._uvicorn.should_exit = True
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(STOP_SECONDS)
            if thread.is_alive():
                self._uvicorn.force_exit = True
                thread.join(1.0)
                self._log.warning("http server not ended in time: waited=%.3gs", STOP_SECONDS)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _bind(self) -> socket.socket:
        host, port = self._wanted.host, self._wanted.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            # create_server sets SO_REUSEADDR on POSIX alone: on Windows it would let two programs share the port.
            return socket.create_server((host, port), family=family, backlog=128)
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (while ")[0]
            raise AgentError(
                f"http_monitor cannot listen on {self._wanted}: {reason.lower()}; stop what uses the port, "
                "or change listen:"
            ) from error

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
            self._log.exception("http server ended by itself: address=%s", self._wanted)

    async def _serve(self) -> None:
        assert self._socket is not None
        beside = asyncio.ensure_future(self._background())
        try:
            await self._uvicorn.serve(sockets=[self._socket])
        finally:
            beside.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await beside
