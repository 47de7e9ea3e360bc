"""SinkContract: what every sink has to pass.

A plugin's author subclasses the contract in the plugin's tests and says how to make the sink and how to read what it
has stored::

    class TestMySink(SinkContract):
        def make_sink(self, folder): return MySink(...)
        def stored_records(self, sink): return [StoredRecord(...), ...]

The tests of a contract cannot be overridden. What a destination stores differently is described by ``stored_value``,
``accepts`` and ``timestamp_precision_ns``.
"""

from __future__ import annotations

import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, TypeVar

import pytest

from agent_core.api import (
    BAD,
    EMPTY,
    GOOD,
    UNCERTAIN,
    Batch,
    Origin,
    Sink,
    Value,
    WriteOutcome,
)
from agent_core.testing.clock import START_NS
from agent_core.testing.contract import Contract
from agent_core.testing.suite.patience import PATIENCE_SECONDS

T = TypeVar("T")

SECOND_NS: Final = 1_000_000_000
ORIGIN: Final = Origin("line1", "PLC01", "LINE1_PROCESS1")

VALUES: Final[tuple[Value, ...]] = (
    0.1,
    -0.0,
    1e-300,
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    0,
    -1,
    2**63 - 1,
    -(2**63),
    2**64,
    True,
    False,
    "",
    "RUNNING",
    "운전 중",
    'a "quoted", text; with\nlines\r\nand\ttabs',
    "=1+1",
    "'apostrophe",
    "1.0",
    Decimal("12.340"),
    Decimal("1E+5"),
    Decimal("0.0000001"),
    None,
)
"""One of everything that a tag may hold, the awkward ones first."""


class StoredRecord(NamedTuple):
    """One record as the destination has it. ``value`` is compared with what ``stored_value`` returns."""

    name: str
    value: object
    timestamp_ns: int
    quality: int


class SinkContract(Contract):
    """The behaviour of ``agent_core.api.Sink``. Each test has its own destination, empty at first."""

    timestamp_precision_ns: ClassVar[int] = 1
    """What the destination keeps of a timestamp: 1000 for microseconds. Finer digits are rounded down."""

    def make_sink(self, folder: Path) -> Sink:
        """A sink that is not open. With the same folder again: another one for the same destination."""
        raise NotImplementedError(f"{type(self).__name__}.make_sink")

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord] | None:
        """All records in the destination of an open sink, in any order; None if it cannot be read (outcomes only)."""
        raise NotImplementedError(f"{type(self).__name__}.stored_records")

    def stored_value(self, value: Value) -> object:
        """What ``value`` is in the destination. Override it if the destination stores texts, or rounds."""
        return value

    def accepts(self, value: Value) -> bool:  # noqa: ARG002 - an override may need it
        """False for a value that the destination refuses; the record is then expected in ``rejected``."""
        return True

    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[Sink]:
        sink = self.make_sink(tmp_path)
        sink.open()
        yield sink
        sink.close()

    def test_a_batch_is_stored_record_by_record(self, sink: Sink) -> None:
        batch = numbered_batch(10)
        assert sink.write(batch) == WriteOutcome(inserted=10)
        self._expect_stored(sink, batch)

    def test_an_empty_batch_changes_nothing(self, sink: Sink) -> None:
        assert sink.write(EMPTY) == WriteOutcome(inserted=0)
        self._expect_stored(sink)

    @pytest.mark.parametrize("count", [1, 499, 500, 501, 3491])
    def test_a_batch_of_any_size_is_stored_whole(self, sink: Sink, count: int) -> None:
        batch = numbered_batch(count)
        assert sink.write(batch) == WriteOutcome(inserted=count)
        self._expect_stored(sink, batch)

    def test_every_kind_of_value_is_stored_and_one_bad_record_costs_one_record(self, sink: Sink) -> None:
        names = [f"TAG_{number:02d}" for number in range(len(VALUES))]
        qualities = bytes(BAD if value is None else GOOD for value in VALUES)
        batch = Batch.of(ORIGIN, names, VALUES, START_NS, qualities)
        outcome = sink.write(batch)
        assert outcome.total == len(batch)
        assert [rejection.position for rejection in outcome.rejected] == [
            position for position, value in enumerate(VALUES) if not self.accepts(value)
        ]
        assert all(rejection.code and rejection.message for rejection in outcome.rejected)
        self._expect_stored(sink, batch)

    def test_each_quality_is_stored_and_a_tag_that_could_not_be_read_is_a_record_too(self, sink: Sink) -> None:
        batch = Batch.of(ORIGIN, ("A", "B", "C"), (1.5, 2.5, None), START_NS, bytes((GOOD, UNCERTAIN, BAD)))
        assert sink.write(batch).total == 3
        self._expect_stored(sink, batch)

    def test_names_in_any_script_are_stored(self, sink: Sink) -> None:
        batch = Batch.of(ORIGIN, ("온도_1", "TEMP 1", "a.b/c", "'quoted\"", "100%_[x]"), (1.0,) * 5, START_NS)
        assert sink.write(batch) == WriteOutcome(inserted=5)
        self._expect_stored(sink, batch)

    def test_two_values_of_one_tag_within_a_second_are_both_stored(self, sink: Sink) -> None:
        stamps = array("q", (START_NS, START_NS + 1_000, START_NS + 2_000, START_NS + SECOND_NS - 1_000))
        batch = Batch.of(ORIGIN, ("A",) * 4, (1.0, 1.0, 2.0, 1.0), stamps)
        assert sink.write(batch) == WriteOutcome(inserted=4)
        self._expect_stored(sink, batch)

    def test_times_before_1970_and_far_ahead_are_stored(self, sink: Sink) -> None:
        stamps = array("q", (-1_000, -SECOND_NS, -1_000_000_000_001_000, 0, 4_102_444_799_999_999_000))
        batch = Batch.of(ORIGIN, ("A",) * 5, (1.0, 2.0, 3.0, 4.0, 5.0), stamps)
        assert sink.write(batch) == WriteOutcome(inserted=5)
        self._expect_stored(sink, batch)

    def test_digits_beyond_the_precision_are_rounded_down(self, sink: Sink) -> None:
        batch = Batch.of(ORIGIN, ("A", "B"), (1.0, 2.0), array("q", (START_NS + 123_456_789, -1)))
        assert sink.write(batch) == WriteOutcome(inserted=2)
        self._expect_stored(sink, batch)

    def test_a_batch_joined_from_several_polls_is_stored(self, sink: Sink) -> None:
        other = Origin("line2", "PLC02", "ORDER_START")
        batch = Batch.join(
            [
                numbered_batch(3),
                Batch.of(other, ("ORDER_NO",), (17,), START_NS + 5_000, sequence=4),
                numbered_batch(3, START_NS + SECOND_NS),
            ]
        ).slice(1, 6)
        assert sink.write(batch) == WriteOutcome(inserted=5)
        self._expect_stored(sink, batch)

    def test_the_batch_is_not_touched(self, sink: Sink) -> None:
        stamps = array("q", range(START_NS, START_NS + 5 * SECOND_NS, SECOND_NS))
        batch = Batch.of(ORIGIN, ("E", "D", "C", "B", "A"), (5.0, "4", 3, True, None), stamps)
        before = (batch.names, batch.values, list(stamps), batch.qualities, batch.segments)
        sink.write(batch)
        assert (batch.names, batch.values, list(batch.stamps()), batch.qualities, batch.segments) == before

    def test_a_batch_written_twice_is_stored_once(self, sink: Sink) -> None:
        self._needs_idempotence(sink)
        names = [f"TAG_{number:02d}" for number in range(len(VALUES))]
        batch = Batch.of(ORIGIN, names, VALUES, START_NS)
        first = sink.write(batch)
        again = sink.write(batch)
        assert again.inserted == 0
        assert (again.duplicates, len(again.rejected)) == (first.inserted, len(first.rejected))
        self._expect_stored(sink, batch)

    def test_known_records_among_new_ones_are_counted_as_duplicates(self, sink: Sink) -> None:
        self._needs_idempotence(sink)
        batch = numbered_batch(500)
        known = batch.select(range(0, 500, 7))
        sink.write(known)
        assert sink.write(batch) == WriteOutcome(inserted=500 - len(known), duplicates=len(known))
        self._expect_stored(sink, batch)

    def test_a_record_that_is_twice_in_one_batch_is_stored_once(self, sink: Sink) -> None:
        self._needs_idempotence(sink)
        batch = numbered_batch(5)
        assert sink.write(Batch.join([batch, batch])) == WriteOutcome(inserted=5, duplicates=5)
        self._expect_stored(sink, batch)

    def test_the_same_tag_and_time_with_another_value_is_never_called_a_duplicate(self, sink: Sink) -> None:
        self._needs_idempotence(sink)
        sink.write(Batch.of(ORIGIN, ("A", "B"), (1.0, 1.0), START_NS))
        outcome = sink.write(Batch.of(ORIGIN, ("A", "B"), (2.0, 1.0), START_NS))
        assert (outcome.total, outcome.duplicates) == (2, 1)
        assert [rejection.position for rejection in outcome.rejected] == [0] * (1 - outcome.inserted)
        kept = 1.0 if outcome.rejected else 2.0
        self._expect_stored(sink, Batch.of(ORIGIN, ("A", "B"), (kept, 1.0), START_NS))

    def test_several_workers_write_at_the_same_time(self, sink: Sink) -> None:
        batches = [numbered_batch(50, START_NS + number * SECOND_NS) for number in range(16)]
        outcomes = together(4, sink.write, batches)
        assert outcomes == [WriteOutcome(inserted=50)] * 16
        self._expect_stored(sink, *batches)

    def test_workers_with_the_same_records_store_them_once(self, sink: Sink) -> None:
        self._needs_idempotence(sink)
        batch = numbered_batch(50)
        outcomes = together(4, sink.write, [batch] * 8)
        assert (sum(o.inserted for o in outcomes), sum(o.duplicates for o in outcomes)) == (50, 350)
        self._expect_stored(sink, batch)

    def test_close_is_safe_without_open_and_twice(self, tmp_path: Path) -> None:
        sink = self.make_sink(tmp_path)
        sink.close()
        sink.open()
        sink.close()
        sink.close()

    def test_a_sink_opened_again_continues_where_it_stopped(self, tmp_path: Path) -> None:
        first, second = numbered_batch(5), numbered_batch(5, START_NS + SECOND_NS)
        sink = self.make_sink(tmp_path)
        for batch in (first, second):
            sink.open()
            assert sink.write(batch) == WriteOutcome(inserted=5)
            sink.close()
        sink.open()
        self._expect_stored(sink, first, second)
        sink.close()

    def test_another_sink_for_the_same_destination_finds_the_records(self, tmp_path: Path) -> None:
        batch = numbered_batch(5)
        for _ in range(2):
            sink = self.make_sink(tmp_path)
            sink.open()
            outcome = sink.write(batch)
            assert outcome.total == 5
            idempotent = sink.idempotent
            sink.close()
        assert outcome.duplicates == 5 or not idempotent

    def _expect_stored(self, sink: Sink, *batches: Batch) -> None:
        records = self.stored_records(sink)
        if records is None:
            return
        expected = [
            StoredRecord(
                name, self.stored_value(value), timestamp_ns - timestamp_ns % self.timestamp_precision_ns, quality
            )
            for batch in batches
            for name, value, timestamp_ns, quality, _ in batch.records()
            if self.accepts(value)
        ]
        missing, unexpected = _differences(expected, records)
        assert (missing, unexpected) == ([], []), "records (missing, unexpected) in the destination"

    def _needs_idempotence(self, sink: Sink) -> None:
        if not sink.idempotent:
            pytest.skip("the sink says that it is not idempotent")


def numbered_batch(count: int, timestamp_ns: int = START_NS) -> Batch:
    """``count`` records TAG_0000 ... with values 0.5, 1.5 ... that share one time."""
    return Batch.of(
        ORIGIN, [f"TAG_{number:04d}" for number in range(count)], [n + 0.5 for n in range(count)], timestamp_ns
    )


def together(threads: int, work: Callable[[Batch], T], batches: Sequence[Batch]) -> list[T]:
    """Call ``work`` for each batch from several threads that begin at the same moment."""
    barrier = threading.Barrier(threads)

    def share(number: int) -> list[T]:
        barrier.wait(timeout=PATIENCE_SECONDS)
        return [work(batch) for batch in batches[number::threads]]

    with ThreadPoolExecutor(threads) as pool:
        return [result for results in pool.map(share, range(threads)) for result in results]


def _differences(expected: Sequence[StoredRecord], found: Sequence[StoredRecord]) -> tuple[list[str], list[str]]:
    wanted = Counter(repr(tuple(record)) for record in expected)
    there = Counter(repr(tuple(record)) for record in found)
    return sorted((wanted - there).elements()), sorted((there - wanted).elements())
