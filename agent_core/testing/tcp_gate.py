"""TcpGate: stands before a real server and does what networks and dying devices do.

Clients connect to the gate, which passes bytes on to the server behind it. Its orders, one line each::

    pause | resume     stop listening and drop every connection | listen again on the same port
    drop               drop every connection
    hang | unhang      swallow what comes, both ways (a black hole) | pass on again; what was swallowed stays lost
    delay SECONDS      hold what the server answers this long
    pieces BYTES [S]   pass the server's answers on in pieces of at most so many bytes, S seconds apart; 0 for as
                       they come
    cut BYTES          pass on so many bytes of the next answer, then drop its connection
    garble             pass on a web server's complaint for each answer
    clear              none of this any more, as at the start
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Coroutine

_CHUNK_BYTES = 65536
_JOINING_SECONDS = 0.0005
"""Without a pause the kernel joins the pieces again."""

_GARBAGE = b"HTTP/1.1 400 Bad Request\r\nConnection: keep-alive\r\n\r\n"


class TcpGate:
    """Listens from the moment it is made, in a thread of its own. ``port`` 0 takes a free one and keeps it.

    With ``tls`` its clients speak TLS to it, and it alone speaks plainly to the server.
    """

    _cut_bytes: int | None

    def __init__(
        self, upstream_port: int, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._host = host
        self.port = port
        self._upstream_port = upstream_port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._clear()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._listen())

    def obey(self, line: str) -> bool:
        """Carry out one order; False when the line is none of the gate's. Raises ValueError."""
        match line.split():
            case ["pause"]:
                self._call(self._pause())
            case ["resume"]:
                self._call(self._listen())
            case ["drop"]:
                self._call(self._drop())
            case ["hang"]:
                self._hangs = True
            case ["unhang"]:
                self._hangs = False
            case ["delay", seconds]:
                self._delay_seconds = float(seconds)
            case ["pieces", count, *seconds]:
                self._piece_bytes = int(count)
                self._piece_seconds = float(seconds[0]) if seconds else _JOINING_SECONDS
            case ["cut", count]:
                self._cut_bytes = int(count)
            case ["garble"]:
                self._garbles = True
            case ["clear"]:
                self._clear()
                self._call(self._listen())
            case _:
                return False
        return True

    def close(self) -> None:
        """Stop listening, drop every connection, end the thread."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _clear(self) -> None:
        self._hangs = False
        self._garbles = False
        self._delay_seconds = 0.0
        self._piece_bytes = 0
        self._piece_seconds = _JOINING_SECONDS
        self._cut_bytes = None

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._pass_on, self._host, self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _pause(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._drop()

    async def _end(self) -> None:
        await self._pause()
        if connections := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(connections, timeout=5)
        await self._drop()

    async def _drop(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)  # the sockets are closed one turn of the loop later
        await asyncio.sleep(0)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(self._host, self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, upstream_writer}
        self._writers |= both
        pumps: list[asyncio.Future[None]] = []
        try:
            for each in both:
                connection = each.get_extra_info("socket")
                if connection is not None:  # None once it is closed
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pumps = [
                asyncio.ensure_future(self._pump(reader, upstream_writer, answers=False)),
                asyncio.ensure_future(self._pump(upstream_reader, writer, answers=True)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.transport.abort()
            if pumps:
                await asyncio.wait(pumps)
            self._writers -= both

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                if answers and self._delay_seconds:
                    await asyncio.sleep(self._delay_seconds)
                if self._hangs:
                    continue
                if answers and self._garbles:
                    data = _GARBAGE
                if answers and self._cut_bytes is not None:
                    writer.write(data[: self._cut_bytes])
                    self._cut_bytes = None
                    return  # which ends both sides
                step = (self._piece_bytes if answers else 0) or len(data)
                for start in range(0, len(data), step):
                    writer.write(data[start : start + step])
                    await writer.drain()
                    if step < len(data):
                        await asyncio.sleep(self._piece_seconds)
