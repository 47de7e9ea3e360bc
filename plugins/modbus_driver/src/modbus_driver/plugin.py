"""The plugin: registers the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, DriverFactory, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from modbus_driver.driver import ModbusDriver


def create(config: Config, context: ComponentContext) -> ModbusDriver:
    """Make the driver of one device; the connection is made in ``connect``."""
    from modbus_driver.config import ModbusDriverConfig
    from modbus_driver.driver import ModbusDriver

    return ModbusDriver(settings(ModbusDriverConfig, config), context)


@hookimpl
def agent_register_driver() -> DriverFactory:
    return DriverFactory(
        type="modbus_driver",
        schema=load_schema("modbus_driver"),
        create=create,
        summary="reads Modbus TCP devices in blocks",
    )
