"""Acceptor: takes connections from the listening socket, as many as there are places."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable
from typing import Final

from agent_core.api import Log
from http_monitor.door.places import Place, Places

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The machine or the process has no descriptors or no memory left."""
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0

MakeProtocol = Callable[[Place], asyncio.BaseProtocol]


class Acceptor:
    """``run`` accepts until it is cancelled; no error of accepting ends it.

    uvicorn's protocols speak HTTP on what it accepts; uvicorn's own way to listen knows no limit. ``certificate`` is
    asked for each connection; None is plain HTTP.
    """

    def __init__(
        self,
        listening: socket.socket,
        places: Places,
        make_protocol: MakeProtocol,
        log: Log,
        certificate: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        listening.setblocking(False)
        self._listening = listening
        self._places = places
        self._make_protocol = make_protocol
        self._certificate = certificate
        self._log = log
        self._beginning: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        try:
            while True:
                try:
                    accepted, peer = await loop.sock_accept(self._listening)
                except ConnectionAbortedError:  # the client has gone already
                    await asyncio.sleep(0)
                except OSError as error:
                    self._failed(error, pause)
                    await asyncio.sleep(pause)
                    pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)
                else:
                    pause = FIRST_PAUSE_SECONDS
                    self._admit(accepted, str(peer[0]).partition("%")[0])
                    await asyncio.sleep(0)  # those who are there already go first
        finally:
            for task in self._beginning:
                task.cancel()

    def _admit(self, accepted: socket.socket, address: str) -> None:
        place, evicted = self._places.take(address)
        if place is None or evicted is not None:
            self._log.warning(
                "connections full",
                client=address,
                connections=self._places.limits.connections,
                per_address=self._places.limits.per_address,
                every="full",
                next_step="find out who opens so many connections and sends no request",
            )
        if place is None:
            accepted.close()
            return
        if evicted is not None:
            evicted.evict()
        task = asyncio.get_running_loop().create_task(self._begin(_Held(accepted, place), place))
        self._beginning.add(task)
        task.add_done_callback(self._beginning.discard)
        place.hang_up = task.cancel  # what gives up a handshake
        place.wait()

    async def _begin(self, held: _Held, place: Place) -> None:
        context = None if self._certificate is None else self._certificate()
        seconds = None if context is None else self._places.limits.request_seconds
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._make_protocol(place), held, ssl=context, ssl_handshake_timeout=seconds
            )
        except OSError:  # no handshake, or not in time: a scanner, an expired client, plain HTTP
            held.close()
        except BaseException:
            held.close()
            raise
        else:
            place.hang_up = transport.abort

    def _failed(self, error: OSError, pause: float) -> None:
        if error.errno in EXHAUSTED:
            waiting = self._places.longest_waiting()
            for place in waiting[: len(waiting) // 2]:
                place.evict()
        self._log.warning("connection not accepted", error=str(error), retry_in_seconds=pause, every="accept")


class _Held(socket.socket):
    """An accepted socket. Its place is free again when its descriptor is closed, whoever closes it."""

    __slots__ = ("_place",)

    def __init__(self, accepted: socket.socket, place: Place) -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, accepted.detach())
        self._place = place
        self.setblocking(False)
        # asyncio does it only where the protocol is named, and create_server does not name it. Without it a body waits
        # for the client to acknowledge its head: 40 ms.
        with contextlib.suppress(OSError):  # the client has gone already
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        super().close()
        self._place.leave()
