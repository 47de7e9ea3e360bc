"""modbus_driver against a server that nobody here wrote: its author's misunderstandings are not ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from modbus_driver.driver import ModbusDriver

from agent_core.api import DataType, ReadRefused, TagSpec

if os.environ.get("CI") != "true":  # where its absence is a failure
    pytest.importorskip("pyModbusTCP")

from pyModbusTCP.server import DataBank, ModbusServer  # type: ignore[import-untyped]


@pytest.fixture
def peer() -> Iterator[tuple[str, DataBank]]:
    """A pyModbusTCP server whose word n holds 3 n, and every third bit is set."""
    bank = DataBank(coils_size=4000, d_inputs_size=4000, h_regs_size=1000, i_regs_size=1000)
    bank.set_holding_registers(0, [3 * number for number in range(1000)])
    bank.set_input_registers(0, [3 * number + 1 for number in range(1000)])
    bank.set_coils(0, [number % 3 == 0 for number in range(4000)])
    bank.set_discrete_inputs(0, [number % 3 == 1 for number in range(4000)])
    server = ModbusServer("127.0.0.1", 0, no_block=True, data_bank=bank)
    server.start()
    host, port = server._service.server_address[:2]
    yield f"{host}:{port}", bank
    server.stop()


def test_a_server_of_another_author_is_read_and_written(
    peer: tuple[str, DataBank], make_driver: Callable[..., ModbusDriver]
) -> None:
    address, bank = peer
    driver = make_driver(address=address)
    assert driver.read_block("hr", 100, 3) == b"\x01\x2c\x01\x2f\x01\x32"
    assert driver.read_block("ir", 100, 1) == b"\x01\x2d"
    assert len(driver.read_block("hr", 0, 125)) == 250
    assert driver.read_block("co", 1, 9) == bytes((0, 0, 1) * 3)
    assert driver.read_block("di", 1, 9) == bytes((1, 0, 0) * 3)
    assert len(driver.read_block("co", 0, 2000)) == 2000
    with pytest.raises(ReadRefused, match="illegal data address") as raised:
        driver.read_block("hr", 990, 20)
    assert raised.type is ReadRefused
    driver.write_bit(TagSpec("T", "co:1", DataType.BOOL), True)
    assert bank.get_coils(0, 3) == [True, True, False]
    assert driver.read_block("hr", 1, 1) == b"\x00\x03", "the connection is still usable"
