"""JetstreamBuffer: a buffer that other agents fill, and that several agents may empty."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent_core.api import (
    AuthenticationError,
    Batch,
    BufferStats,
    ComponentContext,
    Finding,
    Lease,
    LeaseError,
    RetryableError,
    Severity,
    SinkError,
)
from agent_core.api.codec import CodecError
from agent_core.api.files.private import make_private_folder
from jetstream_buffer.config import JetstreamBufferConfig
from jetstream_buffer.holding import Held, Holding
from jetstream_buffer.jetstream.connection import Connection
from jetstream_buffer.jetstream.consumer import ensure_consumer
from jetstream_buffer.jetstream.examination import examine, warnings_of
from jetstream_buffer.jetstream.failure import translate
from jetstream_buffer.jetstream.message import unpack
from jetstream_buffer.jetstream.pull import Message, Pull
from jetstream_buffer.jetstream.stream import ensure_stream

FETCH_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0
PROBE_SECONDS: Final = 30.0
"""Between two log-ins after one was refused, or something on the server has to be changed by a person."""
MAX_MESSAGES: Final = 50
ACKS_AT_ONCE: Final = 64
CLOSE_SECONDS: Final = 3.0


class JetstreamBuffer:
    """A Buffer; see ``agent_core.api.Buffer`` on *shared* ones.

    Messages are fetched while somebody waits for a lease, and held until their last record is settled: then the server
    is told to forget them. Until it has confirmed that, it hears every third of ``ack_wait`` that they are being worked
    on. Two coroutines in the connection's thread do all of this, so no caller ever waits for the network, except for
    records. A server that is away is an outage: leases are empty meanwhile, and ``advice`` says why.
    """

    durable = True
    blocks = False

    def __init__(self, config: JetstreamBufferConfig, context: ComponentContext) -> None:
        self._config = config
        self._context = context
        self._clock = context.clock
        self._log = context.log
        self._connection = Connection(config.server, f"tagferry {context.agent_name} {context.component_id}")
        self._damaged: Final = context.state_dir / "damaged" / context.component_id
        self._changed = threading.Condition()
        # Guarded by the condition's lock:
        self._holding = Holding()
        self._unacknowledged: dict[int, Held] = {}
        """Settled, and the server has not confirmed that it has forgotten them."""
        self._wanted: dict[int, int] = {}
        """By thread, how many records a lease waits for."""
        self._stopped = False
        self._error: SinkError | None = None
        self._set_aside = 0
        self._backlog: int | None = None
        # The loop's thread alone:
        self._usual = 0
        """Records of the last message."""
        self._pull: Pull | None = None
        self._client: object = None
        self._checked = False
        self._preparing: asyncio.Lock | None = None
        self._probe_at = 0.0
        self._ack_wait = config.consumer.ack_wait_seconds
        self._hurry: asyncio.Event | None = None
        self._something_to_acknowledge: asyncio.Event | None = None

    def open(self) -> None:
        """Create or check stream and consumer. Raises ConfigurationError for what would lose records.

        A server that is away, or refuses the log-in, stops nothing: it is tried again.
        """
        self._connection.open()
        try:
            self._connection.run(self._begin(), 4 * self._connection.answer_seconds)
        except BaseException:
            self._connection.close()
            raise
        self._connection.submit(self._feed())
        self._connection.submit(self._keep())

    def close(self) -> None:
        """Give back what is held: another agent gets it at once."""
        self.stop_waiting()
        with suppress(SinkError, TimeoutError):
            self._connection.run(self._end(), CLOSE_SECONDS)
        self._connection.close()

    def append(self, batch: Batch) -> Batch:  # noqa: ARG002 - the contract's name
        raise OSError("jetstream_buffer is filled by agents with jetstream_sink; its sink has no inputs")

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        if max_records < 1:
            raise ValueError(f"a lease is of one record or more, not {max_records}")
        with self._changed:
            if max_wait_seconds > 0 and self._holding.ready < max_records:
                self._wait_for_records(max_records, max_wait_seconds)
            return self._holding.lease(max_records)

    def settle(self, lease: Lease) -> None:
        with self._changed:
            done = self._holding.settle(lease)
            if done is None:
                raise self._not_out(lease)
            self._unacknowledged.update((held.sequence, held) for held in done)
        if done:
            self._wake(self._something_to_acknowledge)

    def release(self, lease: Lease) -> None:
        with self._changed:
            if not self._holding.release(lease):
                raise self._not_out(lease)
            self._changed.notify_all()

    def stop_waiting(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stats(self) -> BufferStats:
        with self._changed:
            oldest_at = self._holding.oldest_at()
            return BufferStats(
                capacity_records=self._config.capacity_records,
                ready_records=self._holding.ready,
                leased_records=self._holding.leased,
                recovered_records=self._holding.recovered,
                oldest_age_seconds=0.0 if oldest_at is None else max(0.0, self._clock.monotonic() - oldest_at),
                backlog_messages=self._backlog,
            )

    def advice(self) -> Sequence[Finding]:
        """Why no records come, and what was set aside."""
        with self._changed:
            error, set_aside = self._error, self._set_aside
        found: list[Finding] = []
        if error is not None:
            found.append(Finding(Severity.CRITICAL, self._connection.name, str(error), error.next_step))
        if set_aside:
            step = f"see the log, and keep {self._damaged}: it has their bytes"
            found.append(Finding(Severity.CRITICAL, "damaged messages", f"{set_aside} messages were set aside", step))
        return found

    def diagnose(self) -> Iterable[Finding]:
        """Log in once, look at the server, the stream and the consumer."""
        return examine(self._config.server, self._config.stream, self._config.consumer)

    def _wait_for_records(self, max_records: int, max_wait_seconds: float) -> None:
        """Return when a lease is due: enough records, the oldest is old enough, time is up, or ``stop_waiting``."""
        me, now = threading.get_ident(), self._clock.monotonic()
        give_up_at = now + max_wait_seconds
        try:
            while not self._stopped and self._holding.ready < max_records:
                oldest_at = self._holding.oldest_at()
                due_at = give_up_at if oldest_at is None else min(give_up_at, oldest_at + max_wait_seconds)
                if now >= due_at:
                    return
                self._wanted[me] = max_records
                self._wake(self._hurry)
                self._clock.wait(self._changed, due_at - now)
                now = self._clock.monotonic()
        finally:
            self._wanted.pop(me, None)

    def _not_out(self, lease: Lease) -> LeaseError:
        return LeaseError(
            f"buffer of {self._context.component_id}: lease {lease.token} is not out; "
            "it was already settled or released, or another buffer made it"
        )

    def _wake(self, event: asyncio.Event | None) -> None:
        if event is not None:
            self._connection.soon(event.set)

    # From here on: the loop's thread.

    async def _begin(self) -> None:
        self._hurry, self._something_to_acknowledge = asyncio.Event(), asyncio.Event()
        self._preparing = asyncio.Lock()
        try:
            await self._connected()
        except (RetryableError, AuthenticationError) as error:
            self._failed(error)

    async def _connected(self) -> Pull:
        """The engine of a connection whose stream and consumer are checked. Raises SinkError."""
        assert self._preparing is not None
        async with self._preparing:
            if self._error is not None and asyncio.get_running_loop().time() < self._probe_at:
                raise self._error
            client = await self._connection.client()
            if self._checked and self._pull is not None and client is self._client:
                return self._pull
            config, seconds = self._config, self._connection.answer_seconds
            try:
                info = await self._connection.answer(ensure_stream(client, config.stream, seconds))
                consumer = await self._connection.answer(
                    ensure_consumer(client, config.stream.name, config.consumer, seconds)
                )
            except Exception as error:
                await self._connection.disconnect()
                raise translate(error, f"stream {config.stream.name}") from error
            self._ack_wait = consumer.config.ack_wait or self._ack_wait
            if self._pull is None or client is not self._client:  # else what it has asked for may still come
                self._client, self._pull = client, Pull(client, config.stream.name, config.consumer.name, seconds)
            self._checked = True
            server = client.connected_url.netloc if client.connected_url else ""
            sink, stream = self._context.component_id, config.stream.name
            self._log.info("stream opened", sink=sink, stream=stream, server=server, every=sink)
            for warning in await warnings_of(client, config.server, info.config):
                self._log.warning("stream warning", sink=sink, stream=stream, problem=warning, every=warning)
            self._worked()
            return self._pull

    def _failed(self, error: SinkError) -> None:
        seconds = RETRY_SECONDS if isinstance(error, RetryableError) else PROBE_SECONDS
        self._checked, self._probe_at = False, asyncio.get_running_loop().time() + seconds
        with self._changed:
            self._error = error
        sink = self._context.component_id
        self._log.warning("stream unavailable", sink=sink, error=error, next_probe_seconds=seconds, every=sink)

    def _worked(self) -> None:
        with self._changed:
            self._error = None

    async def _feed(self) -> None:
        """Fetch what leases wait for, until the buffer is stopped."""
        assert self._hurry is not None
        while not self._stopped:
            try:
                pull = await self._connected()
                if count := self._missing():
                    for message in await pull.fetch(count, FETCH_SECONDS):
                        await self._take(pull, message)
                else:
                    self._hurry.clear()
                    if not self._missing():
                        with suppress(TimeoutError):
                            await asyncio.wait_for(self._hurry.wait(), FETCH_SECONDS)
            except Exception as error:
                await self._after(error)

    async def _after(self, error: Exception) -> None:
        """A failure of the network, or a defect: neither ends the coroutine."""
        found = error if isinstance(error, SinkError) else translate(error, f"stream {self._config.stream.name}")
        if found is not self._error:
            self._failed(found)
        await asyncio.sleep(max(0.05, min(RETRY_SECONDS, self._probe_at - asyncio.get_running_loop().time())))

    def _missing(self) -> int:
        """How many messages to fetch: for the records that leases wait for, by the size of the last message."""
        with self._changed:
            holding = self._holding
            wanted = sum(self._wanted.values()) - holding.ready
            if wanted <= 0 or self._stopped or holding.ready + holding.leased >= self._config.capacity_records:
                return 0
            return max(1, min(MAX_MESSAGES, wanted // self._usual)) if self._usual else 1

    async def _take(self, pull: Pull, message: Message) -> None:
        with self._changed:
            self._backlog = message.waiting
            known = self._holding.messages.get(message.sequence) or self._unacknowledged.get(message.sequence)
            if known is not None:  # ack_wait ended before the server heard of us: it is still ours
                known.reply = message.reply
                return
            stopped = self._stopped
        if stopped:
            await pull.nak(message.reply)
            return
        try:
            batch = unpack(message.payload)
        except CodecError as error:
            await self._put_aside(pull, message, error)
            return
        with self._changed:
            self._usual = len(batch)
            if batch:
                self._holding.take(Held(message.sequence, message.reply, batch, self._clock.monotonic()))
                self._changed.notify_all()
                return
        await pull.ack(message.reply)

    async def _put_aside(self, pull: Pull, message: Message, why: Exception) -> None:
        """Keep the bytes of a message that is damaged or from a newer version; nobody gets it again."""
        path = self._damaged / f"{self._config.stream.name}-{message.sequence}.bin"
        await asyncio.to_thread(_store, path, message.payload)
        await pull.term(message.reply)
        with self._changed:
            self._set_aside += 1
        self._log.error(
            "message set aside",
            sink=self._context.component_id,
            stream=self._config.stream.name,
            sequence=message.sequence,
            path=path,
            error=why,
            every=f"{self._context.component_id} {message.sequence}",
            next_step="find out who publishes to the stream; a newer version's messages need a newer agent here",
        )

    async def _keep(self) -> None:
        """Tell the server what is done, and that the rest is being worked on; for as long as the loop runs."""
        assert self._something_to_acknowledge is not None
        time = asyncio.get_running_loop().time
        extend_at = time() + self._ack_wait / 3
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something_to_acknowledge.wait(), max(0.01, extend_at - time()))
            self._something_to_acknowledge.clear()
            try:
                pull = await self._connected()
                if time() >= extend_at:
                    extend_at = time() + self._ack_wait / 3
                    await self._extend(pull)
                await self._acknowledge(pull)
            except Exception as error:
                await self._after(error)
                self._something_to_acknowledge.set()

    async def _extend(self, pull: Pull) -> None:
        with self._changed:
            replies = [held.reply for held in (*self._holding.messages.values(), *self._unacknowledged.values())]
        for reply in replies:
            await pull.extend(reply)
        backlog = await self._connection.answer(pull.waiting())
        with self._changed:
            self._backlog = backlog

    async def _acknowledge(self, pull: Pull) -> None:
        while True:
            with self._changed:
                done = list(self._unacknowledged.values())[:ACKS_AT_ONCE]
            if not done:
                return
            asking = asyncio.gather(*(pull.ack(held.reply) for held in done))
            await self._connection.answer(_result(asking))
            with self._changed:
                for held in done:
                    self._unacknowledged.pop(held.sequence, None)

    async def _end(self) -> None:
        """Acknowledge what is done, give the rest back, and send all of that."""
        if self._preparing is None or self._pull is None:
            return
        pull = self._pull
        async with asyncio.timeout(CLOSE_SECONDS):
            await self._acknowledge(pull)
            with self._changed:
                replies = [held.reply for held in self._holding.messages.values()]
            for reply in (*replies, *pull.undelivered()):
                await pull.nak(reply)
            await pull.flush()


async def _result(future: asyncio.Future[list[None]]) -> list[None]:
    return await future


def _store(path: Path, data: bytes) -> None:
    make_private_folder(path.parent)
    path.write_bytes(data)
