"""Log: what an event looks like as text, which fields it keeps, and how often it is written."""

from __future__ import annotations

import logging

import pytest

from agent_core.api import Log, LogEvent
from agent_core.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> Log:
    caplog.set_level(logging.DEBUG)
    return Log("any_sink", clock)


def test_an_event_reads_as_its_name_and_its_fields(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    assert log.warning("write failed", sink="warehouse", records=500, retry_in_seconds=2.0, error=OSError("full"))
    [record] = caplog.records
    assert (record.name, record.levelname) == ("any_sink", "WARNING")
    assert record.getMessage() == "write failed: sink=warehouse records=500 retry_in_seconds=2 error=full"
    assert isinstance(record.msg, LogEvent)
    assert record.msg.fields["records"] == 500


def test_the_next_step_comes_last_wherever_it_was_given(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.error("log file write failed", next_step="make room", path="a.log")
    log.info("agent stopped")
    assert caplog.messages == ["log file write failed: path=a.log; make room", "agent stopped"]


def test_measurements_are_short_and_counts_are_whole(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.info("measured", elapsed_seconds=0.123456789, records=1_234_567, ratio=float("nan"))
    assert caplog.messages == ["measured: elapsed_seconds=0.123457 records=1234567 ratio=nan"]


def test_an_event_that_repeats_is_written_once_per_interval_with_a_count(
    log: Log, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    written = [log.warning("read failed", device="PLC01", every="PLC01") for _ in range(4)]
    assert written == [True, False, False, False]
    assert log.warning("read failed", device="PLC02", every="PLC02"), "another key has a limit of its own"
    assert log.warning("read refused", device="PLC01", every="PLC01"), "and so has another event"
    clock.advance(60)
    assert log.warning("read failed", device="PLC01", every="PLC01")
    assert caplog.messages[0] == "read failed: device=PLC01"
    assert caplog.messages[-1] == "read failed: device=PLC01 repeated=3"


def test_a_record_names_the_line_that_wrote_it(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.debug("anything")
    assert caplog.records[0].filename == "test_log.py"
    assert caplog.records[0].funcName == "test_a_record_names_the_line_that_wrote_it"


@pytest.mark.provokes("worker failed")
def test_a_traceback_comes_with_the_record(log: Log, caplog: pytest.LogCaptureFixture) -> None:
    log.error("worker failed", exc_info=KeyError("boom"))
    assert "KeyError: 'boom'" in caplog.text


class Panic(BaseException):
    """As a library written in Rust raises it."""


@pytest.mark.parametrize("error", [RuntimeError("no text"), Panic("no text")])
@pytest.mark.parametrize("kind", [object, int, float])
def test_an_object_that_cannot_be_shown_costs_only_its_own_text(
    log: Log, caplog: pytest.LogCaptureFixture, kind: type, error: BaseException
) -> None:
    def fail(*_: object) -> str:
        raise error

    broken = type("Broken", (kind,), {"__str__": fail, "__repr__": fail, "__format__": fail})
    log.info("seen", thing=broken(), sink="s")
    assert caplog.messages == ["seen: thing=(Broken that cannot be shown) sink=s"]


@pytest.mark.parametrize("error", [RuntimeError("a defect"), Panic("a defect")])
def test_a_handler_of_somebody_else_that_raises_costs_the_line_and_not_the_caller(
    log: Log, clock: ManualClock, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise error

    handler = Broken()
    log.logger.addHandler(handler)
    try:
        for _ in range(3):
            assert log.warning("write failed", password="hunter2")
        clock.advance(60.0)
        log.info("sink opened")
    finally:
        log.logger.removeHandler(handler)
    kind = type(error).__name__
    assert capsys.readouterr().err.splitlines() == [
        f"log line lost: {event}: a handler or filter raised {kind}" for event in ("write failed", "sink opened")
    ]
