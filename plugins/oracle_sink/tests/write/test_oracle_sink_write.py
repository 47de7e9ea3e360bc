"""What becomes of the records of a batch. Shown on the stand-in, not Oracle."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from oracle_sink.config import OnConflict
from oracle_sink.sink import OracleSink
from oracle_sink.write.doubt import Doubt
from oracle_sink.write.judge import Judge
from oracle_sink.write.transaction import Transaction
from oracle_sink.write.trials import Trials
from oracle_standin.process import Standin

from agent_core.api import (
    BAD,
    GOOD,
    Batch,
    ConfigurationError,
    Origin,
    Rejection,
    RetryableError,
    Secret,
    Value,
    WriteOutcome,
)
from agent_core.testing.clock import ManualClock

MakeSink = Callable[..., OracleSink]
Recreate = Callable[[str], None]
START = 1_767_225_600_000_000_000
ORIGIN = Origin("line1", "PLC01", "LINE1_PROCESS1")


def rows(*items: tuple[str, Value], at: int = START, step: int = 0) -> Batch:
    names, values = zip(*items, strict=True)
    return Batch.of(ORIGIN, names, values, array("q", (at + i * step for i in range(len(items)))))


def numbered(count: int, at: int = START) -> Batch:
    return Batch.of(ORIGIN, [f"T{i:04}" for i in range(count)], [i / 10 for i in range(count)], at)


def count(database: Standin) -> int:
    found: int = database.sql("SELECT COUNT(*) FROM tagferry_test")[0][0]
    return found


def ddl(value: str = "VARCHAR2(255) NOT NULL", name: str = "VARCHAR2(100) NOT NULL", more: str = "") -> str:
    return (
        f"CREATE TABLE tagferry_test (tag_name {name}, tag_value {value}, timestamp TIMESTAMP NOT NULL, "
        f"quality VARCHAR2(20) NOT NULL, CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp){more})"
    )


def codes(outcome: WriteOutcome) -> list[tuple[int, str]]:
    return [(rejection.position, rejection.code) for rejection in outcome.rejected]


@pytest.fixture
def sink(make_sink: MakeSink) -> OracleSink:
    sink = make_sink()
    sink.open()
    return sink


def test_microseconds_survive(sink: OracleSink, database: Standin) -> None:
    assert sink.write(rows(("A", 1.0), at=START + 123_456_789)).inserted == 1
    assert database.sql("SELECT timestamp FROM tagferry_test") == [["2026-01-01T00:00:00.123456"]]


def test_two_records_within_a_second_are_both_stored_on_every_write_of_a_session(
    sink: OracleSink, database: Standin
) -> None:
    for second in range(3):
        at = START + second * 1_000_000_000
        assert sink.write(rows(("A", 1.0), ("A", 1.0), at=at, step=1000)) == WriteOutcome(inserted=2)
    assert count(database) == 6


@pytest.mark.parametrize("profile", ["19", "23"])
def test_good_records_are_committed_with_a_duplicate_and_a_rejected_one(
    profile: str, make_sink: MakeSink, database: Standin
) -> None:
    evil = ", CONSTRAINT no_evil CHECK (tag_value <> 'evil')"
    with Standin(profile=profile, ddl=[ddl(more=evil)]) as server:
        sink = make_sink(dsn=server.dsn, user=server.user, password=Secret(lambda: server.password))
        sink.open()
        sink.write(rows(("B", 2.0)))
        outcome = sink.write(rows(("E", "evil"), ("A", 1.0), ("B", 2.0), ("C", "x" * 256), ("D", 4)))
        assert (outcome.inserted, outcome.duplicates) == (2, 1)
        assert codes(outcome) == [(0, "ORA-02290"), (3, "ORA-12899")]
        assert server.sql("SELECT tag_name FROM tagferry_test ORDER BY tag_name") == [["A"], ["B"], ["D"]]
        sink.close()


def test_an_empty_batch_asks_the_database_nothing(sink: OracleSink, database: Standin) -> None:
    database.reset_counters()
    assert sink.write(rows(("A", 1.0)).slice(0, 0)) == WriteOutcome(inserted=0)
    assert database.counters()["requests"] == 0


def test_a_batch_of_exactly_500_is_one_insert_and_one_commit(sink: OracleSink, database: Standin) -> None:
    database.reset_counters()
    assert sink.write(numbered(500)) == WriteOutcome(inserted=500)
    counters = database.counters()
    assert (counters["executes"], counters["commits"], counters["rows"]) == (1, 1, 500)


def test_a_replayed_batch_is_recognised_with_few_queries(sink: OracleSink, database: Standin) -> None:
    sink.write(numbered(500))
    database.reset_counters()
    assert sink.write(numbered(500)) == WriteOutcome(inserted=0, duplicates=500)
    assert database.counters()["queries"] <= 8


def test_a_hangul_tag_of_34_syllables_is_refused_where_the_column_counts_bytes(sink: OracleSink) -> None:
    outcome = sink.write(rows(("가" * 33, 1.0), ("가" * 34, 1.0)))
    assert outcome.inserted == 1
    assert outcome.rejected == (
        Rejection(
            1, "ORA-12899", 'value too large for column "TAGFERRY_TEST"."TAG_NAME" (actual: 102, maximum: 100)'
        ),
    )  # fmt: skip


def test_a_column_that_counts_characters_takes_as_many(
    make_sink: MakeSink, recreate: Recreate, database: Standin
) -> None:
    recreate(ddl(name="VARCHAR2(100 CHAR) NOT NULL"))
    sink = make_sink()
    sink.open()
    assert codes(sink.write(rows(("가" * 100, 1.0), ("가" * 101, 1.0)))) == [(1, "ORA-12899")]


def test_a_refused_record_is_never_sent(sink: OracleSink, database: Standin) -> None:
    database.reset_counters()
    sink.write(rows(("A", "x" * 256)))
    assert (database.counters()["executes"], database.counters()["rows_failed"]) == (0, 0)


def test_nan_and_infinities_are_texts_like_any_other(sink: OracleSink, database: Standin) -> None:
    batch = rows(("A", float("nan")), ("B", float("inf")), ("C", float("-inf")))
    assert sink.write(batch) == WriteOutcome(inserted=3)
    assert sink.write(batch) == WriteOutcome(inserted=0, duplicates=3)
    assert database.sql("SELECT tag_value FROM tagferry_test ORDER BY tag_name") == [["nan"], ["inf"], ["-inf"]]


def test_another_unique_index_is_not_a_replay(make_sink: MakeSink, database: Standin) -> None:
    database.sql("CREATE UNIQUE INDEX one_value ON tagferry_test (tag_value)")
    sink = make_sink()
    sink.open()
    assert sink.write(rows(("A", 1.0))).inserted == 1
    outcome = sink.write(rows(("B", 1.0), ("A", 1.0)))
    assert (outcome.inserted, outcome.duplicates, codes(outcome)) == (0, 1, [(0, "ORA-00001")])
    assert "ONE_VALUE" in outcome.rejected[0].message


def test_the_first_record_of_a_key_is_kept_and_the_other_rejected_with_both_contents(sink: OracleSink) -> None:
    sink.write(rows(("A", 1.5)))
    outcome = sink.write(rows(("B", 1.0), ("A", 2.5)))
    assert (outcome.inserted, outcome.duplicates, codes(outcome)) == (1, 0, [(1, "CONFLICT")])
    assert "TAG_NAME=A" in outcome.rejected[0].message
    assert "1.5" in outcome.rejected[0].message
    assert "2.5" in outcome.rejected[0].message


def test_stamps_that_differ_below_a_microsecond_are_one_key(sink: OracleSink) -> None:
    outcome = sink.write(rows(("A", 1.0), ("A", 1.0), ("A", 2.0), at=START, step=100))
    assert (outcome.inserted, outcome.duplicates, codes(outcome)) == (1, 1, [(2, "CONFLICT")])


def test_with_update_the_later_record_replaces_the_row_in_the_table(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(on_conflict="update")
    sink.open()
    sink.write(rows(("A", 1.0), ("B", 1.0)))
    assert sink.write(rows(("A", 2.0), ("B", 1.0), ("A", 3.0))) == WriteOutcome(inserted=2, duplicates=1)
    assert database.sql("SELECT tag_name, tag_value FROM tagferry_test ORDER BY tag_name") == [
        ["A", "3.0"],
        ["B", "1.0"],
    ]


def test_an_update_that_another_unique_index_refuses_is_rejected(
    make_sink: MakeSink, recreate: Recreate, database: Standin
) -> None:
    recreate(ddl(more=", CONSTRAINT uq_tagferry_test UNIQUE (tag_value)"))
    sink = make_sink(on_conflict="update")
    sink.open()
    sink.write(rows(("A", "x"), ("B", "y")))
    assert codes(sink.write(rows(("A", "y")))) == [(0, "ORA-00001")]
    assert database.sql("SELECT tag_value FROM tagferry_test ORDER BY tag_name") == [["x"], ["y"]]


@pytest.mark.parametrize("batch", [rows(("B", 1.0), ("A", 2.0)), rows(("B", 1.0), ("B", 2.0))])
def test_with_fail_nothing_of_the_batch_is_written(batch: Batch, make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(on_conflict="fail")
    sink.open()
    sink.write(rows(("A", 1.0)))
    with pytest.raises(ConfigurationError, match=r"other|has 1\.0"):
        sink.write(batch)
    assert count(database) == 1


def test_rejections_have_the_positions_in_the_batch(sink: OracleSink, database: Standin) -> None:
    database.fault("execute", "ora", code=2290, value="^M$", match="insert", times=0)
    names = list("ZYXMCBA")
    outcome = sink.write(Batch.of(ORIGIN, names, [1.0] * 7, START))
    assert outcome.inserted == 6
    assert codes(outcome) == [(names.index("M"), "ORA-02290")]


def test_twins_of_a_rejected_record_are_rejected_with_it(sink: OracleSink, database: Standin) -> None:
    database.fault("execute", "ora", code=2290, value="^B$", match="insert", times=0)
    outcome = sink.write(rows(("B", 1.0), ("A", 1.0), ("B", 1.0)))
    assert (outcome.inserted, outcome.duplicates) == (1, 0)
    assert codes(outcome) == [(0, "ORA-02290"), (2, "ORA-02290")]


@pytest.mark.parametrize("code", [4098, 2289])
def test_a_broken_trigger_or_sequence_is_never_the_fault_of_records(
    code: int, sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=code, value=".", match="insert", times=1)
    with pytest.raises(ConfigurationError) as raised:
        sink.write(rows(("A", 1.0)))
    assert raised.value.code == f"ORA-{code:05}"
    assert sink.write(rows(("A", 1.0))) == WriteOutcome(inserted=1)


@pytest.mark.parametrize("by_row", [{"row": 1}, {}])
def test_a_full_tablespace_throttles_and_rolls_back_whether_a_row_or_the_statement_says_so(
    by_row: dict[str, int], sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=1653, match="insert", **by_row)
    with pytest.raises(RetryableError, match="extend the tablespace") as raised:
        sink.write(numbered(3))
    assert (raised.value.code, raised.value.throttle, raised.value.ambiguous) == ("ORA-01653", True, False)
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)


def test_a_column_that_nothing_fills_is_a_fault_of_the_configuration(
    make_sink: MakeSink, recreate: Recreate, database: Standin
) -> None:
    recreate(ddl(more=", id NUMBER NOT NULL"))
    sink = make_sink()
    sink.open()
    with pytest.raises(ConfigurationError, match="map ID in columns") as raised:
        sink.write(rows(("A", 1.0)))
    assert raised.value.code == "ORA-01400"


def test_a_missing_table_is_a_fault_of_the_configuration_and_heals(
    make_sink: MakeSink, recreate: Recreate, database: Standin
) -> None:
    database.sql("DROP TABLE tagferry_test")
    sink = make_sink()
    with pytest.raises(ConfigurationError, match=r"not found as \w+\.TAGFERRY_TEST"):
        sink.open()
    recreate(ddl().replace(", CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp)", ""))
    sink.open()
    assert not sink.idempotent
    assert sink.write(rows(("A", 1.0), ("A", 1.0))) == WriteOutcome(inserted=2)


def test_a_table_dropped_while_writing_is_a_fault_of_the_configuration(sink: OracleSink, database: Standin) -> None:
    sink.write(rows(("A", 1.0)))
    database.sql("DROP TABLE tagferry_test")
    with pytest.raises(ConfigurationError) as raised:
        sink.write(rows(("B", 1.0)))
    assert raised.value.code == "ORA-00942"


def test_values_of_every_type_are_formatted_by_the_client(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(true_text="TRUE", false_text="FALSE", bad_value_text="N/A")
    sink.open()
    items: Sequence[tuple[str, Value]] = (
        ("a", 0.1), ("b", 1e22), ("c", 7), ("d", True), ("e", False), ("f", "텍스트"), ("g", Decimal("1.50")),
        ("h", None),
    )  # fmt: skip
    assert sink.write(rows(*items)).inserted == 8
    stored = database.sql("SELECT tag_value FROM tagferry_test ORDER BY tag_name")
    assert [text for (text,) in stored] == ["0.1", "1e+22", "7", "TRUE", "FALSE", "텍스트", "1.50", "N/A"]


def test_an_empty_value_follows_the_column(make_sink: MakeSink, recreate: Recreate, database: Standin) -> None:
    recreate(ddl(value="VARCHAR2(255)"))
    sink = make_sink()
    sink.open()
    batch = Batch.of(ORIGIN, ("A", "B", ""), ("", None, 1.0), START, bytes((GOOD, BAD, GOOD)))
    outcome = sink.write(batch)
    assert (outcome.inserted, codes(outcome)) == (2, [(2, "ORA-01400")])
    assert database.sql("SELECT tag_value FROM tagferry_test") == [[None], [None]]
    assert sink.write(batch).duplicates == 2


def test_records_from_the_future_are_rejected(make_sink: MakeSink) -> None:
    sink = make_sink(max_future=86_400.0)
    sink.open()
    century = 3_155_760_000_000_000_000
    outcome = sink.write(rows(("A", 1.0), ("B", 1.0), at=START, step=century))
    assert (outcome.inserted, codes(outcome)) == (1, [(1, "FUTURE")])


def test_a_huge_integer_is_rejected(sink: OracleSink) -> None:
    outcome = sink.write(rows(("A", 10**5000), ("B", 10**300), ("C", 1)))
    assert (outcome.inserted, codes(outcome)) == (1, [(0, "ORA-12899"), (1, "ORA-12899")])


def test_what_the_driver_cannot_encode_costs_one_record(sink: OracleSink) -> None:
    class Odd(str):
        __slots__ = ()

    outcome = sink.write(rows(("A", 1.0), ("B\ud800", 1.0), ("C", Odd("x")), ("D", 2.0)))
    assert (outcome.inserted, codes(outcome)) == (3, [(1, "ORA-12713")])


def test_a_replay_is_looked_up_before_it_is_inserted(sink: OracleSink, database: Standin) -> None:
    minute = 60_000_000_000
    for number in range(3):
        sink.write(numbered(100, START + number * minute // 2))
    sink.write(numbered(100))  # the first known batch teaches
    database.reset_counters()
    for number in (1, 2):
        assert sink.write(numbered(100, START + number * minute // 2)).duplicates == 100
    assert database.counters()["rows_failed"] == 0
    # Live records have another time: nothing is looked up for them.
    database.reset_counters()
    assert sink.write(numbered(100, START + 60 * minute)).inserted == 100
    assert database.counters()["queries"] == 0


def test_records_of_a_commit_without_an_answer_are_looked_up_although_the_key_is_gone(
    sink: OracleSink, database: Standin
) -> None:
    sink.write(rows(("Z", 0.0), at=START - 3600 * 10**9))
    database.fault("commit", "drop", when="after")
    with pytest.raises(RetryableError):
        sink.write(rows(("A", 1.0), ("B", 2.0)))
    sink.open()  # a session that has read the key
    database.sql("ALTER TABLE tagferry_test DROP CONSTRAINT pk_tagferry_test")
    assert sink.write(rows(("C", 3.0), at=START + 10**9)).inserted == 1  # another worker, meanwhile
    assert sink.write(rows(("A", 1.0), ("B", 2.0), ("D", 4.0))) == WriteOutcome(inserted=1, duplicates=2)


def test_a_replay_inserts_what_is_new_among_known_records(sink: OracleSink) -> None:
    sink.write(numbered(100))
    sink.write(numbered(100))
    batch = Batch.join([numbered(100), rows(("NEW", 1.0)), rows(("T0000", 9.0), ("NEW2", 2.0))])
    outcome = sink.write(batch)
    assert (outcome.inserted, outcome.duplicates, codes(outcome)) == (2, 100, [(101, "CONFLICT")])


def test_a_column_widened_while_the_agent_runs_is_noticed(make_sink: MakeSink, recreate: Recreate) -> None:
    clock = ManualClock()
    recreate(ddl(value="VARCHAR2(5) NOT NULL"))
    sink = make_sink(clock)
    sink.open()
    assert codes(sink.write(rows(("A", "123456")))) == [(0, "ORA-12899")]
    recreate(ddl(value="VARCHAR2(6) NOT NULL"))
    assert codes(sink.write(rows(("A", "123456")))) == [(0, "ORA-12899")]
    clock.advance(61)
    assert sink.write(rows(("A", "123456"))).inserted == 1


def test_a_statement_that_fails_as_a_whole_is_halved_until_the_row_is_found(
    sink: OracleSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=1461, match="insert", times=4)  # on the 8 rows, then 4, 2 and 1 of them
    outcome = sink.write(numbered(8))
    assert (outcome.inserted, codes(outcome)) == (7, [(0, "ORA-01461")])


def test_a_bind_that_the_driver_refuses_is_found_by_halves(sink: OracleSink) -> None:
    with sink._connections.session() as session:
        layout, encoded = sink._encoded(numbered(8), session, {})
        trial = Trials().of(numbered(8))
        poisoned = list(encoded.rows)
        poisoned[5] = (poisoned[5][0], poisoned[5][1], 1j, "GOOD")  # type: ignore[assignment]
        judge = Judge(numbered(8), Doubt(ManualClock()), trial, START, facts_are_old=False)
        encoded = replace(encoded, rows=poisoned)
        outcome = Transaction(session, layout, OnConflict.KEEP, encoded, judge, trial).run()
    assert (outcome.inserted, codes(outcome)) == (7, [(5, "DPY-3002")])
