"""What a stream holds, read as an administrator would: without taking anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import nats
from jetstream_buffer.jetstream.message import unpack
from nats.aio.client import Client
from nats.js import JetStreamContext

from agent_core.api import Batch

T = TypeVar("T")


def with_jetstream(url: str, ask: Callable[[JetStreamContext], Coroutine[Any, Any, T]]) -> T:
    """One question to the server."""

    async def talk() -> T:
        client: Client = await nats.connect(url, user="agent", password="right", allow_reconnect=False)
        try:
            return await ask(client.jetstream())
        finally:
            await client.close()

    return asyncio.run(talk())


def stored_batches(url: str, stream: str) -> list[Batch]:
    """The records of each message, in the stream's order."""

    async def ask(jetstream: JetStreamContext) -> list[Batch]:
        state = (await jetstream.stream_info(stream)).state
        if not state.messages:
            return []
        found = [await jetstream.get_msg(stream, seq) for seq in range(state.first_seq, state.last_seq + 1)]
        return [unpack(message.data or b"") for message in found]

    return with_jetstream(url, ask)
