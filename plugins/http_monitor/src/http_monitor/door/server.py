"""Server: uvicorn's HTTP on connections that the acceptor lets in, on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from agent_core.api import AgentError, Log
from http_monitor.door.acceptor import Acceptor
from http_monitor.door.certificate import Certificate
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.pace import PLACE, Pace
from http_monitor.door.places import Place, Places

START_SECONDS: Final = 10.0
RESTART_SECONDS: Final = 1.0
STOP_SECONDS: Final = 4.0

Background = Callable[[], Awaitable[None]]


class Server:
    """Binds in ``start``, so that a port in use is an error there; answers until ``stop``.

    If it ends before that, for whatever reason, it starts again after a pause. Each of ``background`` runs in the
    server's loop; it is cancelled with the loop and called again in the next one.
    """

    def __init__(
        self,
        app: ASGIApp,
        address: ListenAddress,
        background: Sequence[Background],
        log: Log,
        places: Places,
        certificate: Certificate | None = None,
    ) -> None:
        self._address = address
        self._background = background
        self._places = places
        self._certificate = certificate
        self._log = log
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._accepting: asyncio.Future[None] | None = None
        self._failure: BaseException | None = None
        self._stopping = threading.Event()
        self._config = uvicorn.Config(
            Pace(app, places.limits.transfer_seconds),
            loop="asyncio",
            http="h11",
            ws="wsproto",
            lifespan="off",
            log_config=None,
            log_level="error",  # a warning for each request that is no HTTP would let strangers fill the log
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=math.ceil(places.limits.request_seconds),
            timeout_graceful_shutdown=1,
            timeout_notify=0,
            callback_notify=self._see_whether_it_listens,
            h11_max_incomplete_event_size=16 * 1024,
            ws_max_size=4096,
            ws_ping_interval=20.0,
            ws_ping_timeout=20.0,
        )
        self._uvicorn = uvicorn.Server(self._config)

    @property
    def address(self) -> ListenAddress:
        """Where it really listens; differs from the configured address if that has port 0."""
        return self._address

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        plain = self._address.url
        return plain if self._certificate is None else plain.replace("http://", "https://", 1)

    def start(self) -> None:
        """Take the port and answer. Raises AgentError when the port cannot be had."""
        self._socket = self._address.bind()
        self._address = ListenAddress(self._address.host, self._socket.getsockname()[1])
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
        self._stopping.set()
        self._uvicorn.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._accept_no_more)
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(STOP_SECONDS)
            if thread.is_alive():
                self._uvicorn.force_exit = True
                thread.join(1.0)
                self._log.warning("http server not stopped in time", waited_seconds=STOP_SECONDS)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _run(self) -> None:
        """Serve until stopped: years of answers must not end with one fault."""
        while not self._stopping.is_set():
            try:
                asyncio.run(self._serve())
                error: BaseException = AgentError("it came to an end")
            except BaseException as raised:
                error = raised
            self._failure = error
            if self._stopping.is_set():
                return
            self._log.error(
                "http server failed",
                address=self._address,
                error=repr(error),
                restart_in_seconds=RESTART_SECONDS,
                every="server",
                exc_info=None if isinstance(error, AgentError) else error,
            )
            self._stopping.wait(RESTART_SECONDS)

    async def _serve(self) -> None:
        if self._socket is None or self._socket.fileno() < 0:
            self._socket = self._address.bind()
        if not self._config.loaded:
            self._config.load()
        self._uvicorn = uvicorn.Server(self._config)
        if self._stopping.is_set():  # stop may not have seen the new one
            return
        context = None if self._certificate is None else self._certificate.context
        acceptor = Acceptor(self._socket, self._places, self._make_protocol, self._log, context)
        self._loop = asyncio.get_running_loop()
        self._accepting = asyncio.ensure_future(acceptor.run())
        beside = [self._accepting, *(asyncio.ensure_future(run()) for run in self._background)]
        try:
            await self._uvicorn.serve(sockets=[])  # it listens nowhere: the acceptor does
        except Exception:
            self._accept_no_more()
            with contextlib.suppress(Exception):  # this may be what has failed
                await self._uvicorn.shutdown(sockets=[])
            raise
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            for connection in list(self._uvicorn.server_state.connections):
                connection.transport.abort()  # nobody shall wait for an answer that will not come
            await asyncio.sleep(0)  # that is when they are closed

    def _accept_no_more(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()

    def _make_protocol(self, place: Place) -> asyncio.Protocol:
        kind = self._config.http_protocol_class
        return kind(config=self._config, server_state=self._uvicorn.server_state, app_state={PLACE: place})  # type: ignore[call-arg]

    async def _see_whether_it_listens(self) -> None:
        """Once a second. asyncio closes a socket whose accept failed, on Windows when a client goes at that moment, and
        uvicorn continues as if somebody were listening.
        """
        if self._stopping.is_set():
            return
        if self._socket is None or self._socket.fileno() < 0:
            raise AgentError("its listening socket was closed")
        if self._accepting is not None and self._accepting.done():
            raise AgentError("it no longer accepts connections")
