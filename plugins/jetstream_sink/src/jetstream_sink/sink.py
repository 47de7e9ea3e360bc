"""JetstreamSink: publishes batches to one stream; a record is delivered when the server has stored it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jetstream_buffer.jetstream.connection import Connection
from jetstream_buffer.jetstream.examination import examine, warnings_of
from jetstream_buffer.jetstream.failure import translate
from jetstream_buffer.jetstream.message import Packed, pack
from jetstream_buffer.jetstream.stream import ensure_stream
from nats.aio.client import Client

from agent_core.api import Batch, ComponentContext, Finding, Rejection, RetryableError, SinkError, WriteOutcome
from jetstream_sink.config import JetstreamSinkConfig, Repeats

TOO_LARGE = "TOO_LARGE"
"""Code of a record that no message can carry."""


class JetstreamSink:
    """One connection for all workers. A batch is one message, or a few when it is large; each has an id of its content.

    So a batch that is written again is not stored again while the server remembers the id: its records are duplicates.
    It may forget, so the table at the end needs a key. The stream is looked at once for each connection.
    """

    def __init__(self, config: JetstreamSinkConfig, context: ComponentContext) -> None:
        self._config = config
        self._log = context.log
        self._sink_id = context.component_id
        self._connection = Connection(config.server, f"tagferry {context.agent_name} {context.component_id}")
        self._subject = f"{config.stream.prefix}.{re.sub(r'[^A-Za-z0-9_-]', '_', context.agent_name) or '_'}"
        self._checked: Client | None = None

    @property
    def idempotent(self) -> bool:
        return self._config.repeats is Repeats.RECOGNISED_DOWNSTREAM

    def open(self) -> None:
        """Connect, and create or check the stream. Raises SinkError."""
        self._connection.open()
        try:
            self._connection.run(self._ready(), 4 * self._connection.answer_seconds)
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        self._connection.close()

    def write(self, batch: Batch) -> WriteOutcome:
        """Publish, and wait until the server has stored it: for ``timeouts`` at most. Raises SinkError."""
        if not batch:
            return WriteOutcome(inserted=0)
        return self._connection.run(self._publish(batch), 6 * self._connection.answer_seconds)

    def diagnose(self) -> Iterable[Finding]:
        """Log in once, look at the server and the stream."""
        return examine(self._config.server, self._config.stream, None)

    async def _ready(self) -> Client:
        client = await self._connection.client()
        if client is self._checked:
            return client
        name = self._config.stream.name
        try:
            info = await self._connection.answer(
                ensure_stream(client, self._config.stream, self._connection.answer_seconds)
            )
        except Exception as error:
            await self._connection.disconnect()  # the next probe looks again
            raise translate(error, f"stream {name}") from error
        self._checked = client
        server = client.connected_url.netloc if client.connected_url else ""
        self._log.info("stream opened", sink=self._sink_id, stream=name, server=server, every=self._sink_id)
        for warning in await warnings_of(client, self._config.server, info.config):
            self._log.warning("stream warning", sink=self._sink_id, stream=name, problem=warning, every=warning)
        return client

    async def _publish(self, batch: Batch) -> WriteOutcome:
        client = await self._ready()
        inserted = duplicates = 0
        rejected: list[Rejection] = []
        for packed in pack(batch, client.max_payload):
            count = packed.stop - packed.start
            if packed.payload is None:
                message = f"{batch.names[packed.start]}: larger than a message of this server ({client.max_payload} B)"
                rejected.append(Rejection(packed.start, TOO_LARGE, message))
            elif await self._stored_before(client, packed, packed.payload, begun=bool(inserted + duplicates)):
                duplicates += count
            else:
                inserted += count
        return WriteOutcome(inserted, duplicates, tuple(rejected))

    async def _stored_before(self, client: Client, packed: Packed, payload: bytes, *, begun: bool) -> bool:
        """Publish one message; True when the server knew it. ``begun``: others of its batch are stored."""
        stream, seconds = self._config.stream.name, self._connection.answer_seconds
        self._connection.forget_error()
        try:
            publishing = client.jetstream().publish(
                self._subject, payload, timeout=seconds, stream=stream, headers=packed.headers
            )
            acknowledged = await self._connection.answer(publishing)
        except Exception as error:
            raise self._failure(client, error, begun=begun) from error
        return bool(acknowledged.duplicate)

    def _failure(self, client: Client, error: Exception, *, begun: bool) -> SinkError:
        """What to raise. What the server has refused without an answer is found out here."""
        unasked, what = self._connection.last_error, f"stream {self._config.stream.name}"
        refusal = unasked if unasked is not None and "permissions violation" in str(unasked).lower() else error
        found = translate(refusal, what, ambiguous=True)
        if found.code == "NO_RESPONSE" or (
            isinstance(found, RetryableError) and not client.is_connected
        ):  # no such stream, or no leader at the moment: the next attempt looks
            self._checked = None
        if isinstance(found, RetryableError) and begun:
            found.ambiguous = True
        return found
