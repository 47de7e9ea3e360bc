"""What becomes of records in a fallback that is a plain sink."""

import pytest

from agent_core.api import Account, Batch, DivertReason, DropReason, Log, Rejection, WriteOutcome
from agent_core.registry.events import Events
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeObserver, FakeSink, batch_of


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
