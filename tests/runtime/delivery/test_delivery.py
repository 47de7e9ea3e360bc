"""What becomes of each record between the buffer and the sink."""

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from agent_core.api import (
    AuthenticationError,
    Batch,
    ConfigurationError,
    DivertReason,
    DropReason,
    Rejection,
    RetryableError,
    SinkState,
    WriteOutcome,
)
from agent_core.registry.events import Events
from agent_core.runtime.delivery.workers import RESTART_SECONDS
from agent_core.testing.background import Background
from agent_core.testing.fakes import FakeSink, batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import PROBE_SECONDS, THROTTLED_SECONDS, MakeRig


def away(*, ambiguous: bool = False, throttle: bool = False) -> RetryableError:
    return RetryableError("ORA-12541: no listener", code="ORA-12541", ambiguous=ambiguous, throttle=throttle)


def test_records_are_delivered_in_batches_of_exactly_max_records(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=4).accept(batch_of(*range(10))).start()
    rig.sink.wait_until(lambda sink: len(sink.written) == 2)
    rig.advance_past_backoff(0.5)
    rig.sink.wait_until(lambda sink: len(sink.written) == 3)
    assert [len(batch) for batch in rig.sink.written] == [4, 4, 2]
    rig.observer.wait_for("batch_delivered", 3)
    snapshot = rig.snapshot()
    assert (snapshot.collected, snapshot.delivered, snapshot.pending) == (10, 10, 0)


def test_the_same_records_are_tried_four_times_then_diverted(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    rig.sink.script.extend(away() for _ in range(4))
    rig.accept(batch_of(1, 2)).start()
    for attempt, delay in enumerate((1, 2, 4), start=1):
        failed = rig.observer.wait_for("batch_failed", attempt)[-1]
        assert failed[3:] == (attempt, delay)
        rig.advance_past_backoff(delay)
    rig.observer.wait_for("batch_diverted")
    assert rig.fallback is not None
    assert rig.sink.attempts == 4
    assert rig.fallback.diverted()[DivertReason.RETRIES_EXHAUSTED].values == (1, 2)
    assert rig.observer.states() == [SinkState.RETRYING, SinkState.DOWN]
    snapshot = rig.snapshot()
    assert (snapshot.diverted, snapshot.pending) == (2, 0)


def test_a_retry_that_succeeds_brings_the_sink_up(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1)
    rig.sink.script.append(away())
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_failed")
    rig.advance_past_backoff(1)
    delivered = rig.observer.wait_for("batch_delivered")[0]
    assert delivered[3] == 2, "the second attempt"
    changes = [(new, why) for _, _, new, why, _ in rig.observer.named("sink_state_changed")]
    assert changes == [(SinkState.RETRYING, "ORA-12541: no listener"), (SinkState.UP, "a write returned")]


def test_while_down_records_go_to_the_fallback_and_one_probe_brings_the_sink_back(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=0)
    rig.sink.script.append(away())
    rig.accept(batch_of(1, 2, 3)).start()
    rig.observer.wait_for("batch_diverted", 3)
    assert rig.sink.attempts == 1, "nobody writes before the probe is due"
    rig.advance_past_backoff(PROBE_SECONDS)
    rig.accept(batch_of(4, start_ns=10))
    rig.observer.wait_for("batch_delivered")
    assert rig.state() is SinkState.UP
    assert rig.fallback is not None
    assert {reason: batch.values for reason, batch in rig.fallback.diverted().items()} == {
        DivertReason.RETRIES_EXHAUSTED: (1,),
        DivertReason.SINK_DOWN: (2, 3),
    }


def test_under_pressure_the_records_wait_in_the_buffer_for_the_probe(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=0, divert_after_retries=False)
    rig.sink.script.extend([away(), away()])
    rig.accept(batch_of(1, 2)).start()
    rig.observer.wait_for("batch_failed", 1)
    rig.advance_past_backoff(PROBE_SECONDS)
    rig.observer.wait_for("batch_failed", 2)
    rig.advance_past_backoff(PROBE_SECONDS)
    rig.observer.wait_for("batch_delivered", 2)
    assert rig.fallback is not None
    assert not rig.fallback.diversions
    assert [batch.values for batch in rig.sink.written] == [(1,), (2,)]


def test_without_a_fallback_a_retryable_error_is_retried_for_ever(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=1, fallback=False)
    rig.sink.script.extend(away() for _ in range(7))
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_failed", 1)
    rig.advance_past_backoff(1)
    for attempt in range(2, 8):
        rig.observer.wait_for("batch_failed", attempt)
        rig.advance_past_backoff(PROBE_SECONDS)
    rig.observer.wait_for("batch_delivered")
    assert rig.snapshot().delivered == 1


def test_only_one_of_many_workers_probes(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=0, workers=5, divert_after_retries=False)
    entered = threading.Barrier(6)

    def fail_together(batch: Batch) -> WriteOutcome:
        entered.wait(60)
        raise away()

    rig.sink.script.extend([fail_together] * 5)
    rig.accept(batch_of(*range(8))).start()
    entered.wait(60)
    rig.observer.wait_for("batch_failed", 5)
    rig.clock.wait_for_waiters(5)
    probing, go_on = threading.Event(), threading.Event()

    def probe(batch: Batch) -> WriteOutcome:
        probing.set()
        go_on.wait(60)
        raise away()

    rig.sink.script.append(probe)
    rig.clock.advance(PROBE_SECONDS)
    assert probing.wait(60)
    assert rig.sink.attempts == 6, "four workers wait for the fifth"
    go_on.set()
    rig.observer.wait_for("batch_failed", 6)
    rig.advance_past_backoff(PROBE_SECONDS)
    rig.observer.wait_for("batch_delivered", 8)
    assert rig.snapshot().delivered == 8


@pytest.mark.parametrize(
    ("error", "state", "interval"),
    [
        (AuthenticationError("ORA-01017", code="ORA-01017"), SinkState.LOCKED_OUT, PROBE_SECONDS),
        (ConfigurationError("ORA-00942", code="ORA-00942"), SinkState.MISCONFIGURED, THROTTLED_SECONDS),
        (RetryableError("ORA-01653", throttle=True), SinkState.THROTTLED, THROTTLED_SECONDS),
    ],
)
def test_some_errors_close_the_gate_at_once(
    make_rig: MakeRig, error: Exception, state: SinkState, interval: float
) -> None:
    rig = make_rig(max_records=1, divert_after_retries=False)
    rig.sink.script.append(error)
    rig.accept(batch_of(1)).start()
    changed = rig.observer.wait_for("sink_state_changed")[0]
    assert changed[1:3] == (SinkState.UP, state)
    assert changed[4] == interval
    rig.advance_past_backoff(interval)
    rig.observer.wait_for("batch_delivered")
    assert rig.observer.states() == [state, SinkState.UP]


def test_a_sink_that_cannot_open_is_opened_again_by_the_retry(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1)
    rig.sink.open_script.append(away())
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_failed")
    rig.advance_past_backoff(1)
    rig.observer.wait_for("batch_delivered")
    assert rig.sink.opens == 2


def test_an_ambiguous_failure_is_named_when_the_records_leave(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=1)
    rig.sink.script.extend([away(ambiguous=True), away()])
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_failed")
    rig.advance_past_backoff(1)
    assert rig.observer.wait_for("batch_diverted")[0][3] is DivertReason.AMBIGUOUS_COMMIT


@pytest.mark.provokes("sink raised an unexpected error")
def test_a_defect_before_the_sink_was_opened_leaves_no_doubt(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(max_retries=0)

    def defect() -> None:
        raise ValueError("no such option")

    monkeypatch.setattr(rig.sink, "open", defect)
    rig.accept(batch_of(*range(10))).start()
    rig.observer.wait_for("batch_diverted")
    assert rig.snapshot().diverted_by_reason == {"retries_exhausted": 10}, "nothing was sent"


def test_a_commit_whose_answer_was_lost_is_ambiguous_at_the_stop_too(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    assert rig.fallback is not None
    rig.sink.script.append(away(ambiguous=True))
    rig.accept(batch_of(1, 2)).start()
    rig.observer.wait_for("batch_failed")
    rig.clock.wait_for_a_wait_of(1)
    rig.accept(batch_of(3, start_ns=10))
    rig.delivery.drain(rig.clock.monotonic())
    with rig.delivery._gate.changed:  # its worker ends, rather than that the stop takes its lease over before
        assert rig.delivery._gate.changed.wait_for(lambda: not rig.delivery.status().workers_running, PATIENCE_SECONDS)
    rig.stop()
    diverted = rig.fallback.diverted()
    assert diverted[DivertReason.AMBIGUOUS_COMMIT].values == (1, 2)
    assert diverted[DivertReason.SHUTDOWN].values == (3,)
    assert (rig.snapshot().diverted, rig.snapshot().pending) == (3, 0)


@pytest.mark.provokes("worker restarted")
def test_a_worker_that_a_defect_throws_back_remembers_what_was_sent(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(max_records=1, max_retries=1)
    defects, announce = [SystemExit()], Events.batch_failed

    def fail_once(events: Events, *arguments: Any) -> None:
        if defects:
            raise defects.pop()
        announce(events, *arguments)

    monkeypatch.setattr(Events, "batch_failed", fail_once)
    rig.sink.script.extend([away(ambiguous=True), away()])
    rig.accept(batch_of(1)).start()
    rig.advance_past_backoff(RESTART_SECONDS)
    assert rig.observer.wait_for("batch_diverted")[0][3] is DivertReason.AMBIGUOUS_COMMIT
    assert rig.sink.attempts == 2


def test_rejected_records_are_in_the_fallback_before_the_others_are_settled(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=4)
    pending_when_stored: list[int] = []

    def reject_two(batch: Batch) -> WriteOutcome:
        return WriteOutcome(2, 0, (Rejection(1, "ORA-12899", "too long"), Rejection(3, "ORA-01722", "ORA-01722: no")))

    def note_pending(batch: Batch) -> WriteOutcome:
        pending_when_stored.append(rig.buffer.stats().leased_records)
        return WriteOutcome(len(batch))

    assert rig.fallback is not None
    rig.sink.script.append(reject_two)
    rig.fallback.script.append(note_pending)
    rig.accept(batch_of("a", "b", "c", "d")).start()
    rig.observer.wait_for("batch_delivered")
    assert pending_when_stored == [4]
    [(rejected, diversion)] = rig.fallback.diversions
    assert rejected.values == ("b", "d")
    assert diversion.details == ("ORA-12899: too long", "ORA-01722: no")
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.rejected, snapshot.diverted, snapshot.pending) == (2, 2, 0, 0)


def test_rejected_records_without_a_fallback_are_dropped_with_a_reason(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, fallback=False)
    rig.sink.script.append(lambda _: WriteOutcome(0, 0, (Rejection(0, "ORA-12899", "too long"),)))
    rig.accept(batch_of("x")).start()
    assert rig.observer.wait_for("records_dropped") == [("sink", 1, DropReason.REJECTED)]
    rig.observer.wait_for("batch_delivered")
    assert rig.snapshot().dropped_by_reason == {"rejected": 1}


def test_after_a_write_returned_only_the_fallback_is_retried(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    assert rig.fallback is not None
    rig.sink.script.append(lambda _: WriteOutcome(1, 0, (Rejection(1, "ORA-12899", "too long"),)))
    rig.fallback.script.extend([OSError("disk full"), OSError("disk full")])
    rig.accept(batch_of(1, 2)).start()
    rig.fallback.wait_until(lambda fallback: fallback.attempts == 1)
    rig.advance_past_backoff(1)
    rig.fallback.wait_until(lambda fallback: fallback.attempts == 2)
    rig.advance_past_backoff(2)
    rig.observer.wait_for("batch_delivered")
    assert rig.sink.attempts == 1
    assert rig.snapshot().rejected == 1


def reject_first(batch: Batch) -> WriteOutcome:
    return WriteOutcome(len(batch) - 1, 0, (Rejection(0, "ORA-12899", "too long"),))


def test_good_records_pass_those_that_wait_for_a_full_fallback(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=4)
    assert rig.fallback is not None
    rig.sink.script.append(reject_first)
    rig.fallback.script.extend([OSError("disk full")] * 2)
    rig.accept(batch_of(*range(20))).start()
    rig.sink.wait_until(lambda sink: len(sink.written) == 5)
    rig.observer.wait_for("batch_delivered", 4)
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.rejected, snapshot.pending) == (19, 0, 1)
    assert rig.buffer.stats().leased_records == 4, "the batch of the rejected record is not settled before that is safe"
    rig.advance_past_backoff(1)
    rig.fallback.wait_until(lambda fallback: fallback.attempts == 2)
    rig.advance_past_backoff(2)
    rig.observer.wait_for("batch_delivered", 5)
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.rejected, snapshot.pending) == (19, 1, 0)
    assert rig.buffer.stats().pending_records == 0
    assert rig.fallback.diverted()[DivertReason.REJECTED].values == (0,)
    assert rig.sink.attempts == 5, "no batch is written twice"


def test_rejected_records_that_wait_leave_half_of_the_buffer_to_good_ones(make_rig: MakeRig) -> None:
    rig = make_rig(capacity=16, max_records=4)
    assert rig.fallback is not None
    rig.sink.script.extend([reject_first] * 4)
    rig.fallback.script.extend([OSError("disk full")] * 4)
    rig.accept(batch_of(*range(16))).start()
    rig.observer.wait_for("records_dropped", 2)
    rig.clock.wait_for_waiters()
    assert rig.observer.named("records_dropped") == [("sink", 1, DropReason.FALLBACK_FAILED)] * 2
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.pending, snapshot.dropped_by_reason) == (12, 2, {"fallback_failed": 2})
    assert rig.buffer.stats().leased_records == 8
    rig.clock.advance(60)
    rig.observer.wait_for("batch_delivered", 4)
    assert rig.fallback.diverted()[DivertReason.REJECTED].values == (8, 12), "the oldest went first"
    assert (rig.snapshot().rejected, rig.snapshot().pending) == (2, 0)


def test_a_fallback_that_takes_records_again_gets_those_that_waited_at_once(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    assert rig.fallback is not None
    rig.sink.script.extend([reject_first] * 4)
    rig.fallback.script.extend([OSError("disk full")] * 3)
    rig.accept(batch_of(*range(8))).start()
    rig.observer.wait_for("batch_delivered", 4)
    assert set(rig.fallback.diverted()[DivertReason.REJECTED].values) == {0, 2, 4, 6}


@pytest.mark.parametrize("full", [False, True])
def test_a_stop_accounts_for_rejected_records_that_wait(make_rig: MakeRig, full: bool) -> None:
    rig = make_rig(max_records=2)
    assert rig.fallback is not None
    rig.sink.script.extend([reject_first] * 2)
    rig.fallback.script.extend([OSError("disk full")] * (4 if full else 2))
    rig.accept(batch_of(1, 2, 3, 4)).start()
    rig.fallback.wait_until(lambda fallback: fallback.attempts == 2)
    rig.clock.wait_for_waiters()
    assert rig.delivery.drain(rig.clock.monotonic() + 10)
    rig.delivery.spill(rig.clock.monotonic() + 10)
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.rejected, snapshot.dropped) == ((2, 0, 2) if full else (2, 2, 0))
    assert snapshot.pending == rig.buffer.stats().pending_records == 0
    assert len(rig.observer.named("batch_delivered")) == 2


@pytest.mark.parametrize("idempotent", [False, True])
def test_a_durable_buffer_keeps_a_batch_whose_rejected_records_nobody_took(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch, idempotent: bool
) -> None:
    sink = FakeSink()
    sink.idempotent = idempotent
    rig = make_rig(max_records=2, sink=sink)
    monkeypatch.setattr(rig.buffer, "durable", True)
    assert rig.fallback is not None
    rig.sink.script.append(reject_first)
    rig.fallback.script.extend([OSError("disk full")] * 2)
    rig.accept(batch_of(1, 2)).start()
    rig.fallback.wait_until(lambda fallback: fallback.attempts == 1)
    rig.clock.wait_for_waiters()
    rig.stop()
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.pending, snapshot.dropped) == ((1, 1, 0) if idempotent else (1, 0, 1))
    # The sink would recognise the other record at the next start; one that cannot would have it twice.
    assert rig.buffer.stats().ready_records == (2 if idempotent else 0)


def test_when_both_fail_primary_and_fallback_are_tried_in_turn(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=0)
    assert rig.fallback is not None
    rig.sink.script.extend([away(), away()])
    rig.fallback.script.extend([OSError("disk full")])
    rig.accept(batch_of(1)).start()
    rig.fallback.wait_until(lambda fallback: fallback.attempts == 1)
    rig.advance_past_backoff(PROBE_SECONDS)
    rig.observer.wait_for("batch_diverted")
    assert rig.sink.attempts == 2
    assert rig.snapshot().diverted == 1


def test_what_the_buffer_evicts_is_in_the_fallback_when_accept_returns(make_rig: MakeRig) -> None:
    rig = make_rig(capacity=3)
    assert rig.fallback is not None
    rig.delivery.open()
    rig.accept(batch_of(1, 2, 3)).accept(batch_of(4, 5, start_ns=10))
    assert rig.fallback.diverted()[DivertReason.BUFFER_FULL].values == (1, 2)
    snapshot = rig.snapshot()
    assert (snapshot.collected, snapshot.diverted, snapshot.pending) == (5, 2, 3)


def test_evicted_records_without_a_fallback_are_counted_as_dropped(make_rig: MakeRig) -> None:
    rig = make_rig(capacity=3, fallback=False)
    rig.delivery.open()
    rig.accept(batch_of(1, 2, 3)).accept(batch_of(4, 5, start_ns=10))
    assert rig.snapshot().dropped_by_reason == {"buffer_full": 2}
    assert rig.observer.named("records_dropped") == [("sink", 2, DropReason.BUFFER_FULL)]


def test_evicted_records_that_the_fallback_refuses_are_counted_as_dropped(make_rig: MakeRig) -> None:
    rig = make_rig(capacity=1)
    assert rig.fallback is not None
    rig.delivery.open()
    rig.fallback.script.append(OSError("disk full"))
    rig.accept(batch_of(1, 2))
    assert rig.snapshot().dropped_by_reason == {"fallback_failed": 1}


def test_a_fallback_that_a_replay_holds_is_opened_when_it_is_needed(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(capacity=1)
    assert rig.fallback is not None
    rig.fallback.open_script.extend([RetryableError("held by process 17"), RetryableError("held by process 17")])
    rig.delivery.open()
    assert "fallback unavailable: sink=sink error=held by process 17" in caplog.text
    rig.accept(batch_of(1, 2))
    assert rig.snapshot().dropped_by_reason == {"fallback_failed": 1}, "no longer held back than that"
    rig.accept(batch_of(3, start_ns=10))
    assert rig.fallback.diverted()[DivertReason.BUFFER_FULL].values == (2,)


def test_a_fallback_that_can_never_open_stops_the_start(make_rig: MakeRig) -> None:
    rig = make_rig()
    assert rig.fallback is not None
    rig.fallback.open_script.append(PermissionError("read-only"))
    with pytest.raises(PermissionError, match="read-only"):
        rig.delivery.open()


@pytest.mark.provokes("sink raised an unexpected error")
@pytest.mark.parametrize(
    "outcome",
    [WriteOutcome(1), WriteOutcome(3, -1), WriteOutcome(2.0), WriteOutcome(1, 0, (Rejection(0.5, "NULL", ""),))],  # type: ignore[arg-type]
    ids=["too few", "fewer than none", "no whole number", "between two records"],
)
def test_an_outcome_that_does_not_add_up_is_a_failure(make_rig: MakeRig, outcome: WriteOutcome) -> None:
    rig = make_rig(max_records=2, max_retries=0)
    rig.sink.script.append(lambda _: outcome)
    rig.accept(batch_of(1, 2)).start()
    error = rig.observer.wait_for("batch_failed")[0][2]
    assert "does not account for each of 2 records" in str(error)
    rig.observer.wait_for("batch_diverted")
    assert rig.snapshot().diverted_by_reason == {"ambiguous_commit": 2}


@pytest.mark.provokes("sink raised an unexpected error")
def test_a_rejection_without_a_text_is_a_failure_and_leaves_no_lease_behind(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2, max_retries=0)
    rig.sink.script.append(lambda _: WriteOutcome(1, 0, (Rejection(0, 1400, "null"),)))  # type: ignore[arg-type]
    rig.accept(batch_of(1, 2)).start()
    assert "must be texts: [1400, 'null']" in str(rig.observer.wait_for("batch_failed")[0][2])
    rig.observer.wait_for("batch_diverted")
    rig.stop()
    assert (rig.snapshot().diverted, rig.buffer.stats().pending_records) == (2, 0)


def test_records_that_a_part_has_lost_are_counted_at_the_stop_and_make_it_unclean(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.delivery.open()
    rig.accept(batch_of(1, 2))
    rig.buffer.lease(10, 0)  # and nobody settles it
    rig.delivery.spill(rig.clock.monotonic())
    assert rig.delivery.give_up() == 2
    assert rig.snapshot().dropped_by_reason == {"shutdown": 2}
    assert rig.observer.named("records_dropped") == [("sink", 2, DropReason.SHUTDOWN)]


def test_records_that_a_worker_hands_to_a_slow_fallback_at_the_stop_are_its_own_to_count(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make_rig(max_records=2)
    assert rig.fallback is not None
    slow, go_on = threading.Event(), threading.Event()

    def answer_late(batch: Batch) -> WriteOutcome:
        slow.set()
        go_on.wait(60)
        return WriteOutcome(len(batch))

    rig.sink.script.append(reject_first)
    rig.fallback.script.append(answer_late)
    rig.accept(batch_of(1, 2)).start()
    assert slow.wait(60)
    assert not rig.delivery.drain(rig.clock.monotonic())
    rig.delivery.spill(rig.clock.monotonic())
    assert (rig.snapshot().pending, rig.snapshot().dropped) == (1, 0)
    assert rig.delivery.give_up() == 1
    assert rig.snapshot().dropped_by_reason == {"shutdown": 1}
    go_on.set()
    rig.observer.wait_for("batch_delivered")
    snapshot = rig.snapshot()
    assert (snapshot.delivered, snapshot.rejected, snapshot.pending, snapshot.dropped) == (1, 1, 0, 0)
    assert "worker failed" not in caplog.text


def test_records_that_a_refused_log_in_keeps_out_were_not_retried(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    rig.sink.script.append(AuthenticationError("ORA-28001"))
    rig.accept(batch_of(1, 2)).start()
    rig.observer.wait_for("batch_diverted")
    assert rig.snapshot().diverted_by_reason == {"sink_down": 2}


@pytest.mark.provokes("sink raised an unexpected error")
def test_a_defect_in_the_sink_is_bounded_by_the_retries(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    rig = make_rig(max_records=1, max_retries=1)
    rig.sink.script.extend([KeyError("bug"), KeyError("bug")])
    rig.accept(batch_of(1, 2)).start()
    rig.observer.wait_for("batch_failed")
    rig.advance_past_backoff(1)
    rig.observer.wait_for("batch_diverted", 2)
    assert "unexpected error" in caplog.text


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.provokes("sink raised an unexpected error")
def test_an_error_that_cannot_be_shown_is_a_failure_like_others(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=0)
    rig.sink.script.append(Mute())
    rig.accept(batch_of(1)).start()
    rig.observer.wait_for("batch_diverted")
    status = rig.delivery.status()
    assert (status.state, status.last_error) == (SinkState.DOWN, "Mute")


def test_retry_after_is_the_sinks_own_wish(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1)
    rig.sink.script.append(RetryableError("busy", retry_after_seconds=17))
    rig.accept(batch_of(1)).start()
    assert rig.observer.wait_for("batch_failed")[0][4] == 17


def test_a_paused_sink_writes_nothing_until_it_resumes(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1)
    rig.delivery.pause()
    rig.accept(batch_of(1)).start()
    rig.clock.wait_for_waiters()
    rig.clock.advance(1000)
    assert rig.sink.attempts == 0
    rig.delivery.resume()
    rig.observer.wait_for("batch_delivered")
    assert rig.observer.states() == [SinkState.PAUSED, SinkState.UP]


def test_records_that_a_failing_buffer_does_not_take_are_dropped_without_a_fallback(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(fallback=False)

    def fail(batch: Batch) -> Batch:
        raise OSError("disk full")

    monkeypatch.setattr(rig.buffer, "append", fail)
    rig.accept(batch_of(1, 2))
    assert (rig.snapshot().dropped_by_reason, rig.snapshot().pending) == ({"buffer_failed": 2}, 0)


def test_what_a_durable_buffer_kept_from_the_last_run_is_recovered_and_delivered(
    make_rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make_rig(max_records=5)
    rig.buffer.append(batch_of(*range(5)))
    stats = rig.buffer.stats
    monkeypatch.setattr(rig.buffer, "stats", lambda: replace(stats(), recovered_records=5))
    rig.start()
    rig.observer.wait_for("batch_delivered")
    snapshot = rig.snapshot()
    assert (snapshot.recovered, snapshot.delivered, snapshot.pending) == (5, 5, 0)


def test_a_paused_sink_holds_up_no_stop(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    rig.delivery.pause()
    rig.accept(batch_of(1, 2)).start()
    assert not Background(lambda: rig.delivery.drain(rig.clock.monotonic() + 10)).result()
    rig.delivery.spill(rig.clock.monotonic() + 10)
    assert rig.snapshot().diverted_by_reason == {"shutdown": 2}


def test_draining_writes_the_rest_at_once(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=100).accept(batch_of(1, 2, 3)).start()
    assert rig.delivery.drain(rig.clock.monotonic() + 10)
    assert rig.snapshot().delivered == 3


def test_at_the_deadline_a_volatile_buffers_records_go_to_the_fallback(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2, divert_after_retries=False, max_retries=0)
    assert rig.fallback is not None
    rig.sink.script.append(away())
    rig.accept(batch_of(1, 2, 3)).start()
    rig.observer.wait_for("batch_failed")
    assert not rig.delivery.drain(rig.clock.monotonic() + 10), "ends at once: the sink is down, the fallback is safe"
    rig.delivery.spill(rig.clock.monotonic() + 10)
    assert set(rig.fallback.diverted()[DivertReason.SHUTDOWN].values) == {1, 2, 3}
    snapshot = rig.snapshot()
    assert (snapshot.diverted, snapshot.pending) == (3, 0)


def test_records_of_a_write_that_hangs_at_shutdown_go_to_the_fallback_as_ambiguous(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2)
    assert rig.fallback is not None
    hanging, go_on = threading.Event(), threading.Event()

    def hang(batch: Batch) -> WriteOutcome:
        hanging.set()
        go_on.wait(60)
        return WriteOutcome(len(batch))

    rig.sink.script.append(hang)
    rig.accept(batch_of(1, 2)).start()
    assert hanging.wait(60)
    assert not rig.delivery.drain(rig.clock.monotonic())
    rig.delivery.spill(rig.clock.monotonic())
    assert rig.fallback.diverted()[DivertReason.AMBIGUOUS_COMMIT].values == (1, 2)
    assert rig.buffer.stats().pending_records == 0
    go_on.set()
    rig.delivery.spill(rig.clock.monotonic() + 10)  # waits for the worker
    assert len(rig.sink.written) == 1
    snapshot = rig.snapshot()
    assert (snapshot.diverted, snapshot.delivered, snapshot.pending) == (2, 0, 0)


def test_without_a_fallback_the_shutdown_makes_a_last_probe_then_counts_the_loss(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=2, max_retries=0, fallback=False)
    rig.sink.script.extend([away(), away()])
    rig.accept(batch_of(1, 2)).start()
    rig.observer.wait_for("batch_failed")
    stopping = threading.Thread(target=rig.delivery.drain, args=(rig.clock.monotonic() + 10,))
    stopping.start()
    rig.observer.wait_for("batch_failed", 2)
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(10)
    stopping.join(60)
    rig.delivery.spill(rig.clock.monotonic() + 10)
    assert rig.snapshot().dropped_by_reason == {"shutdown": 2}


def keys_of(batch: Batch) -> list[tuple[str, int]]:
    return [(record.name, record.timestamp_ns) for record in batch.records()]


@pytest.mark.parametrize("workers", [1, 5])
def test_under_failures_every_record_ends_in_exactly_one_account(make_rig: MakeRig, workers: int) -> None:
    rig = make_rig(capacity=300, max_records=7, max_retries=0, workers=workers)
    assert rig.fallback is not None
    accepted: list[Batch] = []

    def note_and_reject_first(batch: Batch) -> WriteOutcome:
        accepted.append(batch)
        return reject_first(batch)

    rig.sink.script.extend((note_and_reject_first, rig.sink.store, away())[n % 3] for n in range(60))
    rig.fallback.script.extend(OSError("disk full") if n % 4 == 0 else rig.fallback.store for n in range(60))
    rig.start()
    emitted: list[Batch] = []

    def emit_one(batch: Batch) -> None:
        emitted.append(batch)
        rig.accept(batch)

    def emit(part: int) -> None:
        for n in range(50):
            emit_one(batch_of(*range(9), start_ns=part * 10_000 + n * 10, name=f"T{part}"))

    threads = [threading.Thread(target=emit, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or rig.sink.attempts < 60:
        rig.clock.advance(PROBE_SECONDS)
        threads[0].join(0.001)
        emit_one(batch_of(1, start_ns=rig.clock.time_ns()))
    rig.delivery.drain(rig.clock.monotonic())
    rig.delivery.spill(rig.clock.monotonic() + 10)
    snapshot = rig.snapshot()
    assert snapshot.collected == sum(map(len, emitted)) >= 4 * 50 * 9
    assert snapshot.pending == rig.buffer.stats().pending_records == 0
    kept = Counter({True: 0, False: 0})
    for batch, why in rig.fallback.diversions:
        kept[why.rejected] += len(batch)
    assert (snapshot.diverted, snapshot.rejected) == (kept[False], kept[True])
    # The sink says of each write which records it has; a rejected first one is in the fallback.
    stored = Counter(key for batch, _ in rig.fallback.diversions for key in keys_of(batch))
    stored.update(list(rig.sink.records))
    stored.update(key for batch in accepted for key in keys_of(batch)[1:])
    assert stored.total() + snapshot.dropped == snapshot.collected
    assert stored <= Counter(key for batch in emitted for key in keys_of(batch)), "none twice, and none else"
