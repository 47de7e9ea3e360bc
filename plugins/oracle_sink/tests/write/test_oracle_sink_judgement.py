"""Whether refused rows are to blame, or the table. Shown on the stand-in, not Oracle."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from oracle_sink.sink import OracleSink
from oracle_sink.write.array_dml import ArrayDml, RowError
from oracle_sink.write.doubt import Doubt
from oracle_sink.write.witness import Answer, Witnesses
from oracle_sink.write.witness_file import WitnessFile
from oracle_standin.process import Standin
from pytest_mock import MockerFixture

from agent_core.api import BAD, GOOD, Batch, ConfigurationError, Origin, RetryableError, Value, WriteOutcome
from agent_core.testing.clock import START_NS, ManualClock

MakeSink = Callable[..., OracleSink]
Recreate = Callable[[str], None]
ORIGIN = Origin("line1", "PLC01", "LINE1_PROCESS1")
SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NEXT_DAY = "ALTER TABLE tagferry_test ADD PARTITION p2 VALUES LESS THAN (TIMESTAMP '2026-01-03 00:00:00')"


def rows(*items: tuple[str, Value], at: int = START_NS, step: int = 0) -> Batch:
    names, values = zip(*items, strict=True)
    return Batch.of(ORIGIN, names, values, array("q", (at + i * step for i in range(len(items)))))


def ddl(value: str = "VARCHAR2(255)", stamp: str = "TIMESTAMP", more: str = "", end: str = "") -> str:
    return (
        f"CREATE TABLE tagferry_test (tag_name VARCHAR2(100) NOT NULL, tag_value {value}, timestamp {stamp} NOT NULL, "
        f"quality VARCHAR2(20) NOT NULL, CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp){more}) {end}"
    )


def daily(until: str) -> str:
    return ddl(end=f"PARTITION BY RANGE (timestamp) (PARTITION p1 VALUES LESS THAN (TIMESTAMP '{until}'))")


def codes(outcome: WriteOutcome) -> list[tuple[int, str]]:
    return [(rejection.position, rejection.code) for rejection in outcome.rejected]


def stored(database: Standin) -> int:
    found: int = database.sql("SELECT COUNT(*) FROM tagferry_test")[0][0]
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sink(make_sink: MakeSink, clock: ManualClock) -> OracleSink:
    """One that has written a record."""
    sink = make_sink(clock)
    sink.open()
    assert sink.write(rows(("A", 1.0))).inserted == 1
    return sink


# ---- a table that refuses everything


@pytest.mark.parametrize("code", [2290, 28115, 20001])
def test_a_table_that_refuses_everything_costs_no_record_and_goes_on_when_it_is_fixed(
    code: int, sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=code, value=".", match="insert", times=0)
    batches = [rows(("A", 1.0), ("B", 2.0), at=START_NS + SECOND * second) for second in range(1, 7)]
    for batch in batches:
        with pytest.raises(ConfigurationError, match="takes no row") as raised:
            sink.write(batch)
        assert raised.value.code == f"ORA-{code:05}"
        assert raised.value.next_step
    database.clear_faults()
    assert [sink.write(batch) for batch in batches] == [WriteOutcome(inserted=2)] * len(batches)
    assert stored(database) == 1 + 2 * len(batches)


def test_an_unknown_code_for_everything_is_a_trouble_of_the_database(sink: OracleSink, database: Standin) -> None:
    database.fault("execute", "ora", code=29999, value=".", match="insert", times=0)
    for _ in range(20):
        with pytest.raises(RetryableError, match="takes no row"):
            sink.write(rows(("A", 1.0), at=START_NS + SECOND))


def test_a_constraint_that_somebody_added_makes_records_wait_until_it_is_gone(
    sink: OracleSink, recreate: Recreate, database: Standin
) -> None:
    recreate(ddl(more=", CONSTRAINT only_good CHECK (quality = 'EXCELLENT')"))
    batch = rows(("A", 1.0), ("B", 1.0), at=START_NS + SECOND)
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="ONLY_GOOD"):
            sink.write(batch)
    recreate(ddl())
    assert sink.write(batch) == WriteOutcome(inserted=2)


@pytest.mark.parametrize("code", [2290, 28115, 20001])
def test_a_row_that_is_bad_is_rejected_alone_and_in_a_batch_and_keeps_no_other_waiting(
    code: int, sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=code, value="^B", match="insert", times=0)
    if code == 20001:  # once
        with pytest.raises(RetryableError, match="tried once more"):
            sink.write(rows(("B1", 1.0)))
    for second in range(3):
        outcome = sink.write(rows(("B1", 1.0), at=START_NS + SECOND * second))
        assert codes(outcome) == [(0, f"ORA-{code:05}")]
        outcome = sink.write(rows(("B1", 2.0), ("C", 1.0), ("B2", 2.0), at=START_NS + SECOND * second))
        assert codes(outcome) == [(0, f"ORA-{code:05}"), (2, f"ORA-{code:05}")]
    assert stored(database) == 4


def test_asking_the_table_leaves_nothing_behind(sink: OracleSink, database: Standin) -> None:
    database.fault("execute", "ora", code=2290, value="^B", match="insert", times=0)
    for second in range(5):
        sink.write(rows(("B", 1.0), at=START_NS + SECOND * second))
    assert database.sql("SELECT tag_name FROM tagferry_test") == [["A"]]
    assert [session["in_transaction"] for session in database.sessions()] == [False]


def test_without_a_record_that_was_ever_stored_rows_wait_but_not_forever(
    make_sink: MakeSink, clock: ManualClock, database: Standin
) -> None:
    sink = make_sink(clock)
    sink.open()
    database.fault("execute", "ora", code=2290, value="^B", match="insert", times=0)
    bad = rows(("B", 1.0))  # and the table is empty
    rejected_at = []
    for attempt in range(1, 35):
        try:
            sink.write(bad)
        except ConfigurationError:
            continue
        rejected_at.append(attempt)
    assert rejected_at == [16, 32]
    assert sink.write(rows(("A", 1.0))).inserted == 1
    assert codes(sink.write(bad)) == [(0, "ORA-02290")]


@pytest.fixture
def forgotten(sink: OracleSink, tmp_path: Path) -> None:
    """The records that the sink has written are in the table, and no file says which ones."""
    sink.close()
    for path in tmp_path.glob("witnesses-*"):
        path.unlink()


@pytest.mark.parametrize("killed", [True, False])
def test_a_restart_while_the_table_refuses_everything_costs_no_record(
    killed: bool, sink: OracleSink, make_sink: MakeSink, clock: ManualClock, database: Standin
) -> None:
    sink.write(rows(("D", Decimal("1.50")), ("F", "text"), ("G", None), ("N", float("nan")), ("I", 2**60)))
    if not killed:
        sink.close()
    database.fault("execute", "ora", code=2290, value=".", match="insert", times=0)
    restarted = make_sink(clock)
    restarted.open()
    for _ in range(40):
        with pytest.raises(ConfigurationError, match="not even one like those"):
            restarted.write(rows(("B", 1.0), ("C", 1.0)))
    database.clear_faults()
    database.fault("execute", "ora", code=2290, value="^B", match="insert", times=0)
    assert codes(restarted.write(rows(("B", 1.0)))) == [(0, "ORA-02290")]


def test_witnesses_come_back_as_they_were(tmp_path: Path) -> None:
    file = WitnessFile(tmp_path, "warehouse", "db", "T")
    assert len(file.read()) == 0
    batch = rows(("A", Decimal("1.50")), ("B", "text"), ("C", None), ("D", True), ("E", 2**60), ("F", 0.1), at=0)
    file.keep(batch)
    assert list(file.read().records()) == list(batch.records())
    [path] = tmp_path.iterdir()
    for torn in ("", "[[", "{}", "[1]", '[["A", {}, 192, ["a", "b", "c"]]]', '[["A", ["x"], 192, ["a", "b", "c"]]]'):
        path.write_text(torn)
        assert len(file.read()) == 0


@pytest.mark.usefixtures("forgotten")
def test_after_a_restart_the_table_is_asked_with_a_row_of_its_own(
    make_sink: MakeSink, clock: ManualClock, database: Standin
) -> None:
    restarted = make_sink(clock)
    restarted.open()
    database.fault("execute", "ora", code=2290, value="^B", match="insert", times=0)
    assert codes(restarted.write(rows(("B", 1.0)))) == [(0, "ORA-02290")]
    database.clear_faults()
    database.fault("execute", "ora", code=2290, value=".", match="insert", times=0)
    with pytest.raises(ConfigurationError, match="does not take one of its own"):
        restarted.write(rows(("C", 1.0)))
    database.clear_faults()
    assert restarted.write(rows(("B", 1.0), ("C", 1.0))).inserted == 2
    assert stored(database) == 3


@pytest.mark.usefixtures("forgotten")
def test_a_table_that_cannot_be_asked_keeps_no_bad_row_waiting_forever(
    make_sink: MakeSink, clock: ManualClock, database: Standin
) -> None:
    restarted = make_sink(clock)
    restarted.open()
    database.fault("execute", "ora", code=2290, value="^B", match="insert", times=0)
    database.fault("execute", "ora", code=4021, match="rownum", times=0)
    for _ in range(15):
        with pytest.raises(RetryableError):
            restarted.write(rows(("B", 1.0)))
    assert codes(restarted.write(rows(("B", 1.0)))) == [(0, "ORA-02290")]


def test_nothing_of_the_witnesses_stays_when_halves_of_them_are_tried(sink: OracleSink, database: Standin) -> None:
    sink.write(rows(("A", 1.0), ("B", 1.0), ("C", 1.0), at=START_NS + SECOND))
    database.fault("execute", "ora", code=2290, value="^D", match="insert", times=0)
    database.fault("execute", "ora", code=1461, match="insert", nth=2)
    assert codes(sink.write(rows(("D", 1.0)))) == [(0, "ORA-02290")]
    assert stored(database) == 4


def test_records_found_by_a_look_up_do_not_prove_that_the_table_takes_rows(sink: OracleSink, database: Standin) -> None:
    known = rows(*((f"T{i}", 1.0) for i in range(20)))
    sink.write(known)
    sink.write(known)  # from now on records of that time are looked up first
    database.fault("execute", "ora", code=2290, value=".", match="insert", times=0)
    with pytest.raises(ConfigurationError, match="takes no row"):
        sink.write(Batch.join([known, rows(("NEW", 1.0))]))


def test_a_systemic_code_beside_good_rows_rolls_everything_back(sink: OracleSink, database: Standin) -> None:
    for code in (1653, 1502, 60, 942):
        database.fault("execute", "ora", code=code, row=1, match="insert")
        with pytest.raises((RetryableError, ConfigurationError)):
            sink.write(rows(("B", 1.0), ("C", 1.0), ("D", 1.0)))
        assert stored(database) == 1
    assert sink.write(rows(("B", 1.0), ("C", 1.0), ("D", 1.0))) == WriteOutcome(inserted=3)


# ---- codes that may not come again


@pytest.mark.parametrize("code", [20001, 29999])
def test_a_row_with_a_doubtful_code_is_retried_with_its_batch_before_it_is_rejected(
    code: int, sink: OracleSink, clock: ManualClock, database: Standin
) -> None:
    batch = rows(("B", 1.0), ("C", 1.0), at=START_NS + SECOND)
    database.fault("execute", "ora", code=code, value="^B", match="insert", times=1)
    with pytest.raises(RetryableError, match="tried once more") as raised:
        sink.write(batch)
    assert raised.value.code == f"ORA-{code:05}"
    assert sink.write(batch) == WriteOutcome(inserted=2)
    # It comes again: then that row is rejected, and the next one with the code without a retry, for an hour.
    database.fault("execute", "ora", code=code, value="^B", match="insert", times=0)
    with pytest.raises(RetryableError):
        sink.write(rows(("B", 1.0), ("C", 1.0), at=START_NS + 2 * SECOND))
    assert codes(sink.write(rows(("B", 1.0), ("C", 1.0), at=START_NS + 2 * SECOND))) == [(0, f"ORA-{code:05}")]
    assert codes(sink.write(rows(("B", 1.0), ("C", 1.0), at=START_NS + 3 * SECOND))) == [(0, f"ORA-{code:05}")]
    clock.advance(3601)
    with pytest.raises(RetryableError):
        sink.write(rows(("B", 1.0), ("C", 1.0), at=START_NS + 4 * SECOND))


# ---- partitions


def test_records_without_a_partition_wait_and_go_in_when_it_is_there(
    make_sink: MakeSink, clock: ManualClock, recreate: Recreate, database: Standin
) -> None:
    recreate(daily("2026-01-02 00:00:00"))
    sink = make_sink(clock)
    sink.open()
    midnight = rows(("A", 1.0), ("B", 1.0), ("C", 1.0), at=START_NS + DAY - SECOND, step=SECOND)
    for batch in (rows(("A", 1.0), ("B", 1.0), at=START_NS + DAY), midnight):
        for _ in range(17):
            with pytest.raises(ConfigurationError, match="add partitions") as raised:
                sink.write(batch)
        assert raised.value.code == "ORA-14400"
    assert stored(database) == 0
    assert sink.write(rows(("A", 1.0))).inserted == 1
    with pytest.raises(ConfigurationError, match="add partitions"):
        sink.write(midnight)
    database.sql(NEXT_DAY)
    assert sink.write(midnight) == WriteOutcome(inserted=3)


def test_a_record_whose_partition_cannot_be_expected_yet_is_rejected_alone(
    make_sink: MakeSink, clock: ManualClock, recreate: Recreate, database: Standin
) -> None:
    recreate(daily("2026-01-02 00:00:00"))
    sink = make_sink(clock)
    sink.open()
    batch = rows(("A", 1.0), ("B", 1.0), ("C", 1.0), at=START_NS - 300 * DAY, step=302 * DAY)
    assert (sink.write(rows(("OLD", 1.0))).inserted, codes(sink.write(batch))) == (
        1,
        [(1, "ORA-14400"), (2, "ORA-14400")],
    )
    assert codes(sink.write(rows(("D", 1.0), at=START_NS + 2 * DAY))) == [(0, "ORA-14400")]


def test_a_tag_without_a_list_partition_does_not_stop_the_others(
    sink: OracleSink, clock: ManualClock, database: Standin
) -> None:
    database.fault("execute", "ora", code=14400, value="^B", match="insert", times=0)
    clock.advance(10)
    for batch in (rows(("B", 1.0)), rows(("B", 1.0), at=START_NS + 20 * SECOND)):
        assert codes(sink.write(batch)) == [(0, "ORA-14400")]
    last = rows(("A", 1.0), ("B", 1.0), at=START_NS + 8 * SECOND, step=SECOND)
    assert codes(sink.write(last)) == [(1, "ORA-14400")]
    same = rows(("A", 1.0), ("B", 1.0), ("C", 1.0), at=START_NS + 10 * SECOND)
    assert codes(sink.write(same)) == [(1, "ORA-14400")]


def test_a_partition_that_comes_between_the_records_and_the_witnesses_costs_no_record(
    sink: OracleSink, database: Standin
) -> None:
    for code in (14400, 2290):
        database.fault("execute", "ora", code=code, value=".", match="insert", times=1)
        batch = rows(("B", 1.0), ("C", 1.0), at=START_NS + code)
        assert sink.write(batch) == WriteOutcome(inserted=2)
    assert stored(database) == 5


def test_a_partition_that_comes_between_two_rows_of_an_array_costs_no_record(
    sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=14400, value="^A", match="insert", times=1)
    assert sink.write(rows(("A", 1.0), ("B", 1.0), at=START_NS + SECOND)).inserted == 2


def test_old_records_are_judged_where_there_are_partitions_for_them_alone(
    make_sink: MakeSink, clock: ManualClock, recreate: Recreate, database: Standin
) -> None:
    recreate(daily("2025-01-01 00:00:00"))
    old = START_NS - 400 * DAY
    for written in (rows(("A", 1.0), at=old), rows(("A", 1.0), at=old + 1000)):  # then with a row of the table's own
        sink = make_sink(clock)
        sink.open()
        assert sink.write(written).inserted == 1
        database.fault("execute", "ora", code=2290, value="^B", match="insert", times=0)
        assert codes(sink.write(rows(("B", 1.0), at=old))) == [(0, "ORA-02290")]
        database.clear_faults()
    with pytest.raises(ConfigurationError, match="add partitions"):
        sink.write(rows(("C", 1.0)))


# ---- a table that changes under a running agent


@pytest.mark.parametrize(
    ("change", "message", "back"),
    [
        ("ADD (line VARCHAR2(9) DEFAULT 'L1' NOT NULL)", None, "DROP COLUMN line"),
        ("ADD CONSTRAINT none CHECK (tag_value = 'NONE') ENABLE NOVALIDATE", "NONE", "DROP CONSTRAINT none"),
        ("RENAME COLUMN quality TO grade", "QUALITY", "RENAME COLUMN grade TO quality"),
        ("MODIFY (quality VARCHAR2(4))", None, "MODIFY (quality VARCHAR2(20))"),
    ],
)
def test_records_go_in_while_the_table_allows_it_and_else_wait(
    change: str, message: str | None, back: str, sink: OracleSink, clock: ManualClock, database: Standin
) -> None:
    database.sql(f"ALTER TABLE tagferry_test {change}")
    batch = rows(("B", 1.0), ("C", 1.0))
    if message is None:
        assert sink.write(batch) == WriteOutcome(inserted=2)
    else:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=message):
                sink.write(batch)
    database.sql(f"ALTER TABLE tagferry_test {back}")
    clock.advance(61)
    assert sink.write(batch).rejected == ()
    assert stored(database) == 3


def test_a_column_narrowed_for_all_records_makes_them_wait_until_it_is_widened(
    sink: OracleSink, clock: ManualClock, recreate: Recreate, database: Standin
) -> None:
    batch = rows(("A", 1.25), ("B", 2.25), at=START_NS + SECOND)
    recreate(ddl("VARCHAR2(2) NOT NULL"))
    for seconds in (0, 30, 61, 61):
        clock.advance(seconds)
        with pytest.raises(ConfigurationError, match="widen the column") as raised:
            sink.write(batch)
        assert raised.value.code == "ORA-12899"
    recreate(ddl("VARCHAR2(4) NOT NULL"))
    clock.advance(61)
    assert sink.write(batch) == WriteOutcome(inserted=2)
    assert codes(sink.write(rows(("A", "12345")))) == [(0, "ORA-12899")]


def test_a_column_that_has_become_not_null_is_noticed_before_a_record_is_rejected(
    make_sink: MakeSink, clock: ManualClock, recreate: Recreate, database: Standin
) -> None:
    recreate(ddl())
    sink = make_sink(clock)
    sink.open()
    batch = Batch.of(ORIGIN, ("A", "B"), (None, 1.0), START_NS, bytes((BAD, GOOD)))
    assert sink.write(batch).inserted == 2
    assert database.sql("SELECT tag_value FROM tagferry_test ORDER BY tag_name") == [[None], ["1.0"]]
    recreate(ddl("VARCHAR2(255) NOT NULL"))
    clock.advance(61)
    assert sink.write(batch) == WriteOutcome(inserted=2)
    assert database.sql("SELECT tag_value FROM tagferry_test ORDER BY tag_name") == [["BAD"], ["1.0"]]


def test_a_key_column_made_coarser_is_noticed_when_keys_are_taken(
    sink: OracleSink, clock: ManualClock, recreate: Recreate, database: Standin
) -> None:
    recreate(ddl(stamp="TIMESTAMP(0)"))
    clock.advance(61)
    tenth = SECOND // 10
    batch = rows(("A", 1.0), ("A", 1.0), ("A", 2.0), at=START_NS + SECOND, step=tenth)
    outcome = sink.write(batch)
    assert (outcome.inserted, outcome.duplicates, codes(outcome)) == (1, 1, [(2, "CONFLICT")])
    assert sink.write(batch).duplicates == 2


def test_facts_are_read_again_once_a_minute_for_rows_that_the_database_refuses(
    sink: OracleSink, clock: ManualClock, database: Standin
) -> None:
    database.fault("execute", "ora", code=12899, value="^B$", match="insert", times=0)
    clock.advance(61)
    queries = []
    for second in range(4):
        database.reset_counters()
        batch = rows(("B", 1.0), ("C", 1.0), at=START_NS + SECOND * second)
        assert codes(sink.write(batch)) == [(0, "ORA-12899")]
        queries.append(database.counters()["queries"])
    assert queries[0] > 0
    assert queries[1:] == [0, 0, 0]


def test_a_renamed_column_is_named_and_the_records_wait_until_it_has_its_name_again(
    sink: OracleSink, recreate: Recreate, database: Standin
) -> None:
    batch = rows(("A", 1.0), at=START_NS + SECOND)
    recreate(ddl().replace("quality", "grade"))
    for message in ("ORA-00904", "no column QUALITY", "no column QUALITY"):
        with pytest.raises(ConfigurationError, match=message):
            sink.write(batch)
    recreate(ddl())
    assert sink.write(batch).inserted == 1


REFUSED = [("K", "BAD"), ("K", "BAD"), ("K", "BED")]


@pytest.mark.parametrize(
    ("on_conflict", "batch"),
    [("keep", [*REFUSED, ("K", "good"), ("A", 2.0)]), ("update", [("A", 2.0), ("K", "good"), *REFUSED])],
)
def test_a_refused_record_keeps_no_other_of_its_key_out(
    on_conflict: str, batch: list[tuple[str, Value]], make_sink: MakeSink, clock: ManualClock, database: Standin
) -> None:
    sink = make_sink(clock, on_conflict=on_conflict)
    sink.open()
    sink.write(rows(("A", 1.0)))
    database.fault("execute", "ora", code=2290, value="^B.D", match="insert", times=0)
    outcome = sink.write(rows(*batch, at=START_NS + SECOND))
    refused = [(position, "ORA-02290") for position, (_, value) in enumerate(batch) if value in ("BAD", "BED")]
    assert codes(outcome) == refused
    assert database.sql("SELECT tag_value FROM tagferry_test WHERE tag_name = 'K'") == [["good"]]


def test_a_record_that_is_in_the_table_is_not_held_against_one_of_its_batch_that_is_not(
    sink: OracleSink, database: Standin
) -> None:
    assert sink.write(rows(("B", 2.0))).inserted == 1
    outcome = sink.write(rows(("B", 1.0), ("B", 2.0)))  # now behind another value for the same key and time
    assert (codes(outcome), outcome.duplicates) == ([(0, "CONFLICT")], 1)


def test_witnesses_are_kept_once_and_again_at_the_end(mocker: MockerFixture) -> None:
    file = mocker.Mock(spec=WitnessFile)
    doubt = Doubt(ManualClock(), file)
    for number in range(3):
        doubt.stored(rows((f"A{number}", 1.0)), WriteOutcome(inserted=1))
    assert [call.args[0].names for call in file.keep.call_args_list] == [("A0",)]
    doubt.keep()
    assert file.keep.call_args.args[0].names == ("A2",)


@pytest.mark.parametrize(
    ("tried", "refused", "answer"),
    [
        (2, ["ORA-14400", "ORA-14400"], Answer.NO_PARTITION),
        (2, ["ORA-14400", "ORA-02290"], Answer.REFUSED),
        (2, ["ORA-14400"], Answer.TAKEN),
        (2, ["ORA-14400", "ORA-00001"], Answer.TAKEN),
        (0, [], Answer.REFUSED),
    ],
)
def test_witnesses_answer_for_the_table(tried: int, refused: list[str], answer: Answer, mocker: MockerFixture) -> None:
    errors = [RowError(row, code, f"{code}: refused") for row, code in enumerate(refused)]
    mocker.patch.object(Witnesses, "_try_records", return_value=(tried, errors))
    dml = mocker.Mock(spec=ArrayDml)
    batch = rows(("A", 1.0), ("B", 2.0))
    witnesses = Witnesses(dml, mocker.Mock(), batch, (0, 1), Doubt(ManualClock()))
    assert witnesses.ask(START_NS) is answer
    assert [call[0] for call in dml.method_calls] == ["mark", "execute"], "what went in is undone"
