"""ReadPlan: which blocks to read of a device's memory for the tags of one group, made once.

Tags are sorted by place; a block grows while the gap to the next tag is one the driver tolerates and the whole stays
within one request. Taking each tag into the running block whenever it fits gives the fewest blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from agent_core.api import AddressError, BlockDriver, ConfigProblem, DataType, Point, TagSpec
from polling_source.reading.decode import Decoder, compile_decoder
from polling_source.tags.tag import PlacedTag


@dataclass(frozen=True, slots=True)
class Block:
    """One request: ``units`` of ``area`` from ``start`` on. ``size_bytes`` is what ``read_block`` must return.

    ``decoder.order`` holds the positions in the plan that it gives values for. ``words``: 16-bit words that it brings,
    ``wasted_words`` of them for no tag, both rounded.
    """

    area: str
    start: int
    units: int
    size_bytes: int
    decoder: Decoder
    words: int = 0
    wasted_words: int = 0

    @property
    def what(self) -> str:
        """As people call it: ``hr 100 to 224``."""
        return f"{self.area} {self.start}" + (f" to {self.start + self.units - 1}" if self.units > 1 else "")

    @property
    def positions(self) -> tuple[int, ...]:
        """Positions in the plan, in the order of the decoded values."""
        return self.decoder.order


class ReadPlan:
    """The tags of a group, numbered, and the blocks that hold them. The positions of each block follow one another.

    ``tags`` and ``points`` are in the order of the positions. Immutable after it is made.
    """

    def __init__(self, driver: BlockDriver, tags: Sequence[TagSpec], points: Sequence[Point]) -> None:
        self._driver = driver
        self.tags = tuple(tags)
        self.points = tuple(points)
        blocks = [self.block(positions) for positions in self._cover()]
        # Number the tags again, so that a poll's values are the blocks' values one after the other.
        order = [position for block in blocks for position in block.positions]
        self.tags = tuple(tags[position] for position in order)
        self.points = tuple(points[position] for position in order)
        first = 0
        renumbered: list[Block] = []
        for block in blocks:
            positions = tuple(range(first, first + len(block.positions)))
            renumbered.append(replace(block, decoder=replace(block.decoder, order=positions)))
            first += len(positions)
        self.blocks = tuple(renumbered)

    def block(self, positions: Sequence[int]) -> Block:
        """The one block that holds ``positions``, all of one area."""
        area = self.points[positions[0]].area
        limits = self._driver.area(area)
        start, stop = self._bounds(positions)
        start -= start % limits.alignment_units
        decoder = compile_decoder(
            [(position, self.tags[position], self.points[position]) for position in positions],
            start,
            limits.unit_bits,
            self._driver.word_order,
            self._driver.byte_order,
        )
        units = stop - start
        return Block(
            area,
            start,
            units,
            units * max(limits.unit_bits // 8, 1),
            decoder,
            words=round(units * limits.unit_bits / 16),
            wasted_words=round((units - self._used_units(positions)) * limits.unit_bits / 16),
        )

    def by_place(self, positions: Iterable[int]) -> list[int]:
        """``positions`` in the order of device memory."""
        points = self.points
        return sorted(positions, key=lambda position: (points[position].area, points[position].start, position))

    def _bounds(self, positions: Sequence[int]) -> tuple[int, int]:
        points = self.points
        return min(points[position].start for position in positions), max(
            points[position].start + points[position].units for position in positions
        )

    def _used_units(self, positions: Iterable[int]) -> int:
        """How many units belong to at least one of ``positions``."""
        used, end = 0, -1
        for position in self.by_place(positions):
            point = self.points[position]
            stop = point.start + point.units
            used += max(stop - max(point.start, end), 0)
            end = max(end, stop)
        return used

    def _cover(self) -> Iterator[list[int]]:
        """The positions of each block."""
        positions: list[int] = []
        area, start, stop = "", 0, 0
        for position in self.by_place(range(len(self.points))):
            point = self.points[position]
            limits = self._driver.area(point.area)
            end = point.start + point.units
            fits = point.start - stop <= limits.max_gap_units and max(stop, end) - start <= limits.max_units
            if positions and point.area == area and fits:
                positions.append(position)
                stop = max(stop, end)
                continue
            if positions:
                yield positions
            positions, area, stop = [position], point.area, end
            start = point.start - point.start % limits.alignment_units
        if positions:
            yield positions


def locate_tags(
    driver: BlockDriver, tags: Sequence[PlacedTag]
) -> tuple[Sequence[tuple[PlacedTag, Point]], Sequence[ConfigProblem]]:
    """Where each tag lies, and a problem for each that the driver cannot read."""
    points: list[tuple[PlacedTag, Point]] = []
    problems: list[ConfigProblem] = []
    for tag in tags:
        try:
            point = driver.locate(tag.spec)
            _check_point(driver, tag.spec, point)
        except AddressError as error:
            problems.append(tag.place.problem(f"tag {tag.spec.name}: {error}"))
        else:
            points.append((tag, point))
    return points, problems


def _check_point(driver: BlockDriver, spec: TagSpec, point: Point) -> None:
    """What the plan relies on, whatever the driver."""
    limits = driver.area(point.area)
    if spec.data_type is DataType.BOOL:
        if limits.unit_bits > 1 and not 0 <= (-1 if point.bit is None else point.bit) < limits.unit_bits:
            raise AddressError(f"{spec.address!r}: a bool needs one of the bits 0 to {limits.unit_bits - 1}")
    elif limits.unit_bits == 1:
        raise AddressError(f"{spec.address!r} is one bit, so its data type is bool, not {spec.data_type}")
    else:
        size_bytes = spec.length_bytes if spec.data_type is DataType.STRING else spec.data_type.size_bytes or 0
        if point.units * limits.unit_bits < size_bytes * 8:
            raise AddressError(f"{spec.address!r}: {size_bytes} bytes do not fit {point.units} units")
    aligned = point.start - point.start % limits.alignment_units
    if point.start + point.units - aligned > limits.max_units:
        raise AddressError(
            f"{spec.address!r}: {point.units} units are more than one request reads ({limits.max_units})"
        )
