"""simulator_driver is an item driver as the contract says."""

from __future__ import annotations

from collections.abc import Sequence

from simulator_driver.config import SimulatorDriverConfig
from simulator_driver.driver import SimulatorDriver

from agent_core.api import DataType, SystemClock, TagSpec, Value
from agent_core.testing.drivers import ItemDriverContract


class TestSimulatorDriver(ItemDriverContract):
    def make_driver(self) -> SimulatorDriver:
        return SimulatorDriver(SimulatorDriverConfig("", 2.0, 1, 0.0), SystemClock())

    def make_unreachable_driver(self) -> None:
        """A simulated device always answers."""

    def good_tags(self) -> Sequence[TagSpec]:
        return [
            TagSpec("RECIPE", "constant:LEMON 0.5", DataType.STRING, length_bytes=20),
            TagSpec("SETPOINT", "constant:21.5", DataType.FLOAT32),
            TagSpec("RUNNING", "constant:1", DataType.BOOL),
            TagSpec("LEVEL", "ramp:min=0,max=100,period=60s", DataType.FLOAT32),
            TagSpec("LOOSE_WIRE", "constant:5,bad=1", DataType.INT16),
        ]

    def expected_value(self, tag: TagSpec) -> Value:
        known: dict[str, Value] = {"RECIPE": "LEMON 0.5", "SETPOINT": 21.5, "RUNNING": True}
        return known.get(tag.name)

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [
            TagSpec("T", address, DataType.INT16)
            for address in ("", "hr:100", "rmap:min=0", "ramp:mni=0", "constant", "text:RUN|IDLE", "constant:70000")
        ]
