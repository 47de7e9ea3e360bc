"""Examination: what ``tagferry doctor`` says of a server, its stream and its consumer; creates nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import NotFoundError

from agent_core.api import Finding, Severity, SinkError
from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings
from jetstream_buffer.jetstream.connection import Connection
from jetstream_buffer.jetstream.consumer import ConsumerSettings, consumer_problems
from jetstream_buffer.jetstream.failure import translate, words_of
from jetstream_buffer.jetstream.stream import server_warnings, stream_problems, stream_warnings

MONITOR_BYTES: Final = 1024 * 1024


def examine(server: ServerConfig, stream: StreamSettings, consumer: ConsumerSettings | None) -> Iterator[Finding]:
    """Log in once and look. Blocks for the time-outs of ``server`` at most."""
    connection = Connection(server, "tagferry doctor")
    connection.open()
    try:
        yield from connection.run(_look(connection, server, stream, consumer), 4 * connection.answer_seconds)
    except SinkError as error:
        yield Finding(Severity.CRITICAL, connection.name, str(error), error.next_step)
    finally:
        connection.close()


async def warnings_of(client: Client, server: ServerConfig, stream: api.StreamConfig) -> Sequence[str]:
    """What may lose records although it cannot be refused, or should be known: of the server and the stream."""
    found = [*server_warnings(client._server_info), *stream_warnings(stream)]
    if server.in_clear:
        found.append("records, and a password, travel in clear: set tls:")
    replicas = stream.num_replicas or 1
    if server.monitor is None:
        if replicas == 1:
            found.append("whether sync_interval is always cannot be seen: name the server's monitoring port, monitor:")
    else:
        try:
            always = await asyncio.to_thread(_syncs_always, server.monitor, server.timeouts.answer_seconds)
        except (OSError, URLError, ValueError) as error:
            found.append(f"{server.monitor} does not say whether sync_interval is always: {words_of(error)}")
        else:
            if not always:
                found.append("sync_interval is not always: a power failure loses the last 2 minutes of what was stored")
    return found


def _syncs_always(monitor: str, seconds: float) -> bool:
    with urlopen(f"{monitor.rstrip('/')}/jsz?config=1", timeout=seconds) as answer:  # noqa: S310 - http or https
        found = json.loads(answer.read(MONITOR_BYTES))
    config = found.get("config") if isinstance(found, dict) else None
    return isinstance(config, dict) and config.get("sync_always") is True


async def _look(
    connection: Connection, server: ServerConfig, stream: StreamSettings, consumer: ConsumerSettings | None
) -> Sequence[Finding]:
    client = await connection.client()
    version = client._server_info.get("version", "?")
    found = [Finding(Severity.OK, connection.name, f"logged in, nats-server {version}")]
    context = client.jetstream(timeout=connection.answer_seconds)
    subject = f"stream {stream.name}"
    try:
        info = await context.stream_info(stream.name)
    except NotFoundError:
        if stream.max_bytes is None:
            step = "start the agent whose stream: has max_bytes, or set it here"
            return [*found, Finding(Severity.CRITICAL, subject, "does not exist", step)]
        return [*found, Finding(Severity.OK, subject, f"will be created, {stream.max_bytes:,} bytes at most")]
    except Exception as error:
        raise translate(error, subject) from error
    found += [
        Finding(Severity.CRITICAL, subject, problem, "change the stream, or name another")
        for problem in stream_problems(info.config, stream)
    ]
    found.append(
        Finding(Severity.OK, subject, f"{info.state.messages:,} messages, {info.state.bytes:,} bytes wait in it")
    )
    for warning in await warnings_of(client, server, info.config):
        found.append(Finding(Severity.WARNING, subject, warning))
    if consumer is None:
        return found
    subject = f"consumer {consumer.name}"
    try:
        known = await context.consumer_info(stream.name, consumer.name)
    except NotFoundError:
        return [*found, Finding(Severity.OK, subject, "will be created")]
    problems = list(consumer_problems(known.config))
    found += [Finding(Severity.CRITICAL, subject, one, "change the consumer, or name another") for one in problems]
    held = f"{known.num_ack_pending:,} messages with writers, {known.num_pending:,} with none"
    return [*found, Finding(Severity.OK, subject, held)]
