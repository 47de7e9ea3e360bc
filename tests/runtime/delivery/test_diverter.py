"""What becomes of records in a fallback that is a plain sink."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from agent_core.api import Account, Batch, Diversion, DivertReason, DropReason, Log, Rejection, WriteOutcome
from agent_core.registry.events import Events
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.fallback import Fallback, FallbackFailed
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeFallback, FakeObserver, FakeSink, batch_of


def test_records_that_it_refuses_for_their_content_are_dropped_and_the_others_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink, ledger, events, observer = FakeSink(), Ledger(["warehouse"]), Events(), FakeObserver()
    events.register_observer(observer)
    sink.script.append(lambda _: WriteOutcome(2, 0, (Rejection(1, "CONFLICT", "another value is there"),)))
    clock = ManualClock()
    context = SinkContext("warehouse", ledger, events, clock, Log("test", clock))
    diverter = Diverter(context, Fallback("plain", sink))
    ledger.move("warehouse", Account.COLLECTED, Account.PENDING, 3)
    diverter.divert_or_drop(batch_of(1, 2, 3), DivertReason.BUFFER_FULL, DropReason.BUFFER_FULL)
    snapshot = ledger.snapshot("warehouse")
    assert (snapshot.diverted, snapshot.dropped_by_reason, snapshot.pending) == (2, {"fallback_failed": 1}, 0)
    [(_, _, kept, _)] = observer.named("batch_diverted")
    assert isinstance(kept, Batch)
    assert kept.values == (1, 3)
    assert "fallback rejected records: sink=warehouse records=1 code=CONFLICT" in caplog.text


class Refusing(FakeFallback):
    """Stores all, and says that it has refused some."""

    def __init__(self, refused: object) -> None:
        super().__init__()
        self.refused = refused

    def divert(self, batch: Batch, diversion: Diversion) -> Sequence[Rejection] | None:  # type: ignore[override]
        super().divert(batch, diversion)
        return self.refused  # type: ignore[return-value]


NONSENSE = {
    "a record that is not there": (Rejection(2, "TOO_LONG", ""),),
    "one from the end": (Rejection(-1, "TOO_LONG", ""),),
    "one record twice": (Rejection(0, "TOO_LONG", ""), Rejection(0, "NULL", "")),
    "a position that is no number": (Rejection("0", "TOO_LONG", ""),),  # type: ignore[arg-type]
    "between two records": (Rejection(0.5, "TOO_LONG", ""),),  # type: ignore[arg-type]
    "a code that is no text": (Rejection(0, 1400, ""),),  # type: ignore[arg-type]
    "a position alone": (0,),
    "a number": 1,
}


@pytest.mark.parametrize("refused", NONSENSE.values(), ids=NONSENSE)
def test_a_fallback_whose_answer_makes_no_sense_has_not_taken_the_records(refused: object) -> None:
    clock, ledger = ManualClock(), Ledger(["warehouse"])
    context = SinkContext("warehouse", ledger, Events(), clock, Log("test", clock))
    diverter = Diverter(context, Fallback("refusing", Refusing(refused)))
    ledger.move("warehouse", Account.COLLECTED, Account.PENDING, 2)
    assert not diverter.divert(batch_of(1, 2), DivertReason.SINK_DOWN)
    assert (ledger.snapshot("warehouse").pending, ledger.snapshot("warehouse").diverted) == (2, 0)
    [advice] = diverter.advice()
    assert advice.message.startswith("stores no records: ")


def test_a_plain_sink_whose_outcome_does_not_add_up_has_not_taken_the_records() -> None:
    sink = FakeSink()
    sink.script.append(lambda _: WriteOutcome(0))
    with pytest.raises(FallbackFailed, match="does not account for each of 2"):
        Fallback("plain", sink).divert(batch_of(1, 2), Diversion(DivertReason.SINK_DOWN, 0))


def test_rejected_records_that_the_fallback_refuses_as_well_are_dropped() -> None:
    clock, ledger = ManualClock(), Ledger(["warehouse"])
    context = SinkContext("warehouse", ledger, Events(), clock, Log("test", clock))
    diverter = Diverter(context, Fallback("refusing", Refusing((Rejection(1, "TOO_LONG", ""),))))
    flight = Flight(batch_of(1, 2, 3))
    flight.outcome = WriteOutcome(1, 0, (Rejection(0, "NULL", ""), Rejection(2, "NULL", "")))
    ledger.move("warehouse", Account.COLLECTED, Account.PENDING, 2)
    stored = diverter.store_rejected(flight)
    assert stored is not None
    assert (stored.kept.values, stored.refused.values) == ((1,), (3,))
    diverter.count_rejected(stored)
    snapshot = ledger.snapshot("warehouse")
    assert (snapshot.rejected, snapshot.dropped_by_reason, snapshot.pending) == (1, {"fallback_failed": 1}, 0)


class Keeper(FakeSink):
    """Keeps what it gets, unless it is told to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.copies: list[object] = []
        self.broken = False

    def keep_delivered(self, batch: Batch) -> None:
        if self.broken:
            raise RuntimeError("a defect")
        self.copies += batch.values

    def delivered_files(self) -> list[Path]:
        return []


def test_a_fallback_that_keeps_copies_gets_what_the_sink_took_and_its_defect_costs_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, keeper = ManualClock(), Keeper()
    context = SinkContext("warehouse", Ledger(["warehouse"]), Events(), clock, Log("test", clock))
    diverter = Diverter(context, Fallback("keeper", keeper))
    flight = Flight(batch_of(1, 2, 3))
    flight.outcome = WriteOutcome(1, 1, (Rejection(1, "ORA-12899", "too long"),))
    diverter.copy_delivered(flight)
    assert keeper.copies == [1, 3]
    keeper.broken = True
    diverter.copy_delivered(flight)
    assert "copy not kept: sink=warehouse" in caplog.text
    Diverter(context, None).copy_delivered(flight)
    Diverter(context, Fallback("plain", FakeSink())).copy_delivered(flight)
