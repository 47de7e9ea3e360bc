"""BlockReader: polls a group through a block driver, along its read plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agent_core.api import BlockDriver, DeviceUnreachable, ReadRefused, TagSpec, Value
from polling_source.plan import Block, ReadPlan
from polling_source.reading import Reading
from polling_source.split import Budget, Rows, SplitReads

REFUSALS_PER_POLL: Final = 32
"""About three bad tags in a full block are found within one poll; more take several."""


class BlockReader:
    """A Reader over a plan."""

    def __init__(self, driver: BlockDriver, plan: ReadPlan, retry_seconds: float) -> None:
        self.plan = plan
        self._driver = driver
        self._blocks = [_BlockReads(driver, plan, block, retry_seconds) for block in plan.blocks]

    @property
    def tags(self) -> Sequence[TagSpec]:
        return self.plan.tags

    def describe(self) -> Iterator[str]:
        for block in self.plan.blocks:
            yield f"{block.area} {block.start} to {block.start + block.units - 1}: {len(block.rows)} tags"

    def read(self, now: float, time_ns: int) -> Reading:  # noqa: ARG002 - blocks carry no timestamps
        values: list[Value] = []
        budget = Budget(REFUSALS_PER_POLL)
        error: DeviceUnreachable | None = None
        complete = True
        try:
            self._driver.connect()
            for block in self._blocks:
                values.extend(block.read(now, budget))
                complete = complete and block.complete
        except DeviceUnreachable as unreachable:
            error = unreachable
            values.extend([None] * (len(self.plan.tags) - len(values)))
            complete = False
        if complete:
            return Reading(values)
        reasons = {row: reason for block in self._blocks for row, reason in block.refused.items()}
        return Reading(values, [row for row, value in enumerate(values) if value is None], error=error, reasons=reasons)


class _BlockReads:
    """One block of the plan, and the pieces it had to be split into."""

    def __init__(self, driver: BlockDriver, plan: ReadPlan, block: Block, retry_seconds: float) -> None:
        self._driver = driver
        self._plan = plan
        self._block = block
        self._first = block.rows[0]
        self._by_place = tuple(plan.by_place(block.rows))
        self._pieces: dict[Rows, Block] = {self._by_place: block}
        self._split = SplitReads(self._by_place, self._request, retry_seconds)
        self._last_data = b""
        self._last_values: Sequence[Value] = ()
        self.complete = True
        """Whether the last read gave a value for every row."""

    @property
    def refused(self) -> dict[int, str]:
        """The rows that the device refuses, and its reasons."""
        return self._split.refused

    def read(self, now: float, budget: Budget) -> Sequence[Value]:
        """The values in row order, None where there is none. Raises DeviceUnreachable."""
        parts = self._split.read(now, budget)
        if len(parts) == 1 and parts[0][0] is self._block.rows:
            values = parts[0][1]
            self.complete = not (self._block.decoder.may_fail and None in values)
            return values
        placed: list[Value] = [None] * len(self._by_place)
        for rows, values in parts:
            for row, value in zip(rows, values, strict=True):
                placed[row - self._first] = value
        self.complete = None not in placed
        return placed

    def _request(self, rows: Rows) -> tuple[Rows, Sequence[Value]]:
        block = self._pieces.get(rows)
        if block is None:
            block = self._pieces[rows] = self._plan.block(rows)
        data = self._driver.read_block(block.area, block.start, block.units)
        if len(data) != block.size_bytes:
            raise ReadRefused(f"{len(data)} bytes came where {block.size_bytes} belong")
        if block is not self._block:
            return block.rows, block.decoder.decode(data)
        if len(self._pieces) > 1:
            self._pieces = {self._by_place: block}  # read whole again: what it was split into is history
        if data != self._last_data:
            self._last_values = block.decoder.decode(data)
            self._last_data = data
        return block.rows, self._last_values
