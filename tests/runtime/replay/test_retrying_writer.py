"""How the command writes a batch: retries, a sink that is not idempotent, what ends the whole replay."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agent_core.api import AuthenticationError, ConfigurationError, Log, ReplayRefused, RetryableError, WriteOutcome
from agent_core.config.model import RetryConfig
from agent_core.registry.events import Events
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.replay.file_replay import ReplayInterrupted, ReplayStopped, WriteFailed
from agent_core.runtime.replay.writer import RetryingWriter
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fakes import FakeObserver, FakeSink, batch_of

RETRY = RetryConfig(max_retries=3, initial_delay_seconds=1, multiplier=2, jitter=0, max_delay_seconds=60)
AWAY = RetryableError("listener gone", code="ORA-12541")


@dataclass
class Rig:
    """A writer whose sleeps take no time and are remembered."""

    sink: FakeSink = field(default_factory=FakeSink)
    accept_duplicates: bool = False
    interrupted: bool = False
    slept: list[float] = field(default_factory=list)
    observer: FakeObserver = field(default_factory=FakeObserver)

    def writer(self) -> RetryingWriter:
        events = Events()
        events.register_observer(self.observer)
        context = SinkContext("sink", Ledger(["sink"]), events, ManualClock(), Log("test"))
        return RetryingWriter(context, self.sink, RETRY, self.sleep, accept_duplicates=self.accept_duplicates)

    def write(self, *values: int) -> Flight:
        flight = Flight(batch_of(*values))
        self.writer().write(flight)
        return flight

    def sleep(self, seconds: float) -> bool:
        self.slept.append(seconds)
        return not self.interrupted


def test_the_sink_opens_with_the_first_batch_and_stays_open() -> None:
    rig = Rig()
    writer = rig.writer()
    assert rig.sink.opens == 0
    for outcome in (WriteOutcome(2), WriteOutcome(0, 2)):
        flight = Flight(batch_of(1, 2))
        writer.write(flight)
        assert flight.outcome == outcome
    assert rig.sink.opens == 1


def test_retries_are_those_of_the_yaml_and_the_records_are_the_same() -> None:
    rig = Rig()
    rig.sink.script.extend([AWAY, AWAY, AWAY])
    flight = rig.write(1)
    assert rig.slept == [1, 2, 4]
    assert rig.sink.attempts == flight.attempts == 4
    assert flight.attempted_at_ns == START_NS
    assert [event[3:] for event in rig.observer.named("batch_failed")] == [(1, 1), (2, 2), (3, 4)]


def test_an_open_that_fails_is_retried_in_the_same_way() -> None:
    rig = Rig()
    rig.sink.open_script.extend([AWAY, AWAY])
    assert rig.write(1).attempts == 3
    assert (rig.slept, rig.sink.opens) == ([1, 2], 3)


def test_a_delay_that_the_sink_asks_for_is_granted_when_it_is_longer() -> None:
    rig = Rig()
    rig.sink.script.extend(RetryableError("full", retry_after_seconds=seconds, throttle=True) for seconds in (30, 0.5))
    rig.write(1)
    assert rig.slept == [30, 2]


def test_out_of_retries_another_file_may_still_go_in_but_not_if_the_sink_cannot_be_opened() -> None:
    rig = Rig()
    rig.sink.script.extend([AWAY] * 4)
    with pytest.raises(WriteFailed, match="sink failed after 4 attempts: listener gone"):
        rig.write(1)
    rig.sink.open_script.extend([AWAY] * 4)
    with pytest.raises(ReplayStopped, match="sink failed after 4 attempts: listener gone"):
        rig.write(1)
    assert rig.observer.named("batch_failed")[-1][3:] == (4, None)


def test_what_only_a_person_can_fix_is_not_tried_again() -> None:
    for error, on_write in ((AuthenticationError("ORA-01017"), ReplayStopped), (ConfigurationError("x"), WriteFailed)):
        rig = Rig()
        rig.sink.open_script.append(error)
        with pytest.raises(ReplayStopped, match=f"sink failed: {error}"):
            rig.write(1)
        rig.sink.script.append(error)
        with pytest.raises(on_write, match=f"sink failed: {error}"):
            rig.write(1)
        assert (rig.sink.opens, rig.sink.attempts, rig.slept) == (2, 1, [])


def test_a_defect_of_the_sink_is_retried_as_often_as_an_outage() -> None:
    rig = Rig()
    rig.sink.script.extend([lambda batch: WriteOutcome(99)] * 4)
    with pytest.raises(WriteFailed, match="does not account for each of 1"):
        rig.write(1)
    assert rig.slept == [1, 2, 4]


def test_a_stop_ends_the_wait_for_a_retry() -> None:
    rig = Rig(interrupted=True)
    rig.sink.script.append(AWAY)
    with pytest.raises(ReplayInterrupted):
        rig.write(1)


def test_ctrl_c_in_the_middle_of_a_write_ends_it_at_once() -> None:
    rig = Rig()
    rig.sink.script.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        rig.write(1)
    assert rig.observer.named("batch_failed") == []


class ForgetfulSink(FakeSink):
    idempotent = False


def test_a_sink_without_a_unique_key_is_only_written_to_on_request() -> None:
    rig = Rig(sink=ForgetfulSink())
    with pytest.raises(ReplayRefused, match=r"no unique key.*--accept-duplicates"):
        rig.write(1)
    assert rig.sink.attempts == 0
    accepted = Rig(sink=ForgetfulSink(), accept_duplicates=True)
    accepted.write(1)
    assert accepted.sink.attempts == 1
