"""A real nats-server for all tests; each has a stream of its own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings, TimeoutsConfig
from jetstream_buffer.testing import NatsServer, running_server
from jetstream_sink.config import JetstreamSinkConfig, Repeats
from jetstream_sink.sink import JetstreamSink

from agent_core.api import ComponentContext, Secret

numbers = itertools.count()
USERS = "authorization { users: [{ user: agent, password: right }, { user: other, password: right }] }"
MakeSink = Callable[..., JetstreamSink]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    with running_server(tmp_path_factory.mktemp("nats"), USERS) as server:
        yield server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[NatsServer]:
    """One that a test may kill."""
    with running_server(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def make_sink(server: NatsServer, tmp_path: Path) -> Iterator[MakeSink]:
    made: list[JetstreamSink] = []

    def make(
        *,
        url: str | None = None,
        stream: str | None = None,
        password: str | None = "right",
        max_bytes: int | None = 64 * 1024 * 1024,
        repeats: Repeats = Repeats.RECOGNISED_DOWNSTREAM,
        login: float = 30.0,
        answer: float = 30.0,
        **keys: object,
    ) -> JetstreamSink:
        name = stream or f"S{next(numbers)}"
        options: dict[str, object] = {
            "servers": (url or server.url,),
            "user": "agent" if password else None,
            "password": Secret(lambda: password) if password else None,
            "nkey": None,
            "credentials": None,
            "tls": None,
            "monitor": None,
            "timeouts": TimeoutsConfig(login, answer),
        }
        config = ServerConfig(**{**options, **keys})  # type: ignore[arg-type]
        settings = StreamSettings(name, name.lower(), max_bytes, 1, 3600.0)
        context = ComponentContext("edge", "line 1", tmp_path, "jetstream_sink")
        made.append(JetstreamSink(JetstreamSinkConfig(config, settings, repeats), context))
        return made[-1]

    yield make
    for sink in made:
        sink.close()
