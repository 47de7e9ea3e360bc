"""Stream: created or checked, never changed. What loses records without a trace is refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from agent_core.api import ConfigurationError
from jetstream_buffer.jetstream.config import StreamSettings
from jetstream_buffer.jetstream.failure import STREAM_IN_USE

OLDEST_SAFE = (2, 10, 23)
"""Before it, a killed server has lost whole streams (Jepsen's report on NATS 2.12.1, December 2025)."""


async def ensure_stream(client: Client, wanted: StreamSettings, answer_seconds: float) -> api.StreamInfo:
    """The stream, created if it is missing and ``max_bytes`` is set; refused if it may lose records.

    Raises ConfigurationError, and what NATS raises.
    """
    context = client.jetstream(timeout=answer_seconds)
    try:
        found = await context.stream_info(wanted.name)
    except NotFoundError:
        if wanted.max_bytes is None:
            raise
        try:
            found = await context.add_stream(_new(wanted))
        except APIError as error:
            if error.err_code != STREAM_IN_USE:
                raise
            found = await context.stream_info(wanted.name)  # another agent was first
    if problems := list(stream_problems(found.config, wanted)):
        step = "change the stream, or name another: the agent changes no stream"
        raise ConfigurationError(f"stream {wanted.name}: {'; '.join(problems)} ({step})", code="UNSAFE", next_step=step)
    return found


def stream_problems(found: api.StreamConfig, wanted: StreamSettings) -> Iterator[str]:
    """Why records would get lost in it, each with the key and its value."""
    if found.retention != api.RetentionPolicy.WORK_QUEUE:
        yield f"retention is {_text(found.retention)}, not workqueue: what is delivered stays, or is never kept"
    if found.storage != api.StorageType.FILE:
        yield f"storage is {_text(found.storage)}, not file: a restart of the server loses every record"
    if found.discard != api.DiscardPolicy.NEW:
        yield f"discard is {_text(found.discard)}, not new: a full stream deletes its oldest records, and says nothing"
    if found.max_age:
        yield f"max_age is {found.max_age:g} s, not 0: records that wait longer are deleted"
    if found.max_msgs_per_subject > 0:
        yield f"max_msgs_per_subject is {found.max_msgs_per_subject}, not -1: older records of a subject are deleted"
    if found.no_ack:
        yield "no_ack is true: the server never says that it has stored something"
    if found.sealed:
        yield "sealed is true: it takes nothing"
    if str(getattr(found, "persist_mode", None) or "default").lower() not in ("default", "persistmode.default"):
        yield "persist_mode is async: a record may be stored and not on disk"
    if found.mirror is not None or found.sources:
        yield "it copies from other streams"
    subject = subjects_of(wanted)
    if found.subjects and subject not in found.subjects:
        yield f"subjects are {', '.join(found.subjects)}, without {subject}"


def stream_warnings(found: api.StreamConfig) -> Iterator[str]:
    """What does not lose records, but should be known."""
    if found.max_bytes is None or found.max_bytes <= 0:
        yield "max_bytes is not set: an outage of the writers fills the server's disk"
    if found.duplicate_window < 60:
        yield f"duplicate_window is {found.duplicate_window:g} s: repeats that come later are stored again"


def server_warnings(info: dict[str, Any]) -> Iterator[str]:
    """What the server says of itself when a client connects."""
    version = str(info.get("version", ""))
    if _numbers(version) < OLDEST_SAFE:
        oldest = ".".join(map(str, OLDEST_SAFE))
        yield f"nats-server {version} is older than {oldest}: it may lose records that it has stored when it is killed"


def subjects_of(wanted: StreamSettings) -> str:
    """Every subject that agents publish to."""
    return f"{wanted.prefix}.>"


def _new(wanted: StreamSettings) -> api.StreamConfig:
    return api.StreamConfig(
        name=wanted.name,
        subjects=[subjects_of(wanted)],
        retention=api.RetentionPolicy.WORK_QUEUE,
        storage=api.StorageType.FILE,
        discard=api.DiscardPolicy.NEW,
        max_bytes=wanted.max_bytes,
        num_replicas=wanted.replicas,
        duplicate_window=wanted.duplicate_window_seconds,
    )


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.partition("-")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def _text(value: object) -> str:
    return str(getattr(value, "value", value))
