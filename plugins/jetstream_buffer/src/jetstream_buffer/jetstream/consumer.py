"""Consumer: the durable consumer that all writers of a stream share; created or checked, never changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nats.aio.client import Client
from nats.js import api
from nats.js.errors import NotFoundError

from agent_core.api import ConfigurationError


@dataclass(frozen=True, slots=True)
class ConsumerSettings:
    """``ack_wait``: a message whose holder has not been heard of for so long goes to another."""

    name: str
    ack_wait_seconds: float
    max_ack_pending: int


async def ensure_consumer(
    client: Client, stream: str, wanted: ConsumerSettings, answer_seconds: float
) -> api.ConsumerInfo:
    """The consumer, created if it is missing; refused if it may lose records.

    Raises ConfigurationError, and what NATS raises.
    """
    context = client.jetstream(timeout=answer_seconds)
    try:
        found: api.ConsumerInfo = await context.consumer_info(stream, wanted.name)
    except NotFoundError:
        found = await context.add_consumer(stream, _new(wanted))
    if problems := list(consumer_problems(found.config)):
        step = "change the consumer, or name another: the agent changes no consumer"
        message = f"consumer {wanted.name} of stream {stream}: {'; '.join(problems)} ({step})"
        raise ConfigurationError(message, code="UNSAFE", next_step=step)
    return found


def consumer_problems(found: api.ConsumerConfig) -> Iterator[str]:
    """Why records would get lost, or stuck, in it, each with the key and its value."""
    if found.max_deliver is not None and found.max_deliver > 0:
        yield f"max_deliver is {found.max_deliver}, not -1: what was delivered that often is given to nobody, for ever"
    if found.ack_policy != api.AckPolicy.EXPLICIT:
        yield f"ack_policy is {_text(found.ack_policy)}, not explicit: what a writer holds when it dies is lost"
    if found.deliver_policy != api.DeliverPolicy.ALL:
        yield f"deliver_policy is {_text(found.deliver_policy)}, not all: what came before is never delivered"
    if found.deliver_subject:
        yield "deliver_subject is set: it pushes, and the agent pulls"
    if found.filter_subject or found.filter_subjects:
        yield "filter_subject is set: it leaves records of other subjects in the stream"
    if found.headers_only:
        yield "headers_only is true: it delivers no records"
    if found.backoff:
        yield "backoff is set: it stands in place of ack_wait"
    if found.inactive_threshold:
        yield f"inactive_threshold is {found.inactive_threshold:g} s, not 0: it is deleted when no writer runs"


def _new(wanted: ConsumerSettings) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        durable_name=wanted.name,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=wanted.ack_wait_seconds,
        max_deliver=-1,
        max_ack_pending=wanted.max_ack_pending,
    )


def _text(value: object) -> str:
    return str(getattr(value, "value", value))
