"""opcua_driver passes the suite that every item driver has to pass, against a real asyncua server."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

import pytest
from opcua_driver.driver import OpcuaDriver
from plant.peer import PeerProcess

from agent_core.api import DataType, Driver, TagSpec, Value
from agent_core.testing.drivers import ItemDriverContract

EXPECTED: dict[str, Value] = {
    "nsu=urn:plant;s=Boolean": True,
    "nsu=urn:plant;s=Int16": -300,
    "nsu=urn:plant;s=UInt64": 18000000000000000000,
    "nsu=urn:plant;s=Float": 0.1,
    "nsu=urn:plant;s=Double": 0.1,
    "nsu=urn:plant;s=String": "설비 1",
    "nsu=urn:plant;s=DateTime": "2026-01-01T12:00:00.123456Z",
    "nsu=urn:plant;s=LocalizedText": "Läuft",
    "nsu=urn:plant;s=Line;1.Speed[2]": 7,
    "index=1;nsu=urn:plant;s=Array": 0.1,
    "i=2259": 0,
}


def tag(address: str) -> TagSpec:
    return TagSpec(address, address, DataType.FLOAT32)


class TestOpcuaDriver(ItemDriverContract):
    @pytest.fixture(autouse=True)
    def devices(self, server: PeerProcess, make_driver: Callable[..., OpcuaDriver]) -> None:
        self._server = server
        self._make_driver = make_driver

    def make_driver(self) -> OpcuaDriver:
        return self._make_driver(address=f"opc.tcp://{self._server.address}/plant")

    def make_unreachable_driver(self) -> OpcuaDriver:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            return self._make_driver(address=f"opc.tcp://127.0.0.1:{unused.getsockname()[1]}", timeout=0.6)

    def good_tags(self) -> Sequence[TagSpec]:
        return [tag(address) for address in EXPECTED]

    def expected_value(self, tag: TagSpec) -> Value:
        return EXPECTED[tag.address]

    def missing_tag(self) -> TagSpec:
        return tag("nsu=urn:plant;s=Nowhere")

    def wrong_tags(self) -> Sequence[TagSpec]:
        return [tag("D100"), tag("ns=2;i=x"), tag("nsu=urn:plant")]

    def break_connection(self, driver: Driver) -> bool:
        self._server.order("drop")
        return True
