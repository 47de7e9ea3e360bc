"""The plugin: registers the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, DriverFactory, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from s7_driver.driver import S7Driver


def create(config: Config, context: ComponentContext) -> S7Driver:
    """Make the driver of one device; the connection is made in ``connect``."""
    from s7_driver.config import S7DriverConfig
    from s7_driver.driver import S7Driver

    return S7Driver(settings(S7DriverConfig, config), context)


@hookimpl
def agent_register_driver() -> DriverFactory:
    return DriverFactory(
        type="s7_driver",
        schema=load_schema("s7_driver"),
        create=create,
        summary="reads Siemens S7 PLCs in blocks",
    )
