"""A real pymodbus server in a process of its own, and drivers for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from modbus_driver.config import ModbusDriverConfig
from modbus_driver.driver import ModbusDriver
from plant.process import ModbusPlant

from agent_core.api import ComponentContext, settings
from agent_core.testing.settings import settings_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

MakeDriver = Callable[..., ModbusDriver]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModbusPlant]:
    with ModbusPlant(tmp_path_factory.mktemp("plant"), tags=200, groups=2) as plant:
        yield plant


@pytest.fixture
def config() -> Mapping[str, object]:
    """The driver's keys with the defaults of the schema, but a time-out that a busy machine keeps."""
    return settings_of("modbus_driver", address="127.0.0.1:1", timeout=PATIENCE_SECONDS)


@pytest.fixture
def make_driver(tmp_path: Path, config: Mapping[str, object]) -> Iterator[MakeDriver]:
    """Makes drivers with ``config`` but for the changes; closes them at the end."""
    made: list[ModbusDriver] = []

    def make(**changes: object) -> ModbusDriver:
        context = ComponentContext("PLC01", "agent", tmp_path, "modbus_driver")
        made.append(ModbusDriver(settings(ModbusDriverConfig, {**config, **changes}), context))
        return made[-1]

    yield make
    for driver in made:
        driver.close()
