"""Meter: how much a server may send for one request. A protocol around asyncua's own, which has no limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_from_binary
from asyncua.ua.uaerrors import UaError

from agent_core.api import recognise_stranger

MAX_BYTES: Final = 16 * 1024 * 1024
"""Of one answer, and of all that comes before the next request: 10,000 texts of 1,600 characters."""
MAX_CHUNKS: Final = 4096
"""Of one answer. A chunk may be a few bytes, but costs a kilobyte here."""


class WrongMessage(UaError):
    """What came is not the answer to the request, or not of this protocol."""


class Meter(asyncio.Protocol):
    """Passes everything on, and cuts the connection of a server that sends without end.

    What asyncua keeps of an unfinished message is bounded with it. It also cuts that of a server of another protocol,
    whose first bytes asyncua would take for the length of a long message, and tells ``on_stranger`` who it is.
    """

    def __init__(self, protocol: UASocketProtocol, on_stranger: Callable[[str], None] = lambda _: None) -> None:
        self._protocol = protocol
        self._on_stranger = on_stranger
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
        who = None if self._protocol.receive_buffer else recognise_stranger(data)
        if who is not None:
            self._on_stranger(who)
        if self._received > MAX_BYTES or who is not None:
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


def meter(client: UaClient, on_stranger: Callable[[str], None]) -> None:
    """Let every connection that ``client`` makes from now on have a Meter, and compare each answer with its request."""
    make: Callable[[], UASocketProtocol] = client._make_protocol

    def make_metered() -> Meter:
        protocol = make()
        check_answer = protocol.check_answer

        def compare(data: Buffer, context: str) -> bool:
            return check_answer(data, context) and is_answer(data.copy(), context.rpartition(" ")[2])

        protocol.check_answer = compare  # type: ignore[method-assign]
        return Meter(protocol, on_stranger)

    client._make_protocol = make_metered  # type: ignore[method-assign, assignment]


def is_answer(data: Buffer, request: str) -> bool:
    """True. Raises WrongMessage when the message ``data`` is not the response to a request of that class."""
    response = f"{request.removesuffix('Request')}Response"
    expected = getattr(ObjectIds, f"{response}_Encoding_DefaultBinary", None)
    came = nodeid_from_binary(data)
    if expected is not None and (came.NamespaceIndex, came.Identifier) != (0, expected):
        raise WrongMessage(f"it answered with message {came.Identifier!r}, asked was {response}")
    return True
