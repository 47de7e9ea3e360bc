"""The plugin: registers the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, DriverFactory, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from melsec_driver.driver import MelsecDriver


def create(config: Config, context: ComponentContext) -> MelsecDriver:  # noqa: ARG001 - the contract's signature
    """Make the driver of one device; the connection is made in ``connect``."""
    from melsec_driver.config import MelsecDriverConfig
    from melsec_driver.driver import MelsecDriver

    return MelsecDriver(settings(MelsecDriverConfig, config))


@hookimpl
def agent_register_driver() -> DriverFactory:
    return DriverFactory(
        type="melsec_driver",
        schema=load_schema("melsec_driver"),
        create=create,
        summary="reads Mitsubishi PLCs (MC protocol 3E, SLMP) in blocks",
    )
