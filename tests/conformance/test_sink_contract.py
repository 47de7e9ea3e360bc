"""SinkContract lets a right sink pass and finds each kind of wrong one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from agent_core.api import Batch, Record, Rejection, Sink, WriteOutcome
from agent_core.testing.sinks import SinkContract, StoredRecord

Key = tuple[str, int]


class Store:
    """A destination in memory."""

    def __init__(self) -> None:
        self.records: dict[Key, Record] = {}
        self.lock = threading.Lock()


class StoreSink:
    """An idempotent sink that keeps the first record of a key."""

    idempotent = True

    def __init__(self, store: Store) -> None:
        self.store = store

    def open(self) -> None: ...

    def close(self) -> None: ...

    def write(self, batch: Batch) -> WriteOutcome:
        inserted = duplicates = 0
        rejected = []
        with self.store.lock:
            for number, record in enumerate(batch.records()):
                present = self.store.records.setdefault(self.key(record), record)
                if present is record:
                    inserted += 1
                elif repr(present.value) == repr(record.value):
                    duplicates += 1
                else:
                    rejected.append(Rejection(number, "CONFLICT", f"{record.name}: {present.value}"))
        return WriteOutcome(inserted, duplicates, tuple(rejected))

    def key(self, record: Record) -> Key:
        return record.name, record.timestamp_ns


class StoreSinkContract(SinkContract):
    __test__ = False
    sink_class: type[StoreSink] = StoreSink

    def __init__(self) -> None:
        self.store = Store()

    def make_sink(self, folder: Path) -> Sink:
        return self.sink_class(self.store)

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord]:
        return [StoredRecord(*record[:4]) for record in self.store.records.values()]


class TestStoreSink(SinkContract):
    @pytest.fixture(autouse=True)
    def _store(self) -> None:
        self.store = Store()

    def make_sink(self, folder: Path) -> Sink:
        return StoreSink(self.store)

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord]:
        return [StoredRecord(*record[:4]) for record in self.store.records.values()]


class KeepsSecondsOnly(StoreSink):
    def key(self, record: Record) -> Key:
        return record.name, record.timestamp_ns // 1_000_000_000


class CallsEveryKnownKeyADuplicate(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        outcome = super().write(batch)
        return WriteOutcome(outcome.inserted, outcome.duplicates + len(outcome.rejected))


class LosesTheEndOfALongBatch(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        super().write(batch.slice(0, min(len(batch), 500)))
        return WriteOutcome(len(batch))


class StoresTexts(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        texts = tuple(str(value) for value in batch.values)
        return super().write(Batch(batch.names, texts, batch.timestamps_ns, batch.qualities, batch.segments))


class RoundsInPlace(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        outcome = super().write(batch)
        if not isinstance(batch.timestamps_ns, int):
            batch.timestamps_ns[0] += 1
        return outcome


class CountsARepetitionAsNew(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        super().write(batch)
        return WriteOutcome(len(batch))


class FailsOnAnEmptyBatch(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        assert batch.names[0:1], "nothing to write"
        return super().write(batch)


class LeavesOutWhatCouldNotBeRead(StoreSink):
    def write(self, batch: Batch) -> WriteOutcome:
        good = batch.select([position for position, value in enumerate(batch.values) if value is not None])
        return WriteOutcome(super().write(good).inserted + len(batch) - len(good))


@pytest.mark.parametrize(
    ("sink_class", "test"),
    [
        (KeepsSecondsOnly, SinkContract.test_two_values_of_one_tag_within_a_second_are_both_stored),
        (
            CallsEveryKnownKeyADuplicate,
            SinkContract.test_the_same_tag_and_time_with_another_value_is_never_called_a_duplicate,
        ),
        (LosesTheEndOfALongBatch, lambda contract, sink: contract.test_a_batch_of_any_size_is_stored_whole(sink, 501)),
        (StoresTexts, SinkContract.test_every_kind_of_value_is_stored_and_one_bad_record_costs_one_record),
        (RoundsInPlace, SinkContract.test_the_batch_is_not_touched),
        (CountsARepetitionAsNew, SinkContract.test_a_batch_written_twice_is_stored_once),
        (CountsARepetitionAsNew, SinkContract.test_workers_with_the_same_records_store_them_once),
        (FailsOnAnEmptyBatch, SinkContract.test_an_empty_batch_changes_nothing),
        (
            LeavesOutWhatCouldNotBeRead,
            SinkContract.test_each_quality_is_stored_and_a_tag_that_could_not_be_read_is_a_record_too,
        ),
    ],
    ids=lambda param: param.__name__,
)
def test_a_wrong_sink_is_found(
    sink_class: type[StoreSink], test: Callable[[SinkContract, Sink], None], tmp_path: Path
) -> None:
    contract = StoreSinkContract()
    contract.sink_class = sink_class
    with pytest.raises((AssertionError, TypeError)):
        test(contract, contract.make_sink(tmp_path))
