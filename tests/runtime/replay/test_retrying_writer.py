"""How a manual replay writes a batch: retries, the choice of the quicker way, sinks that cannot tell duplicates."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest

from agent_core.api import (
    AuthenticationError,
    ConfigurationError,
    ReplayRefused,
    RetryableError,
    WriteOutcome,
)
from agent_core.registry.events import Events
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.replay.writer import ReplayInterrupted, ReplayStopped, ReplayWriter
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fakes import FakeObserver, FakeSink, batch_of

AWAY = RetryableError("listener gone", code="ORA-12541")


@dataclass
class Rig:
    """A writer whose sleeps take no time and are remembered."""

    sink: FakeSink = field(default_factory=FakeSink)
    accept_duplicates: bool = False
    interrupted: bool = False
    slept: list[float] = field(default_factory=list)
    observer: FakeObserver = field(default_factory=FakeObserver)

    def writer(self) -> ReplayWriter:
        events = Events()
        events.register_observer(self.observer)
        return ReplayWriter(
            "sink", self.sink, Backoff(3, 1, 2, 0, 60), self.accept_duplicates, events, ManualClock(), self.sleep,
            logging.getLogger("test"),
        )  # fmt: skip

    def sleep(self, seconds: float) -> bool:
        self.slept.append(seconds)
        return not self.interrupted


def test_the_sink_downs_with_the_first_batch_and_stays_open() -> None:
    rig = Rig()
    writer = rig.writer()
    assert rig.sink.opens == 0
    assert writer.write(batch_of(1, 2), "a.csv").outcome == WriteOutcome(2)
    assert writer.write(batch_of(1, 2), "a.csv").outcome == WriteOutcome(0, 2)
    assert rig.sink.opens == 1
    [delivered, _] = rig.observer.named("batch_delivered")
    assert delivered[-1] == "a.csv", "announced as a replay"


def test_retries_are_those_of_the_yaml_and_the_rows_are_the_same() -> None:
    rig = Rig()
    rig.sink.script.extend([AWAY, AWAY, AWAY])
    written = rig.writer().write(batch_of(1), "a.csv")
    assert rig.slept == [1, 2, 4]
    assert rig.sink.attempts == 4
    assert written.attempted_at_ns == START_NS
    assert [event[-1] for event in rig.observer.named("batch_failed")] == [1, 2, 4]


def test_an_open_that_fails_is_retried_in_the_same_way() -> None:
    rig = Rig()
    rig.sink.open_script.extend([AWAY, AWAY])
    rig.writer().write(batch_of(1), "a.csv")
    assert (rig.slept, rig.sink.opens) == ([1, 2], 3)


def test_a_wish_of_the_sink_is_granted_when_it_is_longer() -> None:
    rig = Rig()
    rig.sink.script.extend(RetryableError("full", retry_after_seconds=seconds, throttle=True) for seconds in (30, 0.5))
    rig.writer().write(batch_of(1), "a.csv")
    assert rig.slept == [30, 2]


def test_it_stops_when_the_retries_are_used_up() -> None:
    rig = Rig()
    rig.sink.script.extend([AWAY] * 4)
    with pytest.raises(ReplayStopped, match="sink failed after 4 attempts: listener gone"):
        rig.writer().write(batch_of(1), "a.csv")


@pytest.mark.parametrize("error", [AuthenticationError("ORA-01017"), ConfigurationError("ORA-00942")])
def test_what_only_a_person_can_mend_is_not_tried_again(error: Exception) -> None:
    rig = Rig()
    rig.sink.open_script.append(error)
    with pytest.raises(ReplayStopped, match=f"sink failed: {error}"):
        rig.writer().write(batch_of(1), "a.csv")
    assert (rig.sink.opens, rig.slept) == (1, [])


def test_a_defect_of_the_sink_is_bounded_and_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    rig.sink.script.extend([lambda batch: WriteOutcome(99)] * 4)
    with pytest.raises(ReplayStopped, match="does not account for each of 1 records"):
        rig.writer().write(batch_of(1), "a.csv")
    assert "Traceback" in caplog.text


def test_a_stop_ends_the_wait_for_a_retry() -> None:
    rig = Rig(interrupted=True)
    rig.sink.script.append(AWAY)
    with pytest.raises(ReplayInterrupted):
        rig.writer().write(batch_of(1), "a.csv")


class ForgetfulSink(FakeSink):
    idempotent = False


def test_a_sink_that_cannot_recognise_rows_needs_a_word_of_its_own() -> None:
    rig = Rig(sink=ForgetfulSink())
    with pytest.raises(ReplayRefused, match="--accept-duplicates"):
        rig.writer().write(batch_of(1), "a.csv")
    assert rig.sink.attempts == 0
    accepted = Rig(sink=ForgetfulSink(), accept_duplicates=True)
    accepted.writer().write(batch_of(1), "a.csv")
    assert accepted.sink.attempts == 1
