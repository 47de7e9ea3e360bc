"""A real asyncua server in a process of its own, and drivers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from opcua_driver.config import OpcuaDriverConfig
from opcua_driver.driver import OpcuaDriver
from plant.peer import PeerProcess

from agent_core.api import ComponentContext, settings
from agent_core.testing.settings import settings_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

NOON: Final = "time Float 134117424001234560"
"""2026-01-01T12:00:00.123456Z, as the server begins with."""

MakeDriver = Callable[..., OpcuaDriver]


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerProcess]:
    with PeerProcess("opcua_server", tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def server(running_server: PeerProcess) -> Iterator[PeerProcess]:
    yield running_server
    restored = ("status Float 0", "set Float Float 0.1", NOON, "status Int16 0", "status Byte 0")
    for line in ("clear", "fault 0", *restored):
        running_server.order(line)


@pytest.fixture
def config() -> Mapping[str, object]:
    """The driver's keys with the defaults of the schema, but a time-out that a busy machine keeps."""
    return settings_of("opcua_driver", address="opc.tcp://127.0.0.1:1", timeout=PATIENCE_SECONDS)


@pytest.fixture
def make_driver(tmp_path: Path, config: Mapping[str, object]) -> Iterator[MakeDriver]:
    """Makes drivers with ``config`` but for the changes; closes them at the end."""
    made: list[OpcuaDriver] = []

    def make(**changes: object) -> OpcuaDriver:
        context = ComponentContext("PLC01", "agent", tmp_path, "opcua_driver")
        made.append(OpcuaDriver(settings(OpcuaDriverConfig, {**config, **changes}), context))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
