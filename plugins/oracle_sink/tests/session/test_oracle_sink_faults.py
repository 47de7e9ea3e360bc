"""Lost connections, lost replies and silence, each bounded in time. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import oracledb
import pytest
from oracle_sink.session.driver import limit_calls
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin
from plant.tcp_gate import TcpGate
from pytest_mock import MockerFixture

from agent_core.api import Batch, Origin, RetryableError, WriteOutcome
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS, within

from ..conftest import PATIENT

# The driver drops a socket that was reset without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MakeSink = Callable[..., OracleSink]
START = 1_767_225_600_000_000_000
SILENT = PATIENT | {"call": 1.0}
"""For a call that gets no answer. The calls before and after it have as long, and so has the answer to a break."""


def numbered(count: int, at: int = START) -> Batch:
    origin = Origin("line1", "PLC01", "G")
    return Batch.of(origin, [f"T{i:04}" for i in range(count)], [i / 10 for i in range(count)], at)


@pytest.fixture
def sink(make_sink: MakeSink) -> OracleSink:
    sink = make_sink()
    sink.open()
    return sink


@pytest.fixture
def sink_in_silence(make_sink: MakeSink) -> OracleSink:
    sink = make_sink(timeouts=SILENT)
    sink.open()
    return sink


@pytest.mark.parametrize("action", ["drop", "rst", "midpacket"])
def test_a_lost_commit_reply_is_ambiguous_and_the_retry_finds_its_records(
    action: str, sink: OracleSink, database: Standin
) -> None:
    database.fault("commit", action, when="after")
    with pytest.raises(RetryableError) as raised:
        sink.write(numbered(10))
    assert raised.value.ambiguous
    assert sink.write(numbered(10)) == WriteOutcome(inserted=0, duplicates=10)
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[10]]


def test_a_commit_that_never_came_is_ambiguous_too_and_the_retry_inserts(sink: OracleSink, database: Standin) -> None:
    database.fault("commit", "rst", when="before")
    with pytest.raises(RetryableError) as raised:
        sink.write(numbered(10))
    assert raised.value.ambiguous
    assert sink.write(numbered(10)) == WriteOutcome(inserted=10)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("action", ["drop", "rst"])
def test_a_connection_lost_while_inserting_is_not_ambiguous(
    action: str, when: str, sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", action, when=when, match="insert")
    with pytest.raises(RetryableError) as raised:
        sink.write(numbered(10))
    assert not raised.value.ambiguous
    assert sink.write(numbered(10)) == WriteOutcome(inserted=10)


def test_a_session_given_up_leaves_no_row_locks_when_answer_and_break_have_crossed(
    make_sink: MakeSink, database: Standin
) -> None:
    host, port, service = database.address
    gate = TcpGate(port, host)
    sink = make_sink(dsn=f"127.0.0.1:{gate.port}/{service}", timeouts=SILENT)
    sink.open()
    sink.write(numbered(10))
    gate.obey(f"nth 2 answer late {SILENT['call'] * 1.5}")  # after the INSERT, that to the look-up
    with pytest.raises(RetryableError, match="DPY-40"):
        sink.write(numbered(20))
    assert gate.happened == {"answer late": 1}
    with within(0.0):
        assert sink.write(numbered(20)) == WriteOutcome(inserted=10, duplicates=10)
    sink.close()
    gate.close()


def test_a_connection_lost_while_looking_up_duplicates_is_retried(sink: OracleSink, database: Standin) -> None:
    sink.write(numbered(10))
    database.fault("query", "rst")
    with pytest.raises(RetryableError):
        sink.write(numbered(12))
    assert sink.write(numbered(12)) == WriteOutcome(inserted=2, duplicates=10)


def test_killed_sessions_are_replaced(sink: OracleSink, database: Standin) -> None:
    database.kill_sessions()
    with pytest.raises(RetryableError):
        sink.write(numbered(3))
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)


def test_a_statement_that_hangs_ends_after_the_call_timeout(sink_in_silence: OracleSink, database: Standin) -> None:
    database.fault("execute", "hang", match="insert")
    with within(SILENT["call"]), pytest.raises(RetryableError) as raised:
        sink_in_silence.write(numbered(3))
    assert (raised.value.code, raised.value.ambiguous) == ("DPY-4024", False)
    for cause in ("row locks", "RESUMABLE_TIMEOUT", "archive log"):
        assert cause in (raised.value.next_step or "")
    assert sink_in_silence.write(numbered(3)) == WriteOutcome(inserted=3)


def test_a_commit_that_hangs_is_ambiguous(sink_in_silence: OracleSink, database: Standin) -> None:
    database.fault("commit", "hang", when="after")
    with within(SILENT["call"]), pytest.raises(RetryableError) as raised:
        sink_in_silence.write(numbered(3))
    assert raised.value.ambiguous
    assert sink_in_silence.write(numbered(3)) == WriteOutcome(inserted=0, duplicates=3)


def test_a_listener_that_is_away_is_reported_at_once_and_found_again(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink()
    database.listener_stop()
    for _ in range(2):
        with within(0.0), pytest.raises(RetryableError) as raised:
            sink.open()
        assert raised.value.code == "DPY-6005"
    database.listener_start()
    sink.open()
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)


def test_a_listener_that_never_answers_blocks_neither_open_nor_close(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    sink = make_sink(clock, timeouts=PATIENT | {"login": 0.4})
    database.black_hole(True)
    with within(0.4), pytest.raises(RetryableError, match="no answer within"):
        sink.open()
    with within(1.0):
        sink.close()
    # It was cut off, so the next one need not wait.
    clock.advance(15.0)
    with within(0.4), pytest.raises(RetryableError, match="no answer within"):
        sink.open()
    database.black_hole(False)
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while database.counters()["sessions"] == 0 and time.monotonic() < ends_at:
        clock.advance(15.0)
        with suppress(RetryableError):  # a busy machine may cost so short a time-out
            sink.open()
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)


@pytest.mark.parametrize(("point", "ambiguous"), [("execute", False), ("query", False), ("commit", True)])
def test_a_network_that_swallows_packets_costs_at_most_two_call_timeouts(
    point: str, ambiguous: bool, sink_in_silence: OracleSink, database: Standin
) -> None:
    sink_in_silence.write(numbered(3))
    database.fault(point, "freeze")
    with within(2 * SILENT["call"]), pytest.raises(RetryableError) as raised:
        sink_in_silence.write(numbered(6))
    assert raised.value.ambiguous is ambiguous
    with within(1.0):
        sink_in_silence.close()


def test_locks_of_a_session_that_the_server_has_not_given_up_are_waited_for_no_longer_than_a_call(
    sink_in_silence: OracleSink, database: Standin
) -> None:
    database.fault("commit", "freeze")
    with pytest.raises(RetryableError) as raised:
        sink_in_silence.write(numbered(3))
    assert raised.value.ambiguous
    with within(2 * SILENT["call"]), pytest.raises(RetryableError) as raised:
        sink_in_silence.write(numbered(3))
    assert (raised.value.code, raised.value.ambiguous) == ("DPY-4024", False)
    database.clear_faults()
    assert sink_in_silence.write(numbered(3)).total == 3
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[3]]


def test_close_does_not_wait_for_a_silent_peer(sink: OracleSink, database: Standin) -> None:
    database.latency(PATIENCE_SECONDS)
    with within(1.0):
        sink.close()


def test_a_session_that_was_long_idle_is_asked_first_and_replaced(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    sink = make_sink(clock)
    sink.open()
    database.drop_sessions()
    clock.advance(61.0)
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)
    clock.advance(61.0)
    database.reset_counters()
    assert sink.write(numbered(4)).inserted == 1
    assert (database.counters()["pings"], database.counters()["logons"]) == (1, 0)


def test_as_many_sessions_as_the_pool_keeps_are_opened_at_the_start(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(pool={"min": 3, "max": 5})
    sink.open()
    assert database.counters()["sessions"] == 3
    sink.open()
    assert database.counters()["sessions"] == 3


def test_a_closed_sink_says_so(sink: OracleSink) -> None:
    sink.close()
    with pytest.raises(RetryableError, match="closed"):
        sink.write(numbered(1))


def test_a_spare_session_that_cannot_be_had_stops_nothing(make_sink: MakeSink, database: Standin) -> None:
    database.fault("connect", "refuse", code=12516, nth=2, times=0)
    sink = make_sink(pool={"min": 3, "max": 5})
    sink.open()
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)


@pytest.mark.parametrize(("code", "driver_code"), [(12514, "DPY-6001"), (12516, "DPY-6000"), (12528, "DPY-6000")])
def test_a_refused_connection_is_retried(code: int, driver_code: str, make_sink: MakeSink, database: Standin) -> None:
    database.fault("connect", "refuse", code=code)
    sink = make_sink()
    with pytest.raises(RetryableError) as raised:
        sink.open()
    assert raised.value.code == driver_code
    sink.open()


def test_a_worker_without_a_session_waits_no_longer_than_it_may(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(pool={"min": 1, "max": 1}, timeouts=PATIENT | {"wait": 0.25})
    sink.open()
    with sink._connections.session(), within(0.25), pytest.raises(RetryableError, match="pool: max"):
        sink.write(numbered(1))
    assert sink.write(numbered(1)) == WriteOutcome(inserted=1)


def test_sessions_are_kept_between_batches(sink: OracleSink, database: Standin) -> None:
    for second in range(5):
        sink.write(numbered(3, START + second * 1_000_000_000))
    assert database.counters()["logons"] == 1


def test_a_worker_without_a_session_gets_the_one_that_comes_back(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    sink = make_sink(clock, pool={"min": 1, "max": 1})
    sink.open()
    outcomes: list[WriteOutcome] = []
    waiting = threading.Thread(target=lambda: outcomes.append(sink.write(numbered(1))))
    with sink._connections.session():
        waiting.start()
        clock.wait_for_waiters()
    waiting.join(PATIENCE_SECONDS)
    assert outcomes == [WriteOutcome(inserted=1)]
    assert database.counters()["logons"] == 1


@pytest.mark.parametrize("healthy", [True, False])
def test_a_limit_of_calls_is_set_on_a_connection_that_is_there(healthy: bool, mocker: MockerFixture) -> None:
    connection = mocker.Mock(spec=oracledb.Connection, call_timeout=0)
    connection.is_healthy.return_value = healthy
    limit_calls(connection, 5000)
    assert connection.call_timeout == (5000 if healthy else 0)
