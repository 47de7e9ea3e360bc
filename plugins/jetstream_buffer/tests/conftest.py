"""A real nats-server for all tests; each has a stream of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import nats
import pytest
from jetstream_buffer.buffer import JetstreamBuffer
from jetstream_buffer.config import JetstreamBufferConfig
from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings, TimeoutsConfig
from jetstream_buffer.jetstream.consumer import ConsumerSettings
from jetstream_buffer.jetstream.message import pack
from jetstream_buffer.testing import NatsServer, running_server
from nats.js import JetStreamContext

from agent_core.api import Batch, Clock, ComponentContext, Secret, SystemClock

T = TypeVar("T")
numbers = itertools.count()
MakeStream = Callable[..., "Stream"]


class Stream:
    """One stream, as seen from outside: an edge that fills it, and an administrator."""

    def __init__(self, server: NatsServer, folder: Path) -> None:
        self.name = f"B{next(numbers)}"
        self.server = server
        self._folder = folder
        self._made: list[JetstreamBuffer] = []

    def buffer(
        self,
        capacity: int = 1000,
        *,
        clock: Clock | None = None,
        ack_wait: float = 30.0,
        user: str | None = None,
        url: str | None = None,
    ) -> JetstreamBuffer:
        """One more agent's, not open; it is closed when the test ends."""
        password = None if user is None else Secret(lambda: "wrong")
        server = ServerConfig(
            (url or self.server.url,), user, password, None, None, None, self.server.monitor, TimeoutsConfig(30.0, 30.0)
        )
        settings = StreamSettings(self.name, self.name.lower(), 64_000_000, 1, 3600.0)
        config = JetstreamBufferConfig(server, settings, ConsumerSettings("writers", ack_wait, 10_000), capacity)
        context = ComponentContext("warehouse", "line-1", self._folder, "jetstream_buffer", clock or SystemClock())
        self._made.append(JetstreamBuffer(config, context))
        return self._made[-1]

    def publish(self, *batches: Batch) -> None:
        async def ask(jetstream: JetStreamContext) -> None:
            for batch in batches:
                for packed in pack(batch, 1_000_000):
                    await jetstream.publish(f"{self.name.lower()}.edge", packed.payload or b"", headers=packed.headers)

        self.ask(ask)

    def ask(self, question: Callable[[JetStreamContext], Coroutine[Any, Any, T]]) -> T:
        async def talk() -> T:
            client = await nats.connect(self.server.url, allow_reconnect=False)
            try:
                return await question(client.jetstream())
            finally:
                await client.close()

        return asyncio.run(talk())

    def messages(self) -> int:
        """How many the server has not been told to forget."""
        return self.ask(lambda jetstream: jetstream.stream_info(self.name)).state.messages

    def close(self) -> None:
        for buffer in self._made:
            buffer.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_server(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    """One that a test may kill."""
    with running_server(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def make_stream(server: NatsServer, tmp_path: Path) -> Iterator[MakeStream]:
    made: list[Stream] = []

    def make(of: NatsServer | None = None) -> Stream:
        made.append(Stream(of or server, tmp_path))
        return made[-1]

    yield make
    for stream in made:
        stream.close()


@pytest.fixture
def stream(make_stream: MakeStream) -> Stream:
    return make_stream()
