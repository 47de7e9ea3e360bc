import threading
from collections.abc import Callable

import pytest

from agent_core.api import AuthenticationError, ConfigurationError, Lease, RetryableError, SinkState
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.sink_gate import ProbeIntervals, SinkGate
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of


class Worker:
    """Anything hashable claims the probe."""


def make_gate() -> tuple[SinkGate, ManualClock, list[tuple[SinkState, SinkState]]]:
    clock = ManualClock()
    changes: list[tuple[SinkState, SinkState]] = []
    return SinkGate(clock, lambda old, new, reason, probe: changes.append((old, new))), clock, changes


def claim(gate: SinkGate, worker: object) -> bool:
    with gate.changed:
        return gate.locked_claim_probe(worker)


def test_the_probe_is_due_after_its_interval_and_belongs_to_one_worker() -> None:
    gate, clock, _ = make_gate()
    first, second = Worker(), Worker()
    gate.down(first, SinkState.DOWN, RetryableError("away"), 30)
    assert not claim(gate, first)
    assert gate.next_probe_seconds() == 30
    clock.advance(30)
    assert claim(gate, first)
    assert not claim(gate, second)
    assert gate.admits(first)
    assert not gate.admits(second)


def test_a_late_failure_of_another_worker_does_not_put_off_the_probe() -> None:
    gate, clock, _ = make_gate()
    gate.down(Worker(), SinkState.DOWN, RetryableError("away"), 30)
    clock.advance(29)
    gate.down(Worker(), SinkState.DOWN, RetryableError("away too"), 30)
    assert gate.next_probe_seconds() == 1


def test_a_failed_probe_may_change_the_state_and_sets_the_next_probe() -> None:
    gate, clock, changes = make_gate()
    worker = Worker()
    gate.down(worker, SinkState.DOWN, RetryableError("away"), 30)
    clock.advance(30)
    assert claim(gate, worker)
    gate.down(worker, SinkState.LOCKED_OUT, AuthenticationError("ORA-01017"), 30)
    assert gate.state is SinkState.LOCKED_OUT
    assert gate.next_probe_seconds() == 30
    assert changes == [(SinkState.UP, SinkState.DOWN), (SinkState.DOWN, SinkState.LOCKED_OUT)]


def test_a_probe_that_is_not_made_can_be_given_back() -> None:
    gate, clock, _ = make_gate()
    first, second = Worker(), Worker()
    gate.down(first, SinkState.DOWN, RetryableError("away"), 30)
    clock.advance(30)
    assert claim(gate, first)
    assert claim(gate, first), "it is still its own"
    gate.give_back(second)
    assert not claim(gate, second), "only its owner gives it back"
    gate.give_back(first)
    assert gate.state is SinkState.DOWN
    assert claim(gate, second)


def test_a_write_that_returned_ends_every_state_but_paused() -> None:
    gate, _, changes = make_gate()
    worker = Worker()
    gate.down(worker, SinkState.THROTTLED, RetryableError("full"), 60)
    gate.pause()
    gate.up(worker, "a write returned")
    gate.resume()
    assert changes[-2:] == [(SinkState.THROTTLED, SinkState.PAUSED), (SinkState.PAUSED, SinkState.UP)]


def test_a_sink_paused_while_down_resumes_down_with_a_probe_due() -> None:
    gate, _, _ = make_gate()
    worker = Worker()
    gate.down(worker, SinkState.DOWN, RetryableError("away"), 30)
    gate.pause()
    assert not gate.admits(worker)
    gate.resume()
    assert gate.state is SinkState.DOWN
    assert claim(gate, worker)


def test_a_sink_that_fails_while_it_is_paused_resumes_down_with_a_probe_due() -> None:
    gate, _, _ = make_gate()
    worker = Worker()
    gate.pause()
    gate.down(worker, SinkState.DOWN, RetryableError("away"), 30)
    assert gate.state is SinkState.PAUSED
    gate.resume()
    assert (gate.state, gate.next_probe_seconds()) == (SinkState.DOWN, 0)
    assert claim(gate, worker)


@pytest.mark.parametrize(
    ("error", "state", "seconds"),
    [
        (AuthenticationError("refused"), SinkState.LOCKED_OUT, 30),
        (ConfigurationError("no table"), SinkState.MISCONFIGURED, 60),
        (RetryableError("away"), SinkState.DOWN, 30),
        (RetryableError("busy", retry_after_seconds=1), SinkState.DOWN, 30),
        (RetryableError("busy", retry_after_seconds=300), SinkState.DOWN, 300),
        (RetryableError("full", throttle=True), SinkState.THROTTLED, 60),
        (RetryableError("full", throttle=True, retry_after_seconds=300), SinkState.THROTTLED, 300),
        (KeyError("bug"), SinkState.DOWN, 30),
    ],
)
def test_the_first_probe_waits_for_its_interval_or_for_as_long_as_the_sink_wishes(
    error: BaseException, state: SinkState, seconds: float
) -> None:
    assert ProbeIntervals(30, 60).after(error) == (state, seconds)


@pytest.mark.parametrize(
    "land", [SinkGate.returned, SinkGate.land, lambda gate, _: gate.land_all()], ids=["returned", "land", "land_all"]
)
def test_a_flight_that_has_landed_is_forgotten(land: Callable[[SinkGate, LeaseFlight], object]) -> None:
    gate, clock, _ = make_gate()
    flight = LeaseFlight(Lease(batch_of(1), 1))
    gate.take_off(flight)
    flight.calling_since = clock.monotonic()
    clock.advance(5)
    assert gate.longest_write_seconds() == 5
    land(gate, flight)
    assert gate.longest_write_seconds() == 0, "it would keep its batch in memory"


def test_retrying_is_entered_from_up_only() -> None:
    gate, _, changes = make_gate()
    assert gate.retrying(RetryableError("away"))
    assert gate.retrying(RetryableError("away again"))
    gate.down(Worker(), SinkState.DOWN, RetryableError("away"), 30)
    assert not gate.retrying(RetryableError("late"))
    assert changes == [(SinkState.UP, SinkState.RETRYING), (SinkState.RETRYING, SinkState.DOWN)]


def test_the_last_failure_is_the_one_that_counts_whoever_saw_it() -> None:
    gate, clock, _ = make_gate()
    assert gate.last_error is None
    gate.down("a worker", SinkState.LOCKED_OUT, AuthenticationError("ORA-01031"), 30)
    clock.advance(30)
    replay = Worker()
    assert claim(gate, replay)
    gate.down(replay, SinkState.LOCKED_OUT, AuthenticationError("ORA-28000"), 30)
    assert str(gate.last_error) == "ORA-28000"


def test_changes_are_announced_one_at_a_time_and_in_order() -> None:
    told: list[tuple[SinkState, SinkState]] = []
    inside, go_on = threading.Event(), threading.Event()

    def slow(old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None) -> None:
        if not told:
            inside.set()
            go_on.wait(60)
        told.append((old, new))

    gate = SinkGate(ManualClock(), slow)
    failing = threading.Thread(target=gate.retrying, args=(RetryableError("away"),))
    failing.start()
    assert inside.wait(60)
    gate.up("another worker", "a write returned")
    assert told == [], "it waits for the one before it"
    go_on.set()
    failing.join(60)
    assert told == [(SinkState.UP, SinkState.RETRYING), (SinkState.RETRYING, SinkState.UP)]


def test_a_probe_can_be_asked_for_at_once_in_a_state_that_probes() -> None:
    gate, worker = SinkGate(ManualClock(), lambda *_: None), object()
    assert not gate.probe_now(), "it is up"
    gate.down(worker, SinkState.DOWN, RetryableError("away"), 30.0)
    assert gate.probe_now()
    assert gate.next_probe_seconds() == 0.0
    with gate.changed:
        assert gate.locked_claim_probe(worker)
