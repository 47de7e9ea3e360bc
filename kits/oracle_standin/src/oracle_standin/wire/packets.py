"""TNS packets on a blocking socket.

Facts from python-oracledb's published code and from watching it: an 8 byte header (length, type, flags); the
length has 16 bits up to the ACCEPT packet and 32 afterwards; DATA packets carry two flag bytes; a MARKER's third
byte is 1 (break), 2 (reset) or 3 (interrupt). Nothing marks the end of a request: it follows from parsing.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Callable

from oracle_standin.counters import Counters
from oracle_standin.errors import ConnectionLost, DropConnection, Interrupted

CONNECT, ACCEPT, REFUSE, DATA, MARKER = 1, 2, 4, 6, 12
MARK_BREAK, MARK_RESET = 1, 2
_FLAG_EOF = 0x0040
_FLAG_END_OF_RESPONSE = 0x2000
_MAX_PACKET = 1 << 26


class Channel:
    """Reads and writes packets. Every method raises ConnectionLost if the peer is gone."""

    def __init__(self, sock: socket.socket, counters: Counters) -> None:
        self._sock = sock
        self._counters = counters
        self._buffer = bytearray()
        self._pos = 0
        self.large = False  # 32 bit lengths, from ACCEPT on
        self.sdu = 8192
        self.end_of_response = False
        self.eof = False
        self.last_full = False  # the last data packet filled its SDU, so more may follow

    def _receive(self) -> None:
        try:
            chunk = self._sock.recv(262144)
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        if not chunk:
            raise ConnectionLost("closed by the peer")
        self._counters.bytes_in += len(chunk)
        del self._buffer[: self._pos]
        self._pos = 0
        self._buffer += chunk

    def _buffered(self) -> int:
        return len(self._buffer) - self._pos

    def packet(self) -> tuple[int, bytes]:
        """Type and body (without header) of the next packet."""
        while self._buffered() < 8:
            self._receive()
        size = int.from_bytes(self._buffer[self._pos : self._pos + (4 if self.large else 2)], "big")
        if not 8 <= size <= _MAX_PACKET:
            raise ConnectionLost("bad packet length")
        while self._buffered() < size:
            self._receive()
        start = self._pos
        self._pos = start + size
        return self._buffer[start + 4], bytes(self._buffer[start + 8 : self._pos])

    def data(self) -> bytes:
        """Payload of the next DATA packet. Raises Interrupted for a break."""
        while True:
            kind, body = self.packet()
            if kind == DATA:
                break
            if kind != MARKER:
                raise ConnectionLost(f"unexpected packet type {kind}")
            if body[2] != MARK_RESET:
                raise Interrupted
        self.eof = self.eof or bool(int.from_bytes(body[:2], "big") & _FLAG_EOF)
        # the client sends the inner packets of a message only when full, so a shorter one is the last
        self.last_full = len(body) + 8 > self.sdu - 9
        return body[2:]

    def gather(self) -> bytes:
        """Payload of all packets that have arrived and certainly belong to the same message."""
        parts = [self.data()]
        while self.last_full and self.readable(0.0):
            parts.append(self.data())
        return b"".join(parts)

    def readable(self, timeout: float) -> bool:
        return self._buffered() > 0 or self._socket_readable(timeout)

    def _socket_readable(self, timeout: float) -> bool:
        try:
            return bool(select.select([self._sock], [], [], timeout)[0])
        except (OSError, ValueError):
            raise ConnectionLost("closed") from None

    def poll_break(self, timeout: float = 0.0) -> bool:
        """True if a break marker has arrived; data packets after it are not read."""
        if self._buffered() < 8:
            if self._socket_readable(timeout):
                self._receive()
        elif timeout:
            time.sleep(timeout)
        if self._buffered() >= 8 and self._buffer[self._pos + 4] == MARKER:
            return self.packet()[1][2] != MARK_RESET
        return False

    def wait(self, seconds: float, check: Callable[[], None]) -> None:
        """Waits inside a call. A client's break ends it with Interrupted; ``check`` may raise too."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.poll_break(min(left, 0.05)):
                raise Interrupted
            check()

    def send_packet(self, kind: int, body: bytes) -> None:
        layout = ">IBBH" if self.large else ">HxxBBH"
        self._send(struct.pack(layout, len(body) + 8, kind, 0, 0) + body)

    def _send(self, data: bytes) -> None:
        try:
            self._sock.sendall(data)
        except OSError as error:
            raise ConnectionLost(str(error)) from None
        self._counters.bytes_out += len(data)

    def send_data(self, payload: bytes, partial: bool = False) -> None:
        """Sends a reply in packets of the SDU; with ``partial`` half of it, then DropConnection."""
        room = self.sdu - 10
        out = []
        for start in range(0, len(payload) or 1, room):
            part = payload[start : start + room]
            last = start + room >= len(payload)
            flags = _FLAG_END_OF_RESPONSE if last and self.end_of_response else 0
            out.append(struct.pack(">IBBHH", len(part) + 10, DATA, 0, 0, flags) + part)
        data = b"".join(out)
        if partial:
            self._send(data[: max(4, len(data) // 2)])
            raise DropConnection
        self._send(data)

    def answer_break(self) -> None:
        """Break marker, then the reset of the client (what it sent before is discarded), then our reset."""
        self.send_packet(MARKER, bytes((1, 0, MARK_BREAK)))
        while True:
            kind, body = self.packet()
            if kind == MARKER and body[2] == MARK_RESET:
                break
        self.send_packet(MARKER, bytes((1, 0, MARK_RESET)))

    def close(self, rst: bool = False) -> None:
        """Safe twice and from another thread; wakes a thread that reads."""
        with contextlib.suppress(OSError):
            if rst:
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # SHUT_RD wakes the reader without sending the FIN that would come before the reset
            self._sock.shutdown(socket.SHUT_RD if rst else socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._sock.close()
