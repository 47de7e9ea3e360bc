"""TcpGate: stands before a real server and does what networks and dying devices do.

Clients connect to the gate, which passes bytes on to the server behind it. Its orders, one line each::

    pause | resume     stop listening and drop every connection | listen again on the same port
    drop | reset       drop every connection | by a TCP reset
    hang | unhang      swallow what comes, both ways (a black hole) | pass on again; what was swallowed stays lost
    hold               keep what the server answers until it is told "clear"
    pieces BYTES [S]   pass the server's answers on in pieces of at most so many bytes, S seconds apart; 0 for as
                       they come
    cut BYTES          pass on so many bytes of the next answer, then drop its connection
    garble             pass on a web server's complaint for each answer
    clear              none of this any more, as at the start

and faults that wait for their turn: the Nth request, or answer, to come is hit, whosever it is, and no other. A request
is what a client sends until it is answered, an answer what the server sends until it is asked again::

    nth N request|answer cut SHARE        pass on that share of its bytes (0: nothing), then drop its connection
    nth N request|answer late SECONDS     pass it on so much later, a request even when its client has left
    nth N request|answer pieces BYTES     pass it on in pieces of at most so many bytes
    nth N request orphan SECONDS          pass it on and drop its client; the server's side stays for so long, unaware
    spare COUNT                           those ordered from now on leave a connection's first requests and answers
                                          alone, so many together: its log-in

A stream's first chunk stands for the whole of a request or an answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
import threading
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Final

_CHUNK_BYTES = 65536
_END_SECONDS = 60.0
_JOINING_SECONDS = 0.0005
"""Without a pause the kernel joins the pieces again."""

_TURNS: Final = 4
"""Of the loop, from the acceptance of a socket to its transport: two, as of Python 3.11."""

_GARBAGE = b"HTTP/1.1 400 Bad Request\r\nConnection: keep-alive\r\n\r\n"

_RESETS: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER: a close throws away what was not sent, and is a reset."""

_CUES: Final = frozenset({"cut", "late", "pieces", "orphan"})


@dataclass(slots=True)
class _Cue:
    """A fault that waits for a request or an answer; ``turns`` of 1 is the next."""

    side: str
    action: str
    turns: int
    amount: float
    spared: int


@dataclass(slots=True, eq=False)
class _Connection:
    """A client and the server behind the gate."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    spoke_last: str = ""
    turns: int = 0
    answered: bool = False
    orphaned: bool = False  # the client is gone, and the server not told

    def abort(self, *, reset: bool = False) -> None:
        for writer in (self.client, self.server):
            if reset and (peer := writer.get_extra_info("socket")) is not None:
                with contextlib.suppress(OSError):  # it is closed already
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
            writer.transport.abort()


class TcpGate:
    """Listens on 127.0.0.1 from the moment it is made, in its own thread. ``port`` 0 takes a free one and keeps it.

    With ``tls`` its clients speak TLS to it, and it alone speaks plainly to the server. ``happened`` counts what did
    happen to a connection, by what it was: an order that finds none to hit is not in it.
    """

    _cut_bytes: int | None
    _spared: int

    def __init__(
        self, upstream_port: int, upstream_host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self._upstream_host = upstream_host
        self.port = port
        self._upstream_port = upstream_port
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.happened: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._released = asyncio.Event()
        self._clear()
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
            case ["drop" | "reset" as kind]:
                self._call(self._drop(kind))
            case ["hang"]:
                self._swallowed, self._hangs = False, True
            case ["unhang"]:
                self._hangs = False
            case ["hold"]:
                self._released = asyncio.Event()
            case ["pieces", count, *seconds]:
                self._piece_bytes = int(count)
                self._piece_seconds = float(seconds[0]) if seconds else _JOINING_SECONDS
            case ["cut", count]:
                self._cut_bytes = int(count)
            case ["garble"]:
                self._garbles = True
            case ["nth", turns, "request" | "answer" as side, action, amount] if action in _CUES:
                if action == "orphan" and side == "answer":
                    raise ValueError("only a request can be orphaned")
                self._cues.append(_Cue(side, action, int(turns), float(amount), self._spared))
            case ["spare", count]:
                self._spared = int(count)
            case ["clear"]:
                self._clear()
                self._call(self._listen())
            case _:
                return False
        return True

    @property
    def waiting(self) -> int:
        """How many faults still wait for their turn."""
        return len(self._cues)

    def close(self) -> None:
        """Stop listening, drop every connection, end the thread."""
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def _clear(self) -> None:
        self._loop.call_soon_threadsafe(self._released.set)
        self._hangs = False
        self._swallowed = False
        self._cues: list[_Cue] = []
        self._spared = 0
        self._garbles = False
        self._piece_bytes = 0
        self._piece_seconds = _JOINING_SECONDS
        self._cut_bytes = None

    def _call(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", self.port, ssl=self._tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _stop_listening(self) -> None:
        if self._server is not None:
            with contextlib.suppress(NotImplementedError):  # Windows' loop
                for listening in self._server.sockets:
                    self._loop.remove_reader(listening)
            # What is accepted by now becomes a connection: a server that was closed meanwhile would leave it half made.
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            self._server.close()
            self._server = None

    async def _pause(self) -> None:
        await self._stop_listening()
        await self._drop("pause")

    async def _end(self) -> None:
        await self._stop_listening()
        ends_at = self._loop.time() + _END_SECONDS
        # What was accepted a moment ago becomes a connection only now.
        while (tasks := asyncio.all_tasks() - {asyncio.current_task()}) and self._loop.time() < ends_at:
            for connection in list(self._connections):
                connection.abort()
            await asyncio.wait(tasks, timeout=0.05)

    async def _drop(self, kind: str) -> None:
        dropped = [connection for connection in self._connections if not connection.orphaned]
        for connection in dropped:
            connection.abort(reset=kind == "reset")
        if any(connection.answered for connection in dropped):
            self.happened[kind] += 1
        await asyncio.sleep(0)  # the sockets are closed one turn of the loop later
        await asyncio.sleep(0)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream_writer = await asyncio.open_connection(self._upstream_host, self._upstream_port)
        except OSError:
            writer.transport.abort()
            return
        link = _Connection(writer, upstream_writer)
        self._connections.add(link)
        pumps: list[asyncio.Future[None]] = []
        try:
            for each in (writer, upstream_writer):
                connection = each.get_extra_info("socket")
                if connection is not None:  # None once it is closed
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pumps = [
                asyncio.ensure_future(self._pump(link, reader, answers=False)),
                asyncio.ensure_future(self._pump(link, upstream_reader, answers=True)),
            ]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            link.abort()
            for pump in pumps:
                pump.cancel()
            if pumps:
                await asyncio.wait(pumps)
            self._connections.discard(link)

    async def _pump(self, link: _Connection, reader: asyncio.StreamReader, *, answers: bool) -> None:
        side, writer = ("answer", link.client) if answers else ("request", link.server)
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                begins, link.spoke_last = link.spoke_last != side, side
                link.turns += begins
                link.answered = link.answered or answers
                if link.orphaned:
                    continue
                cue = self._due(side, link) if begins and not self._hangs else None
                if cue and cue.action == "late":
                    await asyncio.sleep(cue.amount)
                if answers:
                    await self._released.wait()
                if self._hangs:
                    if not self._swallowed:
                        self.happened["hang"] += 1
                        self._swallowed = True
                    continue
                if cue and cue.action == "cut":
                    writer.write(data[: int(len(data) * cue.amount)])
                    return  # which ends both sides
                if cue and cue.action == "orphan":
                    writer.write(data)
                    link.orphaned = True
                    link.client.transport.abort()
                    await asyncio.sleep(cue.amount)
                    return
                if answers and self._garbles:
                    data = _GARBAGE
                if answers and self._cut_bytes is not None:
                    writer.write(data[: self._cut_bytes])
                    self._cut_bytes = None
                    return  # which ends both sides
                step = int(cue.amount) if cue and cue.action == "pieces" else self._piece_bytes if answers else 0
                step = step or len(data)
                for start in range(0, len(data), step):
                    writer.write(data[start : start + step])
                    await writer.drain()
                    if step < len(data):
                        await asyncio.sleep(self._piece_seconds)

    def _due(self, side: str, link: _Connection) -> _Cue | None:
        """A turn of that side begins: the fault that waited for it, if one did."""
        cues = self._cues
        due: _Cue | None = None
        for cue in list(cues):
            if cue.side == side and link.turns > cue.spared:
                cue.turns -= 1
                due = due or (cue if cue.turns <= 0 else None)
        if due is not None:
            cues.remove(due)
            self.happened[f"{side} {due.action}"] += 1
        return due
