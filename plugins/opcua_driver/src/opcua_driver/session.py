"""Session: one asyncua client from connecting to disconnecting. Lives in one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from asyncua.client.client import Client
from asyncua.client.ua_client import UaClientState
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaprotocol_auto import ReadParameters, ReadValueId, TimestampsToReturn, WriteParameters, WriteValue
from asyncua.ua.uatypes import DataValue, NodeId, Variant, VariantType

from opcua_driver.address import Identifier
from opcua_driver.config import OpcuaDriverConfig
from opcua_driver.meter import meter
from opcua_driver.security import secure

LONGEST_KEEPALIVE_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 1.0


class Session:
    """Open at most once. Raises what asyncua raises: OSError, asyncio.TimeoutError, UaError."""

    def __init__(self, config: OpcuaDriverConfig, name: str) -> None:
        self._config = config
        # The watchdog's reads keep the session alive while nobody polls.
        keepalive = min(config.session_timeout / 3, LONGEST_KEEPALIVE_SECONDS)
        self._client = Client(config.address, timeout=config.timeout, watchdog_intervall=keepalive)
        self._client.name = self._client.description = name
        meter(self._client.uaclient, self._note_stranger)
        self.stranger: str | None = None
        """Who it was that answered, if that is no OPC UA server."""
        self._client.session_timeout = round(config.session_timeout * 1000)
        self.namespaces: dict[str, int] = {}
        """The server's namespaces by URI."""
        self.max_nodes_per_read = 0
        """What the server says it takes in one request; 0 when it does not say."""

    def _note_stranger(self, who: str) -> None:
        self.stranger = who

    async def open(self) -> None:
        """Connect, log in, and ask for the namespaces and the limit of a read."""
        config, client = self._config, self._client
        await secure(client, config)
        if config.user is not None:
            client.set_user(config.user)
            client.set_password("" if config.password is None else config.password.reveal())
        await client.connect()
        names, limit = await self.read(
            [
                read_value(0, ObjectIds.Server_NamespaceArray),
                read_value(0, ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead),
            ]
        )
        uris = names.Value.Value if names.Value is not None else None
        self.namespaces = {uri: index for index, uri in enumerate(uris)} if isinstance(uris, list) else {}
        most = limit.Value.Value if limit.Value is not None else None
        self.max_nodes_per_read = most if isinstance(most, int) else 0

    @property
    def is_alive(self) -> bool:
        """False once the connection is known to be lost."""
        return self._client.state is UaClientState.CONNECTED

    async def read(self, items: Sequence[ReadValueId]) -> list[DataValue]:
        """One answer for each item, in one request."""
        parameters = ReadParameters()
        parameters.TimestampsToReturn = TimestampsToReturn.Source
        parameters.NodesToRead = list(items)
        return await self._client.uaclient.read(parameters)

    async def read_clock(self) -> datetime | None:
        """What the server says the time is."""
        (answer,) = await self.read([read_value(0, ObjectIds.Server_ServerStatus_CurrentTime)])
        shown = answer.Value.Value if answer.Value is not None else None
        return shown if isinstance(shown, datetime) else None

    async def write_boolean(self, item: ReadValueId, value: bool) -> None:
        """Write one Boolean. Raises UaStatusCodeError when the server refuses it."""
        write = WriteValue()
        write.NodeId, write.AttributeId, write.IndexRange = item.NodeId, AttributeIds.Value, item.IndexRange
        content = [value] if item.IndexRange else value
        write.Value = DataValue(Variant(content, VariantType.Boolean))
        parameters = WriteParameters()
        parameters.NodesToWrite = [write]
        for status in await self._client.uaclient.write(parameters):
            status.check()

    async def close(self) -> None:
        """Say good-bye if the server still listens, and drop the connection. Bounded; raises nothing."""
        if self.is_alive:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._client.disconnect()
        self.abandon()

    def abandon(self) -> None:
        """Drop the connection without a word."""
        self._client.uaclient.request_disconnect()
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()


def read_value(namespace: int, identifier: Identifier, element: int | None = None) -> ReadValueId:
    """What a read asks for of one node."""
    # asyncua's annotations want types of its own where it takes plain ones.
    node_id = NodeId(identifier, namespace)  # type: ignore[arg-type]
    return ReadValueId(
        NodeId=node_id,
        AttributeId=AttributeIds.Value,
        IndexRange=None if element is None else str(element),
    )


def silence_asyncua() -> None:
    """Keep asyncua from logging what reaches the engine as exceptions, unless somebody has set a level."""
    logger = logging.getLogger("asyncua")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)
