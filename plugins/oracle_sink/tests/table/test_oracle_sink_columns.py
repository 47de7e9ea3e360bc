"""Tables of existing plants: ``columns:`` end to end. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import BAD, GOOD, UNCERTAIN, Batch, ConfigurationError, Origin, Value, WriteOutcome

MakeSink = Callable[..., OracleSink]
Recreate = Callable[[str], None]
START = 1_767_225_600_000_000_000  # 2026-01-01T00:00:00Z
ORIGIN = Origin("line1", "PLC01", "G1")


def rows(*items: tuple[str, Value], at: int = START, step: int = 0, origin: Origin = ORIGIN) -> Batch:
    names, values = zip(*items, strict=True)
    return Batch.of(origin, names, values, array("q", (at + i * step for i in range(len(items)))))


def codes(outcome: WriteOutcome) -> list[tuple[int, str]]:
    return [(rejection.position, rejection.code) for rejection in outcome.rejected]


@pytest.fixture
def plant(recreate: Recreate, make_sink: MakeSink) -> Callable[..., OracleSink]:
    """``plant(columns_sql, columns_mapping, **config)``: an open sink for a table of those columns."""

    def build(sql: str, columns: dict[str, object], **config: object) -> OracleSink:
        recreate(f"CREATE TABLE tagferry_test ({sql})")
        sink = make_sink(columns=columns, **config)
        sink.open()
        return sink

    return build


def select(database: Standin, columns: str = "*", order: str = "1") -> list[list[Any]]:
    found: list[list[Any]] = database.sql(f"SELECT {columns} FROM tagferry_test ORDER BY {order}")
    return found


def test_numbers_and_texts_go_into_columns_of_their_own(plant: Callable[..., OracleSink], database: Standin) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, num BINARY_DOUBLE, txt VARCHAR2(20), typ VARCHAR2(10), ts TIMESTAMP(6) NOT NULL, "
        "q NUMBER(3), CONSTRAINT pk_tagferry_test PRIMARY KEY (tag, ts)",
        {"tag": "name", "num": "value_number", "txt": "value_text", "typ": "value_type", "ts": "timestamp",
         "q": "quality_code"},
    )  # fmt: skip
    items: list[tuple[str, Value]] = [
        ("a", 1.5), ("b", True), ("c", "RUN"), ("d", Decimal("0.1")), ("e", None), ("f", float("nan")), ("g", 7),
    ]  # fmt: skip
    names, values = zip(*items, strict=True)
    batch = Batch.of(ORIGIN, names, values, START, bytes((GOOD, GOOD, UNCERTAIN, GOOD, BAD, GOOD, GOOD)))
    assert sink.write(batch) == WriteOutcome(inserted=7)
    stored = select(database, "tag, txt, typ, q")
    assert stored == [
        ["a", None, "float", 192], ["b", None, "bool", 192], ["c", "RUN", "str", 64], ["d", None, "decimal", 192],
        ["e", None, "null", 0], ["f", None, "float", 192], ["g", None, "int", 192],
    ]  # fmt: skip
    assert select(database, "num")[0:2] == [[0.1], [1.0]]
    # NaN equals NaN and NULL equals NULL: all of it is recognised.
    assert sink.write(batch) == WriteOutcome(inserted=0, duplicates=7)


def test_a_number_that_its_column_would_change_is_rejected(plant: Callable[..., OracleSink]) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, num BINARY_DOUBLE NOT NULL, ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag, ts)",
        {"tag": "name", "num": "value", "ts": "timestamp"},
    )
    outcome = sink.write(
        rows(("a", 2**53), ("b", 2**53 + 1), ("c", Decimal("0.1234567890123456789")), ("d", "x"), ("e", None))
    )
    assert outcome.inserted == 1
    assert codes(outcome) == [(1, "INEXACT"), (2, "INEXACT"), (3, "ORA-01722"), (4, "ORA-01400")]


def test_a_number_column_rounds_to_its_scale_and_recognises_what_it_rounded(
    plant: Callable[..., OracleSink], database: Standin
) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, num NUMBER(6,2), ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag, ts)",
        {"tag": "name", "num": "value", "ts": "timestamp"},
    )
    batch = rows(("a", 1.005), ("b", -2.675), ("c", 9999.994), ("d", 9999.995), ("e", float("inf")), ("f", 3))
    outcome = sink.write(batch)
    assert (outcome.inserted, codes(outcome)) == (4, [(3, "ORA-01438"), (4, "ORA-01426")])
    assert [num for _, num in select(database, "tag, num")] == [1.01, -2.68, 9999.99, 3]
    assert sink.write(batch).duplicates == 4


def test_a_value_beyond_all_numbers_costs_its_own_record_only(
    plant: Callable[..., OracleSink], database: Standin
) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, num NUMBER, txt VARCHAR2(20), ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag, ts)",
        {"tag": "name", "num": "value_number", "txt": "value_text", "ts": "timestamp"},
    )
    batch = rows(("a", 1), ("b", Decimal("1E+1000000")), ("c", 10**100_000), ("d", "\ud800"), ("e", 3))
    outcome = sink.write(batch)
    assert (outcome.inserted, codes(outcome)) == (2, [(1, "ORA-01426"), (2, "ORA-01426"), (3, "ORA-12713")])
    assert select(database, "tag, num") == [["a", 1], ["e", 3]]
    assert sink.write(batch).duplicates == 2


def test_integers_of_38_digits_keep_them_all(plant: Callable[..., OracleSink], database: Standin) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, num NUMBER, ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag, ts)",
        {"tag": "name", "num": "value", "ts": "timestamp"},
    )
    batch = rows(
        ("a", 10**38 - 1), ("b", 10**39 + 1), ("c", 1e-200), ("d", 0.1), ("e", -0.0), ("f", Decimal("0E-200")),
        ("g", Decimal("0E+200")),
    )  # fmt: skip
    outcome = sink.write(batch)
    assert (outcome.inserted, codes(outcome)) == (5, [(1, "INEXACT"), (2, "ORA-01426")])
    assert sink.write(batch).duplicates == 5
    assert select(database, "tag, TO_CHAR(num)") == [["a", str(10**38 - 1)], ["d", ".1"]] + [
        [tag, "0"] for tag in "efg"
    ]


def test_constants_and_expressions_are_stored_and_not_compared(
    recreate: Recreate, make_sink: MakeSink, database: Standin
) -> None:
    recreate(
        "CREATE TABLE tagferry_test (id NUMBER NOT NULL, line VARCHAR2(10), num NUMBER, loaded TIMESTAMP(6) WITH TIME "
        "ZONE, tag VARCHAR2(50) NOT NULL, val VARCHAR2(50), ts TIMESTAMP(6) NOT NULL, src VARCHAR2(20), dev "
        "VARCHAR2(20), grp VARCHAR2(20), agt VARCHAR2(20), PRIMARY KEY (id), CONSTRAINT uq UNIQUE (tag, ts))"
    )
    database.sql("CREATE SEQUENCE tagferry_test_seq")
    columns = {
        "id": {"expression": "tagferry_test_seq.nextval"},
        "line": {"constant": "LINE-1"},
        "num": {"constant": 7},
        "loaded": {"expression": "SYSTIMESTAMP"},
        "tag": "name",
        "val": "value",
        "ts": "timestamp",
        "src": "source",
        "dev": {"field": "device"},
        "grp": "group",
        "agt": "agent",
    }
    sink = make_sink(columns=columns)
    sink.open()
    batch = rows(("a", 1.0), ("b", 2.0))
    assert sink.idempotent
    assert sink.write(batch) == WriteOutcome(inserted=2)
    stored = select(database, "tag, line, num, src, dev, grp, agt")
    assert stored[0] == ["a", "LINE-1", 7, "line1", "PLC01", "G1", "line-1"]
    assert len({id_ for (id_,) in select(database, "id")}) == 2
    columns["line"] = {"constant": "LINE-2"}
    again = make_sink(columns=columns)
    again.open()
    assert again.write(batch) == WriteOutcome(inserted=0, duplicates=2)


@pytest.mark.parametrize(
    ("sql", "stored"),
    [
        ("DATE", "2026-01-01T00:00:01"),
        ("TIMESTAMP(3)", "2026-01-01T00:00:01.987000"),
        ("TIMESTAMP(0)", "2026-01-01T00:00:01"),
        ("TIMESTAMP(9)", "2026-01-01T00:00:01.987654"),
        ("TIMESTAMP(6) WITH LOCAL TIME ZONE", "2026-01-01T00:00:01.987654"),
    ],
)
def test_times_are_cut_to_what_the_key_column_holds(
    sql: str, stored: str, plant: Callable[..., OracleSink], database: Standin
) -> None:
    sink = plant(
        f"tag VARCHAR2(50) NOT NULL, val VARCHAR2(50), ts {sql} NOT NULL, PRIMARY KEY (tag, ts)",
        {"tag": "name", "val": "value", "ts": "timestamp"},
    )
    at = START + 1_987_654_321
    assert sink.write(rows(("a", 1.0), at=at)).inserted == 1
    assert select(database, "ts")[0][0].removesuffix("+00:00") == stored
    assert sink.write(rows(("a", 1.0), at=at)).duplicates == 1
    # The same key at the column's precision, with another value: a conflict, not a second row.
    assert codes(sink.write(rows(("a", 2.0), at=at + 300))) == [(0, "CONFLICT")]


def test_a_time_with_zone_is_stored_as_the_instant_it_is(plant: Callable[..., OracleSink], database: Standin) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, val VARCHAR2(50), ns NUMBER(19) NOT NULL, ts TIMESTAMP(6) WITH TIME ZONE, "
        "PRIMARY KEY (tag, ns)",
        {"tag": "name", "val": "value", "ns": "timestamp_ns", "ts": "timestamp"},
    )
    batch = rows(("a", 1.0), ("a", 1.0), at=START + 123, step=1)
    assert sink.write(batch).inserted == 2
    assert [ns for _, ns in select(database, "tag, ns", "ns")] == [START + 123, START + 124]
    assert select(database, "SYS_EXTRACT_UTC(ts)")[0][0].startswith("2026-01-01T00:00:00")
    assert sink.write(batch).duplicates == 2


def test_local_time_zones_are_read_back_in_utc_whatever_the_zone_of_the_database(
    plant: Callable[..., OracleSink], database: Standin
) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, val VARCHAR2(50), ns NUMBER(19) NOT NULL, "
        "ts TIMESTAMP(3) WITH LOCAL TIME ZONE, PRIMARY KEY (tag, ns)",
        {"tag": "name", "val": "value", "ns": "timestamp_ns", "ts": "timestamp"},
    )
    batch = rows(("a", 1.0), ("b", 2.0), at=START + 987_654_321)
    assert sink.write(batch).inserted == 2
    assert sink.write(batch).duplicates == 2
    assert select(database, "CAST(ts AS TIMESTAMP)") == [["2026-01-01T00:00:00.987000"]] * 2
    # It would travel in the time zone of the database, which no client knows.
    assert any('CAST("TS" AS TIMESTAMP)' in finding.message for finding in sink.diagnose())


def test_local_time_of_a_zone_is_stored_and_a_repeated_hour_is_warned_of(
    plant: Callable[..., OracleSink], database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    sql = "tag VARCHAR2(50) NOT NULL, val VARCHAR2(50), ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag, ts)"
    with caplog.at_level(logging.WARNING):
        seoul = plant(
            sql, {"tag": "name", "val": "value", "ts": {"field": "timestamp", "time_zone": "Asia/Seoul"}}
        )  # fmt: skip
        assert caplog.records == []
        assert seoul.write(rows(("a", 1.0))).inserted == 1
        assert select(database, "ts") == [["2026-01-01T09:00:00"]]
        plant(sql, {"tag": "name", "val": "value", "ts": {"field": "timestamp", "time_zone": "Europe/Berlin"}})
    assert "an hour comes twice" in caplog.text


def test_device_and_group_in_the_key_tell_equal_tags_apart(plant: Callable[..., OracleSink], database: Standin) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, dev VARCHAR2(20), val VARCHAR2(50), ts TIMESTAMP(6) NOT NULL, "
        "CONSTRAINT uq UNIQUE (dev, tag, ts)",
        {"tag": "name", "dev": "device", "val": "value", "ts": "timestamp"},
    )
    nowhere = Origin("line1", "", "G1")  # '' is NULL, and NULL in a part of a unique key equals NULL
    batch = Batch.join([rows(("a", 1.0)), rows(("a", 2.0), origin=Origin("line1", "PLC02", "G1")),
                        rows(("a", 3.0), origin=nowhere)])  # fmt: skip
    assert sink.idempotent
    assert sink.write(batch).inserted == 3
    assert sink.write(batch).duplicates == 3
    assert select(database, "val, dev") == [["1.0", "PLC01"], ["2.0", "PLC02"], ["3.0", None]]


def test_without_a_key_records_are_written_at_least_once_and_a_warning_says_so(
    plant: Callable[..., OracleSink], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        sink = plant("tag VARCHAR2(50), val VARCHAR2(50)", {"tag": "name", "val": "value"})
    assert "no primary or unique key" in caplog.text
    assert not sink.idempotent
    for _ in range(2):
        assert sink.write(rows(("a", 1.0), ("a", 1.0))) == WriteOutcome(inserted=2)


def test_a_key_that_the_database_fills_does_not_make_a_sink_idempotent(plant: Callable[..., OracleSink]) -> None:
    sink = plant(
        "id NUMBER DEFAULT 1 NOT NULL, tag VARCHAR2(50), val VARCHAR2(50), CONSTRAINT uq PRIMARY KEY (id, tag)",
        {"tag": "name", "val": "value"},
    )
    assert not sink.idempotent


def test_padded_columns_are_compared_without_their_blanks(plant: Callable[..., OracleSink]) -> None:
    sink = plant(
        "tag CHAR(10) NOT NULL, val CHAR(10), ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag, ts)",
        {"tag": "name", "val": "value", "ts": "timestamp"},
    )
    assert sink.write(rows(("a", "x"), ("b", "y"))).inserted == 2
    assert sink.write(rows(("a", "x"), ("b", "z"))).duplicates == 1


def test_update_keeps_the_last_value_of_a_key_without_time_and_the_key_is_warned_of(
    plant: Callable[..., OracleSink], database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    sink = plant(
        "tag VARCHAR2(50) NOT NULL, val VARCHAR2(50), q VARCHAR2(20), ts TIMESTAMP(6) NOT NULL, PRIMARY KEY (tag)",
        {"tag": "name", "val": "value", "q": "quality", "ts": "timestamp"},
        on_conflict="update",
    )
    sink.write(rows(("a", 1.0)))
    assert sink.write(rows(("a", 2.0), ("b", 1.0), at=START + 1_000_000)).inserted == 2
    assert select(database, "tag, val, ts") == [
        ["a", "2.0", "2026-01-01T00:00:00.001000"],
        ["b", "1.0", "2026-01-01T00:00:00.001000"],
    ]
    assert "has no timestamp" in caplog.text


@pytest.mark.parametrize(
    ("sql", "columns", "message"),
    [
        ("tag VARCHAR2(9)", {"tag": "name", "val": "value"}, "has no column VAL; it has TAG"),
        ("tag NUMBER, val NUMBER", {"tag": "name", "val": "value"}, "TAG is NUMBER: field name needs one of"),
        ("tag VARCHAR2(9), val DATE", {"tag": "name", "val": "value"}, "VAL is DATE"),
        (
            "tag VARCHAR2(9), val RAW(9)",
            {"tag": "name", "val": "value"},
            r"VAL is RAW.*, which this sink cannot fill",
        ),
        (
            "tag VARCHAR2(9), val NUMBER, c VARCHAR2(3)",
            {"tag": "name", "val": "value", "c": {"constant": "LINE"}},
            "actual: 4, maximum: 3",
        ),
        (
            "tag VARCHAR2(9), val NUMBER, c NUMBER(2)",
            {"tag": "name", "val": "value", "c": {"constant": 100}},
            "larger than specified precision",
        ),
        (
            "tag VARCHAR2(9), val NUMBER, c DATE",
            {"tag": "name", "val": "value", "c": {"constant": "x"}},
            "a constant must be a text or a number",
        ),
        (
            "tag VARCHAR2(9), val NUMBER, c TIMESTAMP WITH LOCAL TIME ZONE",
            {"tag": "name", "val": "value", "c": {"field": "timestamp", "time_zone": "Asia/Seoul"}},
            "time_zone: is for DATE and TIMESTAMP",
        ),
    ],
)
def test_a_mapping_that_the_table_cannot_take_is_a_fault_of_the_configuration(
    sql: str, columns: dict[str, object], message: str, plant: Callable[..., OracleSink]
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        plant(sql, columns)
