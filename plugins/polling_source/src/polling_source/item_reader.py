"""ItemReader: polls a group through an item driver, as many items a request as it takes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from agent_core.api import (
    BAD,
    AddressError,
    ConfigError,
    ConfigProblem,
    DeviceUnreachable,
    ItemDriver,
    ItemReading,
    ReadRefused,
    TagSpec,
)
from polling_source.block_reader import REFUSALS_PER_POLL
from polling_source.decode import scale_value
from polling_source.reading import Reading
from polling_source.split import Budget, Rows, SplitReads
from polling_source.tag import PlacedTag

_NOT_READ = ItemReading(None, BAD)


class ItemReader:
    """A Reader over items. How many go into one request is known once the driver has connected."""

    def __init__(self, driver: ItemDriver, tags: Sequence[TagSpec], retry_seconds: float) -> None:
        self._driver = driver
        self._tags = tuple(tags)
        self._retry_seconds = retry_seconds
        self._scaled = [row for row, tag in enumerate(tags) if tag.scale is not None or tag.offset is not None]
        self._requests: list[SplitReads[ItemReading]] = []
        self._max_items = 0

    @property
    def tags(self) -> Sequence[TagSpec]:
        return self._tags

    def describe(self) -> Iterator[str]:
        yield f"{len(self._tags)} items, in as many requests as the device wants"

    def read(self, now: float, time_ns: int) -> Reading:
        readings = [_NOT_READ] * len(self._tags)
        budget = Budget(REFUSALS_PER_POLL)
        error: DeviceUnreachable | None = None
        try:
            self._driver.connect()
            self._plan(max(self._driver.max_items, 1))
            for request in self._requests:
                for rows, parts in request.read(now, budget):
                    for row, reading in zip(rows, parts, strict=True):
                        readings[row] = reading
        except DeviceUnreachable as unreachable:
            error = unreachable
        values = [reading.value for reading in readings]
        qualities = bytes([reading.quality for reading in readings])
        for row in self._scaled:
            values[row] = scale_value(self._tags[row], values[row])
        bad = [row for row, quality in enumerate(qualities) if quality == BAD] if BAD in qualities else []
        for row in bad:
            values[row] = None
        own_times = any(reading.timestamp_ns is not None for reading in readings)
        return Reading(
            values,
            bad,
            qualities,
            array("q", [time_ns if r.timestamp_ns is None else r.timestamp_ns for r in readings])
            if own_times
            else None,
            error,
            {row: reason for request in self._requests for row, reason in request.refused.items()},
        )

    def _plan(self, max_items: int) -> None:
        if max_items == self._max_items:
            return
        self._max_items = max_items
        starts = range(0, len(self._tags), max_items)
        self._requests = [
            SplitReads(tuple(range(start, min(start + max_items, len(self._tags)))), self._request, self._retry_seconds)
            for start in starts
        ]

    def _request(self, rows: Rows) -> tuple[Rows, Sequence[ItemReading]]:
        readings = self._driver.read_items([self._tags[row] for row in rows])
        if len(readings) != len(rows):
            raise ReadRefused(f"{len(readings)} items came where {len(rows)} belong")
        return rows, readings


def check_items(driver: ItemDriver, tags: Sequence[PlacedTag]) -> None:
    """Raises ConfigError that names every tag the driver cannot read."""
    problems: list[ConfigProblem] = []
    for tag in tags:
        try:
            driver.check(tag.spec)
        except AddressError as error:
            problems.append(tag.place.problem(f"tag {tag.spec.name}: {error}"))
    if problems:
        raise ConfigError(problems)
