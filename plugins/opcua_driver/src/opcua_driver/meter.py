"""Meter: how much a server may send for one request. A protocol around asyncua's own, which has no limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from asyncua.client.ua_client import UaClient, UASocketProtocol

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one answer, and of all that comes before the next request: 10,000 texts of 1,600 characters."""
MAX_CHUNKS: Final = 4096
"""Of one answer. A chunk may be a few bytes, but costs a kilobyte here."""


class Meter(asyncio.Protocol):
    """Passes everything on, and cuts the connection of a server that sends without end.

    What asyncua keeps of an unfinished message is bounded with it. ``refused`` is why it has cut.
    """

    def __init__(self, protocol: UASocketProtocol) -> None:
        self._protocol = protocol
        self._transport: asyncio.Transport | None = None
        self._request = 0
        self._received = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._limit_messages()
        self._protocol.connection_made(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._protocol._request_id != self._request:
            self._request, self._received = self._protocol._request_id, 0
        self._received += len(data)
        if self._received > MAX_BYTES:
            self._protocol.receive_buffer = None
            if self._transport is not None:
                self._transport.abort()
            return
        self._protocol.data_received(data)
        self._limit_messages()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)

    def _limit_messages(self) -> None:
        """The server's acknowledgement replaces the limits, and may say that there are none."""
        limits = self._protocol._connection._limits
        if not 0 < limits.max_message_size <= MAX_BYTES:
            limits.max_message_size = MAX_BYTES
        if not 0 < limits.max_chunk_count <= MAX_CHUNKS:
            limits.max_chunk_count = MAX_CHUNKS


def meter(client: UaClient) -> None:
    """Let every connection that ``client`` makes from now on have a Meter."""
    make: Callable[[], UASocketProtocol] = client._make_protocol
    client._make_protocol = lambda: Meter(make())  # type: ignore[method-assign, assignment, return-value]
