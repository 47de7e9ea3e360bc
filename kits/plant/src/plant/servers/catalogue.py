"""Catalogue: the tags of the plant, where they lie, and what they hold at each scan.

``python -m plant.servers.catalogue --csv tags.csv --yaml plant.yaml --address 127.0.0.1:5020`` writes the tag list and
the source's part of an agent.yaml.
"""

from __future__ import annotations

import argparse
import csv
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent_core.api import DataType, Value, float32_to_shortest

PLANT_TAGS = 3491
PLANT_GROUPS = 10
"""The reference plant."""

_PATTERN = (
    (DataType.FLOAT32,) * 6
    + (DataType.UINT16,) * 2
    + (DataType.INT32, DataType.BOOL)
    + (DataType.FLOAT32,) * 6
    + (DataType.UINT16,) * 2
    + (DataType.INT32, DataType.STRING)
)
_REGISTERS = {DataType.FLOAT32: 2, DataType.UINT16: 1, DataType.INT32: 2, DataType.BOOL: 1, DataType.STRING: 4}
_CODES = {
    DataType.FLOAT32: "f",
    DataType.UINT16: "H",
    DataType.INT32: "i",
    DataType.BOOL: "H",
    DataType.STRING: "8s",
}
_STRING_BYTES = 8
_GAP_REGISTERS = 40
"""Between two groups: more than a driver reads over."""


@dataclass(frozen=True, slots=True)
class PlantTag:
    """One tag. ``number`` counts from 0 through the whole plant, ``register`` is a holding register from 0."""

    name: str
    number: int
    group: str
    register: int
    data_type: DataType

    @property
    def registers(self) -> int:
        """How many it takes."""
        return _REGISTERS[self.data_type]

    @property
    def address(self) -> str:
        """As modbus_driver reads it."""
        return f"hr:{self.register}.{self._bit}" if self.data_type is DataType.BOOL else f"hr:{self.register}"

    @property
    def _bit(self) -> int:
        return self.number % 16

    def value(self, scan: int) -> Value:
        """What the tag holds at that scan (from 1). All but bools differ from scan to scan for 65,536 scans."""
        match self.data_type:
            case DataType.FLOAT32:
                hundredths = scan * 100 + self.number % 100
                return float32_to_shortest(struct.unpack(">f", struct.pack(">f", hundredths / 100))[0])
            case DataType.UINT16:
                return (scan + self.number) % 65536
            case DataType.INT32:
                return (scan * 1000 + self.number % 1000) * (-1 if self.number % 2 else 1)
            case DataType.BOOL:
                return (scan + self.number) % 2 == 1
            case _:
                return f"S{scan:07d}"

    def raw(self, scan: int) -> float | int | bytes:
        """The same as ``struct`` packs it into the registers."""
        value = self.value(scan)
        if isinstance(value, bool):
            return value << self._bit
        if isinstance(value, str):
            return value.encode("ascii")
        assert isinstance(value, float | int)
        return value


class PlantGroup:
    """The tags of one group, in neighbouring registers."""

    def __init__(self, name: str, tags: Sequence[PlantTag]) -> None:
        self.name = name
        self.tags = tuple(tags)
        self.first = self.tags[0].register
        self.stop = self.tags[-1].register + self.tags[-1].registers
        self._packing = struct.Struct(">" + "".join(_CODES[tag.data_type] for tag in self.tags))
        self._words = struct.Struct(f">{self.stop - self.first}H")

    def registers(self, scan: int) -> tuple[int, ...]:
        """The content of the registers ``first`` to ``stop`` at that scan."""
        return self._words.unpack(self._packing.pack(*(tag.raw(scan) for tag in self.tags)))

    def covered(self, register: int, count: int) -> list[PlantTag]:
        """The tags that lie wholly in ``count`` registers from ``register`` on."""
        stop = register + count
        return [tag for tag in self.tags if register <= tag.register and tag.register + tag.registers <= stop]


class Catalogue:
    """All groups of a plant of ``tags`` tags."""

    def __init__(self, tags: int = PLANT_TAGS, groups: int = PLANT_GROUPS) -> None:
        self.groups: list[PlantGroup] = []
        number = register = 0
        for index in range(groups):
            name = f"LINE1_PROCESS{index + 1}"
            members: list[PlantTag] = []
            for _ in range(tags * (index + 1) // groups - tags * index // groups):
                data_type = _PATTERN[number % len(_PATTERN)]
                members.append(PlantTag(f"T{number:05d}_{data_type.upper()}", number, name, register, data_type))
                register += _REGISTERS[data_type]
                number += 1
            self.groups.append(PlantGroup(name, members))
            register += _GAP_REGISTERS
        self.registers = register
        if register > 65536:
            raise ValueError(f"{tags} tags need {register} registers; a Modbus device has 65,536")

    @property
    def tags(self) -> list[PlantTag]:
        """The tags of all groups."""
        return [tag for group in self.groups for tag in group.tags]

    def group(self, name: str) -> PlantGroup:
        """The group of that name."""
        return next(group for group in self.groups if group.name == name)

    def write_csv(self, file: Path) -> None:
        """The tag list as polling_source reads it (``tags_from``)."""
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(("name", "address", "data_type", "length", "group"))
            for tag in self.tags:
                length = _STRING_BYTES if tag.data_type is DataType.STRING else ""
                writer.writerow((tag.name, tag.address, tag.data_type.value, length, tag.group))

    def source_yaml(self, address: str, tags_csv: str | Path, interval: str = "1s", timeout: str = "2s") -> str:
        """The ``sources:`` part of an agent.yaml that polls this plant."""
        file = Path(tags_csv).as_posix()
        groups = "\n".join(
            f'        - {{id: {group.name}, device: PLC01, interval: {interval}, tags_from: "{file}"}}'
            for group in self.groups
        )
        return f"""\
sources:
  - id: line1
    type: polling_source
    config:
      max_groups: {max(len(self.groups), PLANT_GROUPS)}
      devices:
        - {{id: PLC01, driver: modbus_driver, address: "{address}", timeout: {timeout}}}
      groups:
{groups}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the tag list of the plant, and the YAML that polls it.")
    parser.add_argument("--tags", type=int, default=PLANT_TAGS)
    parser.add_argument("--groups", type=int, default=PLANT_GROUPS)
    parser.add_argument("--interval", default="1s")
    parser.add_argument("--address", default="127.0.0.1:5020")
    parser.add_argument("--csv", type=Path, default=Path("tags.csv"))
    parser.add_argument("--yaml", type=Path, default=None, help="without it the YAML is printed")
    arguments = parser.parse_args()
    catalogue = Catalogue(arguments.tags, arguments.groups)
    catalogue.write_csv(arguments.csv)
    text = catalogue.source_yaml(arguments.address, arguments.csv, arguments.interval)
    if arguments.yaml is None:
        print(text, end="")
    else:
        arguments.yaml.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
