"""The plugin: registers the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, DriverFactory, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from opcua_driver.driver import OpcuaDriver


def create(config: Config, context: ComponentContext) -> OpcuaDriver:
    """Make the driver of one device; the connection is made in ``connect``."""
    from opcua_driver.config import OpcuaDriverConfig
    from opcua_driver.driver import OpcuaDriver

    return OpcuaDriver(settings(OpcuaDriverConfig, config), context)


@hookimpl
def agent_register_driver() -> DriverFactory:
    return DriverFactory(
        type="opcua_driver",
        schema=load_schema("opcua_driver"),
        create=create,
        summary="reads OPC UA servers, many items in one request",
    )
