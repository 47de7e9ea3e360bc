"""Rows that make their batch fail as a whole, attempt after attempt. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import oracledb
import pytest
from oracle_sink.sink import OracleSink
from oracle_sink.write.ending import Ending
from oracle_sink.write.trials import Trials
from oracle_standin.process import Standin

from agent_core.api import Batch, Origin, RetryableError, SinkError, WriteOutcome
from agent_core.testing.suite.patience import PATIENCE_SECONDS

# The driver drops a socket that was reset without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MakeSink = Callable[..., OracleSink]
START = 1_767_225_600_000_000_000
TAKEN = "unique constraint ({schema}.PK_TAGFERRY_TEST) violated"


def numbered(count: int, at: int = START) -> Batch:
    origin = Origin("line1", "PLC01", "G")
    return Batch.of(origin, [f"T{i:04}" for i in range(count)], [i / 10 for i in range(count)], at)


def codes(outcome: WriteOutcome) -> list[tuple[int, str]]:
    return [(rejection.position, rejection.code) for rejection in outcome.rejected]


def attempts(sink: OracleSink, batch: Batch, most: int = 20) -> tuple[int, WriteOutcome]:
    """Write until it returns; how many attempts failed before."""
    for failed in range(most):
        with suppress(RetryableError):
            return failed, sink.write(batch)
    raise AssertionError(f"{most} attempts failed")


@pytest.fixture
def sink(make_sink: MakeSink) -> OracleSink:
    sink = make_sink()
    sink.open()
    return sink


def hide(database: Standin, value: str, times: int = 0) -> None:
    """The key of these rows is taken, and no look-up finds it: what a trigger or row-level security can do."""
    message = TAKEN.format(schema=database.user.upper())
    database.fault("execute", "ora", code=1, value=value, message=message, match="insert", times=times)


# ---- hidden


def test_a_row_that_is_taken_and_not_found_is_rejected_after_three_attempts_and_its_batch_goes_in(
    sink: OracleSink, database: Standin
) -> None:
    hide(database, "^T000[37]$")
    failed, outcome = attempts(sink, numbered(10))
    assert (failed, outcome.inserted, codes(outcome)) == (2, 8, [(3, "HIDDEN"), (7, "HIDDEN")])
    assert "TAG_NAME=T0003" in outcome.rejected[0].message
    assert "row-level security" in outcome.rejected[0].message
    # What was found out about one batch says nothing about another.
    assert attempts(sink, numbered(10, START + 1000))[0] == 2


def test_a_trigger_that_changes_keys_and_a_policy_that_hides_rows_block_nothing(
    sink: OracleSink, database: Standin
) -> None:
    trigger = "CREATE TRIGGER upper BEFORE INSERT ON tagferry_test FOR EACH ROW BEGIN :NEW.tag_name := {}; END;"
    database.sql(trigger.format("UPPER(:NEW.tag_name)"))
    origin = Origin("line1", "PLC01", "G")
    assert sink.write(Batch.of(origin, ["a", "B"], [1.0, 1.0], START)).inserted == 2
    failed, outcome = attempts(sink, Batch.of(origin, ["a", "B", "c"], [1.0, 1.0, 1.0], START))
    assert (failed, outcome.inserted, outcome.duplicates, codes(outcome)) == (2, 1, 1, [(0, "HIDDEN")])
    database.policy("tagferry_test", "tag_name <> 'B'", statements=["SELECT"])
    failed, outcome = attempts(sink, Batch.of(origin, ["B", "d"], [1.0, 1.0], START))
    assert (failed, outcome.inserted, codes(outcome)) == (2, 1, [(0, "HIDDEN")])


def test_a_row_that_somebody_has_deleted_in_between_is_inserted(sink: OracleSink, database: Standin) -> None:
    hide(database, "^T0003$", times=2)
    assert attempts(sink, numbered(10)) == (2, WriteOutcome(inserted=10))


def test_a_row_is_hidden_only_if_it_was_so_itself_each_time(sink: OracleSink, database: Standin) -> None:
    hide(database, "^T0001$", times=1)
    hide(database, "^T0002$", times=1)
    hide(database, "^T0003$", times=2)
    failed, outcome = attempts(sink, numbered(10))
    assert (failed, outcome.inserted) == (4, 10)


def test_a_row_that_another_session_inserts_and_rolls_back_is_inserted(sink: OracleSink, database: Standin) -> None:
    with oracledb.connect(user=database.user, password=database.password, dsn=database.dsn) as other:
        insert = "INSERT INTO tagferry_test VALUES ('T0001', '9', TIMESTAMP '2026-01-01 00:00:00', 'GOOD')"
        other.cursor().execute(insert)
        outcomes: list[WriteOutcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(sink.write(numbered(3))), daemon=True)
        thread.start()
        other.rollback()
        thread.join(PATIENCE_SECONDS)
    assert outcomes == [WriteOutcome(inserted=3)]


# ---- rows that end their session


@pytest.mark.parametrize(
    ("action", "code", "kills"),
    [("ora", "ORA-00600", 5), ("drop", "DPY-4011", 8)],
    ids=["says so", "silent"],
)
def test_a_row_that_ends_its_session_is_found_and_the_others_go_in(
    action: str, code: str, kills: int, sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", action, code=600, value="^T0321$", match="insert", times=0)
    failed, outcome = attempts(sink, numbered(500))
    assert (failed, outcome.inserted, codes(outcome)) == (kills, 499, [(321, code)])
    assert "ends the session" in outcome.rejected[0].message
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[499]]


def test_two_such_rows_are_found_one_after_the_other(sink: OracleSink, database: Standin) -> None:
    database.fault("execute", "ora", code=7445, value="^T00(11|40)$", match="insert", times=0)
    failed, outcome = attempts(sink, numbered(50))
    assert failed <= 8
    assert (outcome.inserted, codes(outcome)) == (48, [(11, "ORA-07445"), (40, "ORA-07445")])


def test_a_row_alone_in_its_batch_is_set_aside_only_if_other_batches_go_in(sink: OracleSink, database: Standin) -> None:
    database.fault("execute", "ora", code=600, value="^T0000$", match="insert", times=0)
    for _ in range(10):
        with pytest.raises(RetryableError):
            sink.write(numbered(1))
    others = numbered(3).slice(1, 3)
    for second in range(2):
        assert sink.write(Batch.join([others])).total == 2
        with pytest.raises(RetryableError):
            sink.write(numbered(1))
        others = numbered(3, START + 1000 * (second + 1)).slice(1, 3)
    assert codes(sink.write(numbered(1))) == [(0, "ORA-00600")]


@pytest.mark.parametrize("code", [28, 1089, 2396])
def test_a_session_that_somebody_ended_says_nothing_about_its_rows(
    code: int, sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=code, match="insert", times=8)
    assert attempts(sink, numbered(10)) == (8, WriteOutcome(inserted=10))


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_while_every_nth_insert_loses_its_session_no_row_is_to_blame(
    nth: int, sink: OracleSink, database: Standin
) -> None:
    for _ in range(7):
        database.clear_faults()
        database.fault("execute", "drop", match="insert", nth=nth, times=0)
        try:
            assert sink.write(numbered(100)).rejected == ()
        except RetryableError:
            continue
    database.clear_faults()
    assert sink.write(numbered(100)).rejected == ()


def test_what_is_remembered_is_bounded() -> None:
    trials = Trials()
    for number in range(1000):
        batch = numbered(2, START + number)
        trial = trials.of(batch)
        trial.lost([0, 1], Ending.CUT, "DPY-4011", others_went_in=False)
        trials.failed(batch, trial)
    assert len(trials._trials) == 64


# ---- calls that fail as a whole


@pytest.mark.parametrize("key", [", CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp)", ""])
def test_what_a_failed_call_has_inserted_is_undone_before_it_is_halved(
    key: str, make_sink: MakeSink, recreate: Callable[[str], None], database: Standin
) -> None:
    columns = "tag_name VARCHAR2(100), tag_value VARCHAR2(255), timestamp TIMESTAMP(6), quality VARCHAR2(20)"
    recreate(f"CREATE TABLE tagferry_test ({columns}{key})")
    sink = make_sink()
    sink.open()
    # The rows of the first call, and of its first half, are in the transaction when the error comes.
    database.fault("execute", "ora", code=1461, match="insert", when="after", times=2)
    assert sink.write(numbered(8)) == WriteOutcome(inserted=8)
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[8]]


def test_a_deferred_constraint_costs_a_record_not_the_commit(
    make_sink: MakeSink, recreate: Callable[[str], None], database: Standin
) -> None:
    recreate(
        "CREATE TABLE tagferry_test (tag_name VARCHAR2(100), tag_value VARCHAR2(255), timestamp TIMESTAMP(6), "
        "quality VARCHAR2(20), CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp) DEFERRABLE INITIALLY "
        "DEFERRED, CONSTRAINT no_evil CHECK (tag_value <> 'evil') DEFERRABLE INITIALLY DEFERRED)"
    )
    sink = make_sink()
    sink.open()
    sink.write(numbered(2))
    batch = Batch.of(Origin("line1", "PLC01", "G"), ["T0000", "T0001", "NEW", "BAD"], [0.0, 9.0, 1.0, "evil"], START)
    database.reset_counters()
    outcome = sink.write(batch)
    assert (outcome.inserted, outcome.duplicates) == (1, 1)
    assert codes(outcome) == [(1, "CONFLICT"), (3, "ORA-02290")]
    assert database.counters()["commits"] == 1


@pytest.mark.parametrize("code", [2091, 12008])
def test_a_commit_that_says_it_was_rolled_back_is_not_ambiguous(code: int, sink: OracleSink, database: Standin) -> None:
    database.fault("commit", "ora", code=code)
    with pytest.raises(SinkError) as raised:
        sink.write(numbered(3))
    assert not getattr(raised.value, "ambiguous", False)
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)
