"""How a session is prepared, how long it is used, and what ends it. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
from oracle_sink.session.setup import prepare
from oracle_sink.session.soundness import connection_is_lost
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import Batch, ConfigurationError, Origin, RetryableError, SinkError, WriteOutcome
from agent_core.testing.clock import ManualClock

MakeSink = Callable[..., OracleSink]
START = 1_767_225_600_000_000_000
HOUR = 3600.0


def batch(number: int) -> Batch:
    return Batch.of(Origin("s", "d", "g"), ("T",), (1.0,), START + number * 1_000_000_000)


# ---- what is set


class Cursor:
    """Takes statements and keeps them; refuses none."""

    def __init__(self) -> None:
        self.executed: list[str] = []

    def __enter__(self) -> Cursor:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to close."""

    def execute(self, statement: str) -> None:
        self.executed.append(statement)


class Connection:
    """Has one cursor."""

    def __init__(self) -> None:
        self.only = Cursor()

    def cursor(self) -> Cursor:
        return self.only


def test_what_the_sink_needs_is_set_after_the_statements_of_the_configuration() -> None:
    connection = Connection()
    prepare(connection, ["ALTER SESSION SET CURRENT_SCHEMA = PLANT"])  # type: ignore[arg-type]
    first, *own = connection.only.executed
    assert first == "ALTER SESSION SET CURRENT_SCHEMA = PLANT"
    text = "\n".join(own)
    for setting in ("TIME_ZONE = '+00:00'", "COMMIT_WAIT = 'WAIT'", "NLS_COMP = 'BINARY'", "CONSTRAINTS = IMMEDIATE"):
        assert setting in text


def test_a_statement_that_the_database_refuses_is_a_fault_of_the_configuration_and_is_named(
    make_sink: MakeSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=2248, match="EVENTS", times=0)
    sink = make_sink(session=["ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY'", "ALTER SESSION SET EVENTS = 'x'"])
    with pytest.raises(ConfigurationError, match=r"SET EVENTS = 'x'.*ORA-02248") as raised:
        sink.open()
    assert raised.value.next_step == "correct statement 2 of session:, or remove it"
    database.fault("execute", "drop", match="NLS_DATE_FORMAT")
    with pytest.raises(RetryableError):
        sink.open()
    database.clear_faults()
    sink.open()
    assert sink.write(batch(0)) == WriteOutcome(inserted=1)


def test_a_setting_that_the_database_forbids_is_said_and_the_others_are_set(
    make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    database.fault("execute", "ora", code=1031, match="COMMIT_WAIT", times=0)
    sink = make_sink()
    with caplog.at_level(logging.WARNING):
        sink.open()
    assert "session setting refused: sink=warehouse setting=COMMIT_WAIT = 'WAIT': ORA-01031" in caplog.text
    assert len(caplog.records) == 1
    assert sink.write(batch(0)) == WriteOutcome(inserted=1)
    refused = [finding.message for finding in sink.diagnose() if "setting refused" in finding.message]
    assert len(refused) == 1
    database.fault("execute", "ora", code=1031, match="TIME_ZONE", times=0)
    with pytest.raises(ConfigurationError, match="prepare a session"):
        make_sink().open()


# ---- how long it is used


def test_a_session_is_replaced_between_batches_when_it_is_old(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    sink = make_sink(clock, pool={"min": 2})
    sink.open()
    with sink._connections.session() as lent:
        clock.advance(HOUR)
    assert not lent.lost  # it was in use: never in the middle of a transaction
    database.reset_counters()
    for number in range(3):
        assert sink.write(batch(number)) == WriteOutcome(inserted=1)
    assert database.counters()["logons"] == 2  # the spare one, too
    assert sink._connections._live == 2


def test_a_new_session_in_place_of_an_old_one_reads_the_table(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    sink = make_sink(clock)
    sink.open()
    database.sql("ALTER TABLE tagferry_test DROP CONSTRAINT pk_tagferry_test")
    sink.write(batch(0))
    assert sink.idempotent  # nothing has said so
    clock.advance(HOUR)
    sink.write(batch(1))
    assert not sink.idempotent


def test_sessions_that_began_together_do_not_end_together(make_sink: MakeSink) -> None:
    sink = make_sink(ManualClock(), pool={"min": 5})
    sink.open()
    ends = {session.ends_at for session in sink._connections._idle}
    assert len(ends) == 5
    assert all(0.8 * HOUR <= end <= HOUR for end in ends)


def test_without_a_limit_a_session_stays(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    sink = make_sink(clock, pool={"max_age": 0.0})
    sink.open()
    clock.advance(1000 * HOUR)
    sink.write(batch(0))
    assert database.counters()["logons"] == 1


def test_an_old_session_is_used_on_while_no_log_in_succeeds(
    make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    sink = make_sink(clock)
    sink.open()
    database.expire_password()
    clock.advance(HOUR)
    database.reset_counters()
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            assert sink.write(batch(number)) == WriteOutcome(inserted=1)
    assert database.counters()["connections"] == 1
    assert "session not renewed" in caplog.text
    database.change_password("tiger")
    clock.advance(300.0)
    sink.write(batch(5))
    assert (database.counters()["logons"], sink._connections._live) == (1, 1)


# ---- what ends it


def test_only_codes_known_to_leave_a_session_sound_keep_it() -> None:
    sound = ("ORA-00001", "ORA-00054", "ORA-00060", "ORA-01653", "ORA-12899", "ORA-20001", "ORA-00942", "DPY-4004")
    limits = ("ORA-02391", "ORA-02392", "ORA-02394", "ORA-02396", "ORA-02399")
    read_only = ("ORA-16000", "ORA-16456")
    unknown = (None, "DPY-4011", "DPY-4024", "DPY-9999", "ORA-01013", "ORA-00028", "ORA-29999", "ORA-04030")
    assert not connection_is_lost("ORA-00604", "ORA-00604: error at recursive SQL level 1\nORA-01653: unable to extend")
    assert connection_is_lost("ORA-00604", "ORA-00604: error at recursive SQL level 1")
    assert [code for code in sound if connection_is_lost(code)] == []
    assert [code for code in (*limits, *read_only, *unknown) if not connection_is_lost(code)] == []


@pytest.mark.parametrize("code", [2392, 2394, 2399, 16000, 16456, 29999])
def test_a_session_ended_by_a_limit_or_a_switch_over_is_not_used_again(
    code: int, make_sink: MakeSink, database: Standin
) -> None:
    sink = make_sink()
    sink.open()
    database.fault("execute", "ora", code=code, match="insert")
    with pytest.raises(SinkError):
        sink.write(batch(0))
    database.sql("ALTER TABLE tagferry_test DROP CONSTRAINT pk_tagferry_test")
    database.reset_counters()
    assert sink.write(batch(0)) == WriteOutcome(inserted=1)
    assert database.counters()["logons"] == 1
    assert not sink.idempotent, "the table may be another one now"


@pytest.mark.parametrize("code", [54, 60, 1653, 942])
def test_a_busy_or_full_table_costs_no_log_in(code: int, make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink()
    sink.open()
    database.fault("execute", "ora", code=code, match="insert", times=0)
    for _ in range(5):
        with pytest.raises(SinkError):
            sink.write(batch(0))
    database.clear_faults()
    sink.write(batch(0))
    assert database.counters()["logons"] == 1


def test_rows_that_are_refused_cost_no_log_in_and_an_unknown_error_at_most_one_per_attempt(
    make_sink: MakeSink, database: Standin
) -> None:
    sink = make_sink()
    sink.open()
    database.fault("execute", "ora", code=2290, match="insert", row=0)
    assert len(sink.write(Batch.of(Origin("s", "d", "g"), ("A", "B"), (1.0, 2.0), START)).rejected) == 1
    assert database.counters()["logons"] == 1
    database.clear_faults()
    database.fault("execute", "ora", code=29999, match="insert", times=0)
    for _ in range(4):
        with pytest.raises(SinkError):
            sink.write(batch(1))
    assert database.counters()["logons"] <= 4
