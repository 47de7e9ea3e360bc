"""A polling source over fake devices, on a clock that the test owns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pytest
from polling_source.config import NO_PACE, PaceConfig, PollingSourceConfig
from polling_source.source import PollingSource

from agent_core.api import Clock, ComponentContext, Config, Driver, DriverFactory
from agent_core.testing.clock import ManualClock

MakeSource = Callable[..., PollingSource]

DEFAULTS: Final[Mapping[str, object]] = {
    "wrong_tags": "refuse",
    "bad_records": "on_change",
    "backoff": {"initial": 1.0, "max": 30.0},
    "refused_retry": 60.0,
    "max_groups": 10,
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def make_source(tmp_path: Path, clock: ManualClock) -> MakeSource:
    """Makes a source that is not open: ``devices`` are drivers by device id, ``groups`` as the YAML has them,
    ``writable`` the devices that allow writes.
    """

    def make(
        devices: Mapping[str, Driver],
        groups: list[dict[str, object]],
        writable: Sequence[str] = (),
        clock: Clock = clock,
        connections: int = 1,
        pace: PaceConfig = NO_PACE,
        **changes: object,
    ) -> PollingSource:
        def create(config: Config, context: ComponentContext) -> Driver:
            assert not config, "the engine's own keys are not the driver's"
            return devices[context.component_id]

        factory = DriverFactory("fake_driver", {}, create, "a fake")
        config = {
            **DEFAULTS,
            "devices": [
                {
                    "id": id_,
                    "driver": "fake_driver",
                    "allow_writes": id_ in writable,
                    "connections": connections,
                    **asdict(pace),
                }
                for id_ in devices
            ],
            "groups": [{"mode": "fixed", **group} for group in groups],
            **changes,
        }
        context = ComponentContext("line1", "agent", tmp_path, "polling_source", clock, {"fake_driver": factory})
        return PollingSource(PollingSourceConfig.from_config(config), context)

    return make
