"""How the agent finds the driver."""

from __future__ import annotations

from agent_core.api import ComponentContext, Config, DriverFactory, hookimpl, load_schema, settings
from simulator_driver.config import SimulatorDriverConfig
from simulator_driver.driver import SimulatorDriver


def create(config: Config, context: ComponentContext) -> SimulatorDriver:
    """Make the driver of one device. Pure."""
    return SimulatorDriver(settings(SimulatorDriverConfig, config), context.clock)


@hookimpl
def agent_register_driver() -> DriverFactory:
    """Provide ``simulator_driver``."""
    return DriverFactory(
        type="simulator_driver",
        schema=load_schema("simulator_driver"),
        create=create,
        summary="a simulated device, no PLC needed: ramps, sines, noise, counters, states",
    )
