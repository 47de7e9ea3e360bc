"""A server that sends without end, or what nobody asked for: cut off, in bounded memory. Over real sockets."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from typing import Final

import pytest
from asyncua.common.utils import Buffer
from opcua_driver.driver import OpcuaDriver
from opcua_driver.meter import MAX_BYTES, MAX_CHUNKS, WrongMessage, is_answer

from agent_core.api import DeviceUnreachable
from agent_core.testing.suite.patience import PATIENCE_SECONDS

Flood = Callable[[], Iterator[bytes]]

ACKNOWLEDGE: Final = struct.pack("<4sIIIIII", b"ACKF", 28, 0, 65535, 65535, 0, 0)
"""Without a limit of messages or chunks."""
ON_THE_WAY: Final = 2**25
"""What sockets and a busy machine hold; without a limit, gigabytes would come until the time is up."""
AT_MOST: Final = MAX_BYTES + ON_THE_WAY


def endless_frame() -> Iterator[bytes]:
    yield struct.pack("<4sII", b"MSGF", 0xFFFF_FFF0, 0)
    while True:
        yield bytes(2**16)


def chunk(number: int, kind: bytes, body: bytes, request: int = 1) -> bytes:
    return struct.pack("<4sIIIII", b"MSG" + kind, 24 + len(body), 0, 0, number, request) + body


def endless_chunks() -> Iterator[bytes]:
    for first in count(1, 1000):
        yield b"".join(chunk(number, b"C", b"x") for number in range(first, first + 1000))


def endless_large_chunks() -> Iterator[bytes]:
    for number in count(1):
        yield chunk(number, b"C", bytes(60_000))


def endless_aborts() -> Iterator[bytes]:
    reason = struct.pack("<Ii", 0x8001_0000, -1) + bytes(8_000)
    for number in count(1):
        yield chunk(number, b"A", reason)


def answer_to_nobody() -> Iterator[bytes]:
    yield chunk(1, b"F", bytes(100), request=4711)
    while True:
        yield bytes(2**16)


class Hostile:
    """Acknowledges, and after the next request sends ``flood`` until it is cut off. ``sent``: bytes of it."""

    def __init__(self, flood: Flood) -> None:
        self._flood = flood
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.sent = 0
        self.cut = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        peer, _ = self._listening.accept()
        with peer:
            peer.settimeout(PATIENCE_SECONDS)
            peer.recv(4096)
            peer.sendall(ACKNOWLEDGE)
            peer.recv(4096)
            with suppress(OSError):
                for piece in self._flood():
                    peer.sendall(piece)
                    self.sent += len(piece)
        self.cut.set()


@pytest.mark.parametrize(
    ("flood", "at_most"),
    [
        (endless_frame, AT_MOST),
        (endless_chunks, MAX_CHUNKS * 25 + ON_THE_WAY),
        (endless_large_chunks, AT_MOST),
        (endless_aborts, AT_MOST),
        (answer_to_nobody, ON_THE_WAY),
    ],
)
def test_a_server_that_sends_without_end_is_cut_off_long_before_the_time_is_up(
    make_driver: Callable[..., OpcuaDriver], flood: Flood, at_most: int
) -> None:
    hostile = Hostile(flood)
    driver = make_driver(address=f"opc.tcp://127.0.0.1:{hostile.port}/x", timeout=10 * PATIENCE_SECONDS)
    try:
        with pytest.raises(DeviceUnreachable):
            driver.connect()
        assert hostile.cut.wait(PATIENCE_SECONDS)
        assert hostile.sent < at_most
    finally:
        driver.close()
        hostile.close()


def test_a_message_of_another_kind_is_no_answer() -> None:
    def message(number: int) -> Buffer:
        return Buffer(struct.pack("<BBH", 1, 0, number))

    assert is_answer(message(634), "ReadRequest")
    with pytest.raises(WrongMessage, match="it answered with message 676, asked was ReadResponse"):
        is_answer(message(676), "ReadRequest")
    assert is_answer(message(676), "WriteRequest")
