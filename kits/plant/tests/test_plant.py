"""The plant serves what its catalogue says, logs it, and has the faults that tests set."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from plant.process import ModbusPlant
from plant.servers.catalogue import PLANT_TAGS, Catalogue, PlantTag
from plant.servers.request_log import Outcome
from pymodbus.client import ModbusTcpClient

from agent_core.api import DataType, Value


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[ModbusPlant]:
    with ModbusPlant(tmp_path, tags=40, groups=2) as plant:
        yield plant


@pytest.fixture
def client(plant: ModbusPlant) -> Iterator[ModbusTcpClient]:
    client = ModbusTcpClient("127.0.0.1", port=plant.port, timeout=60, retries=0)
    yield client
    client.close()  # type: ignore[no-untyped-call]


def test_the_reference_plant_fits_one_device_and_each_value_differs_from_scan_to_scan() -> None:
    catalogue = Catalogue()
    assert len(catalogue.tags) == PLANT_TAGS == len({tag.name for tag in catalogue.tags})
    assert len(catalogue.groups) == 10
    assert catalogue.registers <= 65536
    for tag in catalogue.tags[:40]:
        values = [tag.value(scan) for scan in range(1, 2000)]
        assert len(set(values)) == (2 if tag.data_type is DataType.BOOL else len(values))


def decoded(tag: PlantTag, registers: list[int]) -> Value:
    data = struct.pack(f">{len(registers)}H", *registers)
    match tag.data_type:
        case DataType.FLOAT32:
            return round(float(struct.unpack(">f", data)[0]), 2)
        case DataType.BOOL:
            return bool(registers[0] >> int(tag.address.partition(".")[2]) & 1)
        case DataType.STRING:
            return data.decode("ascii")
        case _:
            return int.from_bytes(data, "big", signed=tag.data_type is DataType.INT32)


def test_a_scan_begins_with_a_read_of_the_groups_first_register(plant: ModbusPlant, client: ModbusTcpClient) -> None:
    first, second = plant.catalogue.groups
    for scan in (1, 2, 3):
        registers = client.read_holding_registers(first.first, count=first.stop - first.first).registers
        for tag in first.tags:
            start = tag.register - first.first
            assert decoded(tag, list(registers[start : start + tag.registers])) == tag.value(scan)
    client.read_holding_registers(second.first, count=10)
    client.read_holding_registers(first.first + 2, count=2)
    requests = [(request.group, request.scan, request.address, request.units) for request in plant.log.requests()]
    assert requests[2:] == [
        (first.name, 3, first.first, first.stop - first.first),
        (second.name, 1, second.first, 10),
        (first.name, 3, first.first + 2, 2),
    ]


def test_a_comparison_names_what_is_missing_and_what_was_never_served(
    plant: ModbusPlant, client: ModbusTcpClient
) -> None:
    group = plant.catalogue.groups[0]
    for _ in range(2):
        client.read_holding_registers(group.first, count=5)
    tags = group.covered(group.first, 5)
    assert len(tags) == 2
    rows = [(tag.name, tag.value(scan)) for tag in tags for scan in (1, 2)]
    assert plant.log.compare(rows).equal
    assert plant.log.compare(rows[1:]).missing == {rows[0]: 1}
    assert plant.log.compare([*rows, rows[0], ("other", 1)]).unexpected == {rows[0]: 1, ("other", 1): 1}


def test_faults_come_and_go(plant: ModbusPlant, client: ModbusTcpClient) -> None:
    plant.refuse(3)
    assert client.read_holding_registers(0, count=3).exception_code == 0
    assert client.read_holding_registers(0, count=4).exception_code == 2
    plant.allow()
    assert client.read_holding_registers(0, count=4).exception_code == 0
    assert client.read_coils(0, count=4).bits[:4] == [True, False, False, True]
    plant.set_coil(1, True)
    assert client.read_coils(0, count=4).bits[:4] == [True, True, False, True]
    plant.wait_for_coil(1, True)
    outcomes = [request.outcome for request in plant.log.requests()]
    assert outcomes[:3] == [Outcome.SERVED, Outcome.REFUSED, Outcome.SERVED]


def test_a_paused_plant_refuses_connections_and_keeps_its_port(plant: ModbusPlant, client: ModbusTcpClient) -> None:
    assert client.connect()  # type: ignore[no-untyped-call]
    port = plant.port
    plant.pause()
    client.close()  # type: ignore[no-untyped-call]
    assert not client.connect()  # type: ignore[no-untyped-call]
    plant.resume()
    assert client.connect()  # type: ignore[no-untyped-call]
    assert plant.port == port


def test_a_wrong_order_is_answered_and_the_process_ends_with_the_test(plant: ModbusPlant) -> None:
    with pytest.raises(RuntimeError, match="unknown line"):
        plant.order("refuse everything")
    plant.stop()
    plant.stop()


def test_the_files_for_the_agent_are_written(plant: ModbusPlant, tmp_path: Path) -> None:
    file = plant.tags_csv(tmp_path / "tags.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "name,address,data_type,length,group"
    assert len(lines) == 41
    text = plant.source_yaml(file, interval="2s")
    assert f'address: "{plant.address}"' in text
    assert text.count("interval: 2s") == 2
