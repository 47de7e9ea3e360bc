"""A real python-snap7 server in a process of its own, and drivers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from plant.peer import PeerProcess
from s7_driver.config import S7DriverConfig
from s7_driver.driver import S7Driver

from agent_core.api import ComponentContext, settings
from agent_core.testing.settings import settings_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

MakeDriver = Callable[..., S7Driver]


@pytest.fixture(scope="session")
def running_plc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    with PeerProcess("s7_server", tmp_path_factory.mktemp("plc")) as plc:
        yield plc


@pytest.fixture
def plc(running_plc: PeerProcess) -> Iterator[PeerProcess]:
    yield running_plc
    for line in ("clear", "allow", "header_error 0"):
        running_plc.order(line)


@pytest.fixture
def config() -> Mapping[str, object]:
    """The driver's keys with the defaults of the schema, but a time-out that a busy machine keeps."""
    return settings_of("s7_driver", address="127.0.0.1:1", timeout=PATIENCE_SECONDS)


@pytest.fixture
def make_driver(tmp_path: Path, config: Mapping[str, object]) -> Iterator[MakeDriver]:
    """Makes drivers with ``config`` but for the changes; closes them at the end."""
    made: list[S7Driver] = []

    def make(**changes: object) -> S7Driver:
        context = ComponentContext("PLC01", "agent", tmp_path, "s7_driver")
        made.append(S7Driver(settings(S7DriverConfig, {**config, **changes}), context))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
