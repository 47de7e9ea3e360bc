"""ItemReader: polls a group through an item driver, as many items a request as it takes."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Final

from agent_core.api import (
    BAD,
    MAX_TIMESTAMP_NS,
    MIN_TIMESTAMP_NS,
    QUALITY_NAMES,
    UNCERTAIN,
    AddressError,
    ConfigProblem,
    DeviceUnreachable,
    ItemDriver,
    ItemReading,
    PlannedRequest,
    ReadRefused,
    SystemClock,
    TagSpec,
)
from polling_source.reading.block_reader import NOT_TRIED, REFUSALS_PER_ATTEMPT, REFUSALS_PER_POLL
from polling_source.reading.decode import scale_value
from polling_source.reading.defect import guarded
from polling_source.reading.link import Link
from polling_source.reading.reading import Reading
from polling_source.reading.silence import Positions, Silence
from polling_source.reading.split import Budget, SplitReads
from polling_source.tags.tag import PlacedTag

REPORTED_BAD: Final = "the device says that it is bad"
_VALUES: Final = (float, int, str, Decimal, NoneType)
_NOT_READ: Final = ItemReading(None, BAD, None, NOT_TRIED)


class ItemReader:
    """A Reader over items. How many go into one request is known once the driver has connected.

    ``link`` is shared by all readers of one connection.
    """

    def __init__(
        self, driver: ItemDriver, tags: Sequence[TagSpec], retry_seconds: float, link: Link | None = None
    ) -> None:
        self._driver = driver
        self._tags = tuple(tags)
        self._retry_seconds = retry_seconds
        self._link = Link(driver, SystemClock()) if link is None else link
        self._scaled = [
            position for position, tag in enumerate(tags) if tag.scale is not None or tag.offset is not None
        ]
        self._requests: list[ItemReads] = []
        self._order: tuple[int, ...] = ()
        self._max_items = 0

    @property
    def tags(self) -> Sequence[TagSpec]:
        return self._tags

    def plan(self) -> Sequence[PlannedRequest]:
        return [PlannedRequest("items, in as many requests as the device wants", len(self._tags))]

    def requests(self) -> Sequence[ItemReads]:
        self._link.connect()
        with guarded(self._driver):
            self._deal_out(max(self._driver.max_items, 1))
        return self._requests

    def read(self, now: float, time_ns: int) -> Reading:
        before = self._link.count
        readings = [_NOT_READ] * len(self._tags)
        budget = Budget(REFUSALS_PER_POLL)
        error: DeviceUnreachable | None = None
        index = -1
        try:
            requests = self.requests()
            for index in self._order:
                for positions, parts in requests[index].read(now, budget):
                    for position, reading in zip(positions, parts, strict=True):
                        readings[position] = reading
        except DeviceUnreachable as unreachable:
            error = unreachable
            # As in BlockReader: the next poll asks the others first.
            self._order = (*range(index + 1, len(self._requests)), *range(index + 1))
        values = [reading.value for reading in readings]
        qualities = bytes([reading.quality for reading in readings])
        for position in self._scaled:
            values[position] = scale_value(self._tags[position], values[position])
        bad = [position for position, quality in enumerate(qualities) if quality == BAD] if BAD in qualities else []
        for position in bad:
            values[position] = None
        answered_ns = self._link.since(before)
        own_times = any(reading.timestamp_ns is not None for reading in readings)
        other_ns = answered_ns or time_ns
        times = [other_ns if r.timestamp_ns is None else r.timestamp_ns for r in readings] if own_times else ()
        reasons = (
            {position: readings[position].reason or REPORTED_BAD for position in bad} if bad and error is None else {}
        )
        for request in self._requests if reasons else ():
            reasons |= request.refused
        return Reading(
            values,
            bad,
            qualities,
            array("q", times) if own_times else None,
            error,
            reasons,
            answered_ns,
        )

    def _deal_out(self, max_items: int) -> None:
        if max_items == self._max_items:
            return
        self._max_items = max_items
        count = len(self._tags)
        self._requests = [
            ItemReads(
                self._driver,
                self._tags,
                tuple(range(start, min(start + max_items, count))),
                self._retry_seconds,
                self._link,
            )
            for start in range(0, count, max_items)
        ]
        self._order = tuple(range(len(self._requests)))


class ItemReads:
    """The items of one request, and the pieces it had to be split into. A Request."""

    def __init__(
        self, driver: ItemDriver, tags: Sequence[TagSpec], positions: Positions, retry_seconds: float, link: Link
    ) -> None:
        """``tags``: those of the whole group, ``positions`` the ones of this request."""
        self.tags = tuple(tags[position] for position in positions)
        self.what = f"{len(positions)} items from {self.tags[0].address}"
        self._driver = driver
        self._all_tags = tags
        self._positions = positions
        self._silence = Silence(link)
        self._split = SplitReads(positions, self._request, retry_seconds)

    @property
    def refused(self) -> Mapping[int, str]:
        """The tags that the device refuses, for now or altogether, and why."""
        return {**self._split.refused, **self._split.postponed}

    def read(self, now: float, budget: Budget) -> list[tuple[Positions, Sequence[ItemReading]]]:
        """What could be read, in parts. Raises DeviceUnreachable."""
        return self._split.read(now, budget)

    @property
    def postponed(self) -> bool:
        return bool(self._split.postponed)

    def attempt(self, now: float) -> Mapping[str, str]:
        parts = self.read(now, Budget(REFUSALS_PER_ATTEMPT))
        if self.postponed:
            parts = self.read(now, Budget(REFUSALS_PER_ATTEMPT))
        read = {
            position: reading for positions, part in parts for position, reading in zip(positions, part, strict=True)
        }
        bad: dict[str, str] = {}
        for position, tag in zip(self._positions, self.tags, strict=True):
            reading = read.get(position)
            if reading is None:
                bad[tag.name] = self.refused.get(position, NOT_TRIED)
            elif reading.quality == BAD:
                bad[tag.name] = reading.reason or REPORTED_BAD
        return bad

    def _request(self, positions: Positions) -> tuple[Positions, Sequence[ItemReading]]:
        readings = self._silence.ask(positions, lambda: self._readings_of(positions))
        if len(positions) == len(self._positions):
            self._silence.forget()
        return positions, readings

    def _readings_of(self, positions: Positions) -> Sequence[ItemReading]:
        readings: object = self._driver.read_items([self._all_tags[position] for position in positions])
        if not isinstance(readings, Sequence):
            raise ReadRefused(f"a {type(readings).__name__} came where {len(positions)} items belong")
        if len(readings) != len(positions):
            raise ReadRefused(f"{len(readings)} items came where {len(positions)} belong")
        return [_checked(reading) for reading in readings]


def _checked(reading: object) -> ItemReading:
    """The reading, or one that says what is wrong with it: nothing behind the source could carry it."""
    if not isinstance(reading, ItemReading):
        return _wrong(f"{type(reading).__name__}, no ItemReading")
    value: object = reading.value
    if not isinstance(value, _VALUES):
        return _wrong(f"{type(value).__name__}, which no tag holds")
    quality: object = reading.quality
    if not isinstance(quality, int) or quality not in QUALITY_NAMES:
        return _wrong(f"quality {quality!r}, which does not exist")
    if value is None and quality != BAD:
        return _wrong("no value")
    time_ns: object = reading.timestamp_ns
    if time_ns is None or (isinstance(time_ns, int) and MIN_TIMESTAMP_NS <= time_ns <= MAX_TIMESTAMP_NS):
        return reading
    return reading._replace(timestamp_ns=None, quality=min(quality, UNCERTAIN))


def _wrong(what: str) -> ItemReading:
    return ItemReading(None, BAD, None, f"the driver gave {what}")


def check_items(driver: ItemDriver, tags: Sequence[PlacedTag]) -> tuple[Sequence[PlacedTag], Sequence[ConfigProblem]]:
    """The tags that the driver can read, and a problem for each of the others."""
    good: list[PlacedTag] = []
    problems: list[ConfigProblem] = []
    for tag in tags:
        try:
            driver.check(tag.spec)
        except AddressError as error:
            problems.append(tag.place.problem(f"tag {tag.spec.name}: {error}"))
        else:
            good.append(tag)
    return good, problems
