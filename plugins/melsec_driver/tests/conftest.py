"""Responders in processes of their own, and drivers for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import pytest
from melsec_driver.config import MelsecDriverConfig
from melsec_driver.driver import MelsecDriver
from plant.peer import PeerProcess

from agent_core.api import settings
from agent_core.testing.settings import settings_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

MakeDriver = Callable[..., MelsecDriver]


@pytest.fixture(scope="session")
def responders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], PeerProcess]]:
    """One responder for each data code and series, started when it is first asked for."""
    folder = tmp_path_factory.mktemp("responders")
    running: dict[tuple[str, str], PeerProcess] = {}

    def find(data_code: str, series: str) -> PeerProcess:
        if (data_code, series) not in running:
            peer = PeerProcess("mc_responder", folder, "--code", data_code, "--series", series)
            peer.start()
            running[data_code, series] = peer
        return running[data_code, series]

    yield find
    for peer in running.values():
        peer.stop()


@pytest.fixture
def config() -> Mapping[str, object]:
    """The driver's keys with the defaults of the schema, but a time-out that a busy machine keeps."""
    return settings_of("melsec_driver", address="127.0.0.1:1", timeout=PATIENCE_SECONDS)


@pytest.fixture
def make_driver(config: Mapping[str, object]) -> Iterator[MakeDriver]:
    """Makes drivers with ``config`` but for the changes; closes them at the end."""
    made: list[MelsecDriver] = []

    def make(**changes: object) -> MelsecDriver:
        made.append(MelsecDriver(settings(MelsecDriverConfig, {**config, **changes})))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
