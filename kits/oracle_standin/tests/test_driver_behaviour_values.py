"""Values as python-oracledb publishes them, adapted from its suites 2200 (numbers), 2500 (strings), 2600 (timestamps).

The facts are the published suite's, the words and the code are not. Each test names the case it follows.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import oracledb
import pytest

from .behaviour import Target
from .sessions import error_code

NUMBERS = [(i, 38**i, i + i * 0.25, i**3 + i * 0.5, None if i % 2 == 0 else 143**i) for i in range(1, 11)]
STRINGS = [
    (i, f"String {i}", f"Raw {i}".encode(), f"Fixed {i}".ljust(40), f"Maybe {i}" if i % 2 else None)
    for i in range(1, 11)
]
DAY = dt.datetime(2002, 12, 9)
TIMESTAMPS = [
    (i, DAY + dt.timedelta(days=i, seconds=i * 2, microseconds=int(str(i * 50).ljust(6, "0"))),
     DAY + dt.timedelta(days=i + 1) if i % 2 else None, dt.datetime(2009, 12, 14))
    for i in range(1, 11)
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def filled(database: Target) -> None:
    """The three tables with ten rows each."""
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO behaviour_numbers VALUES (:1, :2, :3, :4, :5)", NUMBERS)
        cursor.executemany("INSERT INTO behaviour_strings VALUES (:1, :2, :3, :4, :5)", STRINGS)
        cursor.setinputsizes(None, *[oracledb.DB_TYPE_TIMESTAMP] * 3)
        cursor.executemany("INSERT INTO behaviour_timestamps VALUES (:1, :2, :3, :4)", TIMESTAMPS)
        connection.commit()


@pytest.mark.parametrize(
    ("table", "rows"),
    [("behaviour_numbers", NUMBERS), ("behaviour_strings", STRINGS), ("behaviour_timestamps", TIMESTAMPS)],
)
class TestFetching:
    """Suites 22xx, 25xx and 26xx fetch their table in the same four ways."""

    def test_all_rows_2221_2523_2607(self, cursor: oracledb.Cursor, table: str, rows: list[Any]) -> None:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        assert cursor.fetchall() == rows
        assert cursor.fetchall() == []

    def test_in_pieces_2222_2524_2608(self, cursor: oracledb.Cursor, table: str, rows: list[Any]) -> None:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        assert [cursor.fetchmany(n) for n in (3, 2, 4, 3, 3)] == [rows[0:3], rows[3:5], rows[5:9], rows[9:], []]

    def test_one_by_one_2223_2525_2609(self, cursor: oracledb.Cursor, table: str, rows: list[Any]) -> None:
        cursor.execute(f"SELECT * FROM {table} WHERE id IN (3, 4) ORDER BY id")
        assert [cursor.fetchone() for _ in range(3)] == [rows[2], rows[3], None]

    def test_null_and_not_null_on_the_short_way_2532(
        self, cursor: oracledb.Cursor, table: str, rows: list[Any]
    ) -> None:
        for first, last in [(2, 5), (5, 8), (8, 10)]:
            cursor.execute(f"SELECT * FROM {table} WHERE id BETWEEN :a AND :b ORDER BY id", a=first, b=last)
            assert cursor.fetchall() == rows[first - 1 : last]


def described(cursor: oracledb.Cursor) -> list[tuple[Any, ...]]:
    return [column[:] for column in cursor.description or ()]


def test_the_columns_are_described_2220_2522_2606(cursor: oracledb.Cursor) -> None:
    number, timestamp = oracledb.DB_TYPE_NUMBER, oracledb.DB_TYPE_TIMESTAMP
    cursor.execute("SELECT * FROM behaviour_numbers")
    assert described(cursor) == [
        ("ID", number, 10, None, 9, 0, False), ("LONG_ID", number, 17, None, 16, 0, False),
        ("PRICE", number, 13, None, 9, 2, False), ("FREE", number, 127, None, 0, -127, False),
        ("MAYBE", number, 39, None, 38, 0, True),
    ]  # fmt: skip
    cursor.execute("SELECT text, bits, fixed, maybe FROM behaviour_strings")
    assert described(cursor) == [
        ("TEXT", oracledb.DB_TYPE_VARCHAR, 20, 20, None, None, False),
        ("BITS", oracledb.DB_TYPE_RAW, 30, 30, None, None, False),
        ("FIXED", oracledb.DB_TYPE_CHAR, 40, 40, None, None, False),
        ("MAYBE", oracledb.DB_TYPE_VARCHAR, 50, 50, None, None, True),
    ]  # fmt: skip
    cursor.execute("SELECT moment, maybe, coarse FROM behaviour_timestamps")
    assert described(cursor) == [
        ("MOMENT", timestamp, 23, None, 0, 6, False), ("MAYBE", timestamp, 23, None, 0, 6, True),
        ("COARSE", timestamp, 23, None, 0, 4, True),
    ]  # fmt: skip


def test_float_is_a_number_of_so_many_bits_2220(cursor: oracledb.Cursor) -> None:
    cursor.execute("CREATE TABLE behaviour_again (a FLOAT, b FLOAT(5), c REAL, d DOUBLE PRECISION)")
    cursor.execute("INSERT INTO behaviour_again VALUES (:1, :2, :3, :4)", [123.456] * 4)
    cursor.execute("SELECT * FROM behaviour_again")
    assert cursor.fetchone() == (123.456, 120, 123.456, 123.456)
    number = oracledb.DB_TYPE_NUMBER
    assert [column[:6] for column in described(cursor)] == [
        ("A", number, 127, None, 126, -127), ("B", number, 6, None, 5, -127), ("C", number, 64, None, 63, -127),
        ("D", number, 127, None, 126, -127),
    ]  # fmt: skip
    query = "SELECT data_type, data_precision, data_scale FROM user_tab_columns WHERE table_name = 'BEHAVIOUR_AGAIN'"
    assert cursor.execute(query + " ORDER BY column_id").fetchall() == [
        ("FLOAT", 126, None), ("FLOAT", 5, None), ("FLOAT", 63, None), ("FLOAT", 126, None)
    ]  # fmt: skip
    cursor.execute("DROP TABLE behaviour_again PURGE")


def one(cursor: oracledb.Cursor, value: object) -> Any:
    return cursor.execute("SELECT :1 FROM dual", [value]).fetchone()[0]


@pytest.mark.parametrize("value", [-9999999999999999999, 148, 0, 25004854810776297743])
def test_integers_stay_integers_2206_2224_2226(cursor: oracledb.Cursor, value: int) -> None:
    result = one(cursor, value)
    assert result == value
    assert isinstance(result, int)


def test_a_string_size_does_not_hinder_a_number_2207(cursor: oracledb.Cursor) -> None:
    cursor.setinputsizes(value=15)
    assert cursor.execute("SELECT * FROM behaviour_numbers WHERE id = :value", value=3).fetchall() == [NUMBERS[2]]


def test_a_number_type_does_not_hinder_a_string_2504(cursor: oracledb.Cursor) -> None:
    cursor.setinputsizes(value=oracledb.NUMBER)
    query = "SELECT * FROM behaviour_strings WHERE text = :value"
    assert cursor.execute(query, value="String 4").fetchall() == [STRINGS[3]]


@pytest.fixture
def as_decimal(cursor: oracledb.Cursor) -> oracledb.Cursor:
    cursor.outputtypehandler = lambda cursor, metadata: cursor.var(
        str, 255, outconverter=Decimal, arraysize=cursor.arraysize
    )
    return cursor


@pytest.mark.parametrize("text", ["319438950232418390.273596", "-0.00000001", "12345678901234567890123456789012345678"])
def test_decimals_keep_their_digits_2208(as_decimal: oracledb.Cursor, text: str) -> None:
    as_decimal.setinputsizes(oracledb.NUMBER)
    assert one(as_decimal, Decimal(text)) == Decimal(text)


@pytest.mark.parametrize("table", ["behaviour_numbers", "behaviour_strings", "behaviour_timestamps"])
def test_nothing_equals_null_2209_2513_2601(cursor: oracledb.Cursor, table: str) -> None:
    assert cursor.execute(f"SELECT * FROM {table} WHERE maybe = :value", value=None).fetchall() == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Decimal("9.99999999999999e+125"), int("9" * 15 + "0" * 111)),
        (Decimal("-9.99999999999999e+125"), -int("9" * 15 + "0" * 111)),
        (0.0, 0),
        (1e-130, 1e-130),
        (-1e-130, -1e-130),
        (1.25, 1.25),
    ],
)
def test_numbers_at_the_limits_2227(cursor: oracledb.Cursor, value: object, expected: object) -> None:
    assert one(cursor, value) == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [(1e126, "DPY-4003"), (float("inf"), "DPY-4004"), (float("nan"), "DPY-4004"), (Decimal("1e126"), "DPY-4003"),
     (Decimal("-inf"), "DPY-4004"), (Decimal("nan"), "DPY-4004")],
)  # fmt: skip
def test_numbers_beyond_the_limits_2228(cursor: oracledb.Cursor, value: object, code: str) -> None:
    with pytest.raises(oracledb.Error) as caught:
        one(cursor, value)
    assert error_code(caught) == code


def test_a_division_is_a_float_2229_2238(cursor: oracledb.Cursor) -> None:
    result = cursor.execute("SELECT id / 7 FROM behaviour_numbers WHERE id = 1").fetchone()[0]
    assert result == 1.0 / 7.0
    assert isinstance(result, float)


@pytest.mark.parametrize("value", [5, 1.5, float("inf")])
def test_binary_doubles_2231(cursor: oracledb.Cursor, value: float) -> None:
    cursor.setinputsizes(oracledb.DB_TYPE_BINARY_DOUBLE)
    assert one(cursor, value) == value
    assert cursor.bindvars[0].type == oracledb.DB_TYPE_BINARY_DOUBLE
    assert str(one(cursor, Decimal("NaN"))) == "nan"


def test_text_and_raw_as_keys_2501_2510(cursor: oracledb.Cursor) -> None:
    query = "SELECT * FROM behaviour_strings WHERE {} = :value"
    assert cursor.execute(query.format("text"), value="String 5").fetchall() == [STRINGS[4]]
    cursor.setinputsizes(value=oracledb.DB_TYPE_RAW)
    assert cursor.execute(query.format("bits"), value=b"Raw 4").fetchall() == [STRINGS[3]]


def test_characters_beyond_the_basic_plane_2526(cursor: oracledb.Cursor) -> None:
    text = "𠜎 𠜱 𠝹 한국어 💧"
    cursor.execute("INSERT INTO behaviour_work (id, text) VALUES (1, :1)", [text])
    assert cursor.execute("SELECT text FROM behaviour_work").fetchone() == (text,)


def test_a_longer_string_the_second_time_2527_3917(cursor: oracledb.Cursor) -> None:
    rows = [(1, "short"), (2, "long text " * 30)]
    for row in rows:
        cursor.execute("INSERT INTO behaviour_work (id, text) VALUES (:1, :2)", row)
    assert cursor.execute("SELECT id, text FROM behaviour_work ORDER BY id").fetchall() == rows


def test_strings_undecoded_2533(cursor: oracledb.Cursor) -> None:
    text = "café à la carte"
    cursor.execute("INSERT INTO behaviour_work (id, text) VALUES (1, :1)", [text])
    cursor.outputtypehandler = lambda cursor, metadata: cursor.var(str, arraysize=cursor.arraysize, bypass_decode=True)
    assert cursor.execute("SELECT text FROM behaviour_work").fetchone() == (text.encode(),)


def test_timestamps_as_keys_2600_2610(cursor: oracledb.Cursor) -> None:
    cursor.setinputsizes(value=oracledb.DB_TYPE_TIMESTAMP)
    cursor.execute(
        "SELECT * FROM behaviour_timestamps WHERE moment = :value", value=dt.datetime(2002, 12, 14, 0, 0, 10, 250000)
    )
    assert cursor.fetchall() == [TIMESTAMPS[4]]
    cursor.setinputsizes(value=oracledb.DB_TYPE_TIMESTAMP)
    cursor.execute("SELECT id FROM behaviour_timestamps WHERE TRUNC(moment) = :value", value=dt.datetime(2002, 12, 14))
    assert cursor.fetchall() == [(5,)]
    cursor.setinputsizes(value=oracledb.DB_TYPE_TIMESTAMP)
    cursor.execute("SELECT id FROM behaviour_timestamps WHERE TRUNC(moment) = :value", value=dt.date(2002, 12, 14))
    assert cursor.fetchall() == [(5,)]


def test_a_datetime_is_a_date_unless_told_otherwise_1400(cursor: oracledb.Cursor) -> None:
    assert one(cursor, dt.datetime(2026, 1, 1, 1, 2, 3, 999999)) == dt.datetime(2026, 1, 1, 1, 2, 3)
    cursor.setinputsizes(oracledb.DB_TYPE_TIMESTAMP)
    assert one(cursor, dt.datetime(2026, 1, 1, 1, 2, 3, 999999)) == dt.datetime(2026, 1, 1, 1, 2, 3, 999999)


@pytest.mark.parametrize("value", [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999)])
def test_the_first_and_the_last_moment_1400(cursor: oracledb.Cursor, value: dt.datetime) -> None:
    cursor.setinputsizes(oracledb.DB_TYPE_TIMESTAMP)
    assert one(cursor, value) == value
