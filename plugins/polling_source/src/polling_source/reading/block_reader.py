"""BlockReader: polls a group through a block driver, along its read plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agent_core.api import BlockDriver, DeviceUnreachable, PlannedRequest, ReadRefused, SystemClock, TagSpec, Value
from polling_source.reading.link import Link
from polling_source.reading.plan import Block, ReadPlan
from polling_source.reading.reading import Reading
from polling_source.reading.silence import Positions, Silence
from polling_source.reading.split import Budget, SplitReads

REFUSALS_PER_POLL: Final = 32
"""About three bad tags in a full block are found within one poll; more take several."""

REFUSALS_PER_ATTEMPT: Final = 1000
"""A person waits for the result of an attempt, and no other group does."""

MEANINGLESS: Final = "its bytes mean nothing"
NOT_TRIED: Final = "not tried yet: its block was refused"


class BlockReader:
    """A Reader over a plan. ``link`` is shared by all readers of one connection."""

    def __init__(self, driver: BlockDriver, plan: ReadPlan, retry_seconds: float, link: Link | None = None) -> None:
        self.read_plan = plan
        self._driver = driver
        self._link = Link(driver, SystemClock()) if link is None else link
        self._blocks = [BlockReads(driver, plan, block, retry_seconds, self._link) for block in plan.blocks]
        self._order = tuple(range(len(self._blocks)))

    @property
    def tags(self) -> Sequence[TagSpec]:
        return self.read_plan.tags

    def plan(self) -> Sequence[PlannedRequest]:
        return [
            PlannedRequest(block.what, len(block.positions), block.words, block.wasted_words)
            for block in self.read_plan.blocks
        ]

    def requests(self) -> Sequence[BlockReads]:
        self._link.connect()
        return self._blocks

    def read(self, now: float, time_ns: int) -> Reading:  # noqa: ARG002 - blocks carry no timestamps
        before = self._link.count
        budget = Budget(REFUSALS_PER_POLL)
        parts: list[Sequence[Value] | None] = [None] * len(self._blocks)
        error: DeviceUnreachable | None = None
        index = self._order[0]
        try:
            self.requests()
            for index in self._order:
                parts[index] = self._blocks[index].read(now, budget)
        except DeviceUnreachable as unreachable:
            error = unreachable
            # The next poll begins behind the block that got no answer, to see whether the others do.
            self._order = (*range(index + 1, len(parts)), *range(index + 1))
        values: list[Value] = []
        for block, part in zip(self._blocks, parts, strict=True):
            values.extend(block.nothing if part is None else part)
        if error is None and all(block.complete for block in self._blocks):
            return Reading(values, answered_ns=self._link.since(before))
        bad = [position for position, value in enumerate(values) if value is None]
        reasons = {} if error else self._reasons(bad)
        return Reading(values, bad, error=error, reasons=reasons, answered_ns=self._link.since(before))

    def _reasons(self, bad: Sequence[int]) -> Mapping[int, str]:
        reasons = dict.fromkeys(bad, MEANINGLESS)
        for block in self._blocks:
            reasons |= block.reasons()
        return reasons


class BlockReads:
    """One block of the plan, and the pieces it had to be split into. A Request."""

    def __init__(self, driver: BlockDriver, plan: ReadPlan, block: Block, retry_seconds: float, link: Link) -> None:
        self.what = block.what
        self.tags = tuple(plan.tags[position] for position in block.positions)
        self.nothing: Sequence[Value] = (None,) * len(block.positions)
        self._driver = driver
        self._plan = plan
        self._block = block
        self._first = block.positions[0]
        self._by_place = tuple(plan.by_place(block.positions))
        self._pieces: dict[Positions, Block] = {self._by_place: block}
        self._silence = Silence(link)
        self._split = SplitReads(self._by_place, self._request, retry_seconds)
        self._last_data = b""
        self._last_values: Sequence[Value] = ()
        self.complete = True
        """Whether the last read gave a value for every tag."""

    def read(self, now: float, budget: Budget) -> Sequence[Value]:
        """The values in the order of the tags, None where there is none. Raises DeviceUnreachable."""
        parts = self._split.read(now, budget)
        if len(parts) == 1 and parts[0][0] is self._block.positions:
            values = parts[0][1]
            self.complete = not (self._block.decoder.may_fail and None in values)
            return values
        placed: list[Value] = [None] * len(self._by_place)
        for positions, values in parts:
            for position, value in zip(positions, values, strict=True):
                placed[position - self._first] = value
        self.complete = None not in placed
        return placed

    @property
    def postponed(self) -> bool:
        return bool(self._split.postponed)

    def attempt(self, now: float) -> Mapping[str, str]:
        values = self.read(now, Budget(REFUSALS_PER_ATTEMPT))
        if self.postponed:
            values = self.read(now, Budget(REFUSALS_PER_ATTEMPT))
        reasons = self.reasons()
        return {
            tag.name: reasons.get(position, MEANINGLESS)
            for position, tag, value in zip(self._block.positions, self.tags, values, strict=True)
            if value is None
        }

    def reasons(self) -> Mapping[int, str]:
        """Why tags were not read by the last ``read``."""
        return dict.fromkeys(self._split.untried, NOT_TRIED) | self._split.refused | self._split.postponed

    def _request(self, positions: Positions) -> tuple[Positions, Sequence[Value]]:
        block = self._pieces.get(positions)
        if block is None:
            if len(self._pieces) > 2 * len(self._by_place):
                self._pieces = {self._by_place: self._block}  # over the years they are not always the same
            block = self._pieces[positions] = self._plan.block(positions)
        data = self._silence.ask(positions, lambda: self._bytes_of(block))
        if block is not self._block:
            return block.positions, block.decoder.decode(data)
        self._silence.forget()
        if len(self._pieces) > 1:
            self._pieces = {self._by_place: block}  # read whole again: what it was split into is history
        if data != self._last_data:
            self._last_values = block.decoder.decode(data)
            self._last_data = data
        return block.positions, self._last_values

    def _bytes_of(self, block: Block) -> bytes:
        data: object = self._driver.read_block(block.area, block.start, block.units)
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ReadRefused(f"a {type(data).__name__} came where {block.size_bytes} bytes belong")
        data = bytes(data)  # a driver may fill the same buffer each time
        if len(data) != block.size_bytes:
            raise ReadRefused(f"{len(data)} bytes came where {block.size_bytes} belong")
        return data
