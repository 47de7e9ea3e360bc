"""Pull: the engine behind the buffer, as four calls: fetch, ack, nak and extend.

All that the buffer needs of JetStream's consumers is here, so that another broker could stand in its place.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Final, NamedTuple

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import APIError

ACK: Final = b"+ACK"
NAK: Final = b"-NAK"
EXTEND: Final = b"+WPI"
TERM: Final = b"+TERM"
SLACK_SECONDS: Final = 1.0
"""The server ends a request after its wait. One that it has not heard, as in a restart, is made again after this."""
NOTHING_THERE: Final = ("404", "408")


class Message(NamedTuple):
    """``sequence`` is its place in the stream, the same each time it is delivered; ``reply`` is of this delivery."""

    sequence: int
    reply: str
    payload: bytes
    waiting: int
    """Messages that no consumer had been given when this one was."""


class Pull:
    """One durable consumer, over one connection. Used in the loop's thread alone."""

    def __init__(self, client: Client, stream: str, consumer: str, answer_seconds: float) -> None:
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._answer_seconds = answer_seconds
        self._inbox = client.new_inbox()
        self._stream, self._consumer = stream, consumer
        self._came: asyncio.Queue[Msg] = asyncio.Queue()
        self._owed = 0
        self._owed_until = 0.0
        self._subscribed = False

    async def fetch(self, count: int, wait_seconds: float) -> list[Message]:
        """Messages as soon as there are some, or none after the wait. More of ``count`` may come with the next call.

        None also while the server does not answer. Raises APIError when the consumer is gone, or its leader.
        """
        if not self._subscribed:
            self._subscribed = True
            await self._client.subscribe(self._inbox, cb=self._came.put)
        now = asyncio.get_running_loop().time()
        if self._came.empty() and (self._owed <= 0 or now >= self._owed_until):
            request = {"batch": count, "expires": int(wait_seconds * 1e9)}
            await self._client.publish(self._next, json.dumps(request).encode(), self._inbox)
            self._owed, self._owed_until = count, now + wait_seconds + SLACK_SECONDS
        came: list[Msg] = []
        with suppress(TimeoutError):
            came.append(await asyncio.wait_for(self._came.get(), wait_seconds))
        while not self._came.empty():
            came.append(self._came.get_nowait())
        found = [_message(message) for message in came if message.reply.startswith("$JS.ACK.")]
        self._owed -= len(found)
        for message in came:
            if not message.reply:  # a status: the request has ended
                self._owed = 0
                if not found and (status := (message.headers or {}).get("Status")) not in NOTHING_THERE:
                    description = (message.headers or {}).get("Description", "the consumer does not answer")
                    raise APIError(code=int(status or 503), description=description)
        return found

    async def ack(self, message_reply: str) -> None:
        """Returns when the server has forgotten the message. Raises what NATS raises."""
        await self._client.request(message_reply, ACK, timeout=self._answer_seconds)

    async def nak(self, message_reply: str) -> None:
        """Give it back at once."""
        await self._client.publish(message_reply, NAK)

    async def waiting(self) -> int:
        """How many messages wait for whoever fetches them. Raises what NATS raises."""
        context = self._client.jetstream(timeout=self._answer_seconds)
        return (await context.consumer_info(self._stream, self._consumer)).num_pending or 0

    def undelivered(self) -> list[str]:
        """What came and was not fetched, to give it back."""
        came: list[Msg] = []
        while not self._came.empty():
            came.append(self._came.get_nowait())
        return [message.reply for message in came if message.reply.startswith("$JS.ACK.")]

    async def flush(self) -> None:
        """Returns when the server has everything that was sent."""
        await self._client.flush()

    async def term(self, message_reply: str) -> None:
        """Nobody shall get it again. Returns when the server knows."""
        await self._client.request(message_reply, TERM, timeout=self._answer_seconds)

    async def extend(self, message_reply: str) -> None:
        """It is still being worked on: ``ack_wait`` begins again."""
        await self._client.publish(message_reply, EXTEND)


def _message(message: Msg) -> Message:
    # The reply subject holds both numbers: $JS.ACK. ... .<sequence>.<consumer sequence>.<time>.<waiting>
    metadata = message.metadata
    return Message(metadata.sequence.stream, message.reply, message.data, metadata.num_pending)
