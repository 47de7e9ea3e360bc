"""Batches as rows: order, precision, numbers. No database."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle_sink.config import OnConflict, OracleSinkConfig, PoolConfig, TimeoutsConfig
from oracle_sink.table.binding import INEXACT, Refusals
from oracle_sink.table.facts import TEXTS, Column, ColumnKind, Key, TableFacts
from oracle_sink.table.identifiers import TableName
from oracle_sink.table.layout import Layout
from oracle_sink.table.numbers import NumberColumn, NumberRefused, Numbers
from oracle_sink.table.plan import plan_layout
from oracle_sink.table.texts import TextColumn, codec_of, type_names
from oracle_sink.table.times import Times, repeated_hour
from oracle_sink.write.array_dml import ArrayDml
from oracle_sink.write.known_span import KnownSpan
from oracle_sink.write.rows import encode
from pytest_mock import MockerFixture

from agent_core.api import (
    MAX_TIMESTAMP_NS,
    MIN_TIMESTAMP_NS,
    Batch,
    ConfigurationError,
    Origin,
    RetryableError,
    Secret,
    Value,
)

ORIGIN = Origin("s", "d", "g")
SECOND = 1_000_000_000
FOREVER = MAX_TIMESTAMP_NS
CONFIG = OracleSinkConfig(
    dsn="d",
    user="u",
    password=Secret(lambda: "p"),
    table="T",
    columns={"TAG_NAME": "name", "TAG_VALUE": "value", "TS": "timestamp", "QUALITY": "quality"},
    key=(),
    on_conflict=OnConflict.KEEP,
    bad_value_text="BAD",
    true_text="1",
    false_text="0",
    max_future_seconds=0.0,
    pool=PoolConfig(1, 1, 0.0),
    timeouts=TimeoutsConfig(1.0, 1.0, 1.0, 1.0),
    login_interval_seconds=1.0,
    config_dir=None,
    wallet_location=None,
    wallet_password=None,
    disable_oob=False,
    program="p",
    module=None,
    thick=None,
    session=(),
    watermark=None,
)


def column(name: str, kind: ColumnKind, length: int = 0, **rest: object) -> Column:
    values = {"table": "T", "name": name, "data_type": kind.value, "kind": kind, "nullable": False, "length": length}
    return Column(**(values | rest))  # type: ignore[arg-type]


def layout(character_set: str = "AL32UTF8") -> Layout:
    columns = (
        column("TAG_NAME", ColumnKind.VARCHAR2, 100),
        column("TAG_VALUE", ColumnKind.VARCHAR2, 255),
        column("TS", ColumnKind.TIMESTAMP, digits=6),
        column("QUALITY", ColumnKind.VARCHAR2, 20),
    )
    key = Key("U.PK", ("TAG_NAME", "TS"), primary=True)
    return plan_layout(CONFIG, TableFacts(TableName("U", "T"), columns, (key,), character_set), "agent")


@given(st.integers(MIN_TIMESTAMP_NS, MAX_TIMESTAMP_NS), st.integers(0, 9))
def test_a_timestamp_is_cut_towards_the_past_and_never_rounded(timestamp_ns: int, digits: int) -> None:
    stored = Times(column("TS", ColumnKind.TIMESTAMP, digits=digits), None).stored(timestamp_ns)
    since = stored - datetime(1970, 1, 1)
    back_ns = ((since.days * 86_400 + since.seconds) * 10**6 + since.microseconds) * 1000
    unit_ns = max(10 ** (9 - digits), 1000)
    assert back_ns % unit_ns == 0
    assert 0 <= timestamp_ns - back_ns < unit_ns


@given(st.integers(0, 4 * 10**18))
def test_local_time_is_what_the_zone_says(timestamp_ns: int) -> None:
    zone = ZoneInfo("Asia/Seoul")
    stored = Times(column("TS", ColumnKind.TIMESTAMP, digits=6), zone).stored(timestamp_ns)
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_ns // 1000)
    assert stored == instant.astimezone(zone).replace(tzinfo=None)


def test_the_repeated_hour_is_found_where_there_is_one() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert repeated_hour(ZoneInfo("Asia/Seoul"), now) is None
    assert repeated_hour(ZoneInfo("Europe/Berlin"), now) == datetime(2026, 10, 25, 1, tzinfo=UTC)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.sampled_from([1.0, 2.0, "x", None])), max_size=40),
    st.sampled_from([OnConflict.KEEP, OnConflict.UPDATE]),
)
def test_each_key_is_bound_once_in_the_order_of_the_keys_and_no_record_is_forgotten(
    items: Sequence[tuple[str, int, Value]], on_conflict: OnConflict
) -> None:
    names, stamps, values = (list(part) for part in zip(*items, strict=True)) if items else ([], [], [])
    batch = Batch.of(ORIGIN, names, values, array("q", (stamp * 400 for stamp in stamps)))
    rows = encode(batch, layout(), on_conflict, FOREVER)
    keys = [row[:2] for row in rows.rows]
    assert keys == sorted(set(keys))
    followers = [number for group in rows.followers.values() for number in group]
    assert sorted([*rows.positions, *followers, *rows.refusals]) == list(range(len(batch)))
    for row, number in zip(rows.rows, rows.positions, strict=True):
        assert row[0] == batch.names[number]


def test_a_batch_that_is_sorted_stays_as_it_is() -> None:
    batch = Batch.of(ORIGIN, ("a", "b", "c"), (1.0, 2.0, 3.0), 0)
    rows = encode(batch, layout(), OnConflict.KEEP, FOREVER)
    assert list(rows.positions) == [0, 1, 2]
    assert rows.rows[0] == ("a", datetime(1970, 1, 1), "1.0", "GOOD")


@pytest.mark.parametrize(
    ("character_set", "text", "code"),
    [
        ("AL32UTF8", "가" * 33, None),
        ("AL32UTF8", "가" * 34, "ORA-12899"),
        ("KO16MSWIN949", "가" * 50, None),
        ("KO16MSWIN949", "가" * 51, "ORA-12899"),
        ("WE8MSWIN1252", "가", "ORA-12713"),
        ("WE8MSWIN1252", "°C" * 50, None),
        ("UNKNOWN", "가" * 1000, None),  # only the database can tell
        ("UNKNOWN", "a" * 101, "ORA-12899"),
    ],
)
def test_lengths_are_judged_in_the_databases_own_bytes(character_set: str, text: str, code: str | None) -> None:
    rows = encode(Batch.of(ORIGIN, (text,), (1.0,), 0), layout(character_set), OnConflict.KEEP, FOREVER)
    assert [refusal.code for refusal in rows.refusals.values()] == ([] if code is None else [code])


def test_national_columns_count_utf_16_units() -> None:
    text = TextColumn(column("N", ColumnKind.NVARCHAR2, 4, in_characters=True), "latin-1")
    assert text.refusal("가나다라") is None
    assert text.refusal("😀😀") is None
    assert text.refusal("😀😀a") is not None


def test_a_verdict_on_a_name_is_the_same_the_second_time() -> None:
    plan = layout()
    batch = Batch.of(ORIGIN, ("ok", "x" * 101), (1.0, 2.0), 0)
    for _ in range(2):
        assert list(encode(batch, plan, OnConflict.KEEP, FOREVER).refusals) == [1]


def converted(value: Value) -> object:
    """What a plain NUMBER column stores, or the code it refuses with."""
    try:
        return NumberColumn(column("N", ColumnKind.NUMBER)).convert(value)
    except NumberRefused as refused:
        return refused.refusal.code


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_column_stores_a_float_exactly_or_refuses_it(value: float) -> None:
    fits = value == 0.0 or 1e-130 <= abs(value) < 1e126
    assert converted(value) == (Decimal(repr(value)) if fits else "ORA-01426")


@given(st.integers(-(10**45), 10**45))
def test_a_number_column_stores_an_integer_exactly_or_refuses_it(value: int) -> None:
    fits = len(str(abs(value)).rstrip("0")) <= 38
    assert converted(value) == (value if fits else "INEXACT")


@given(st.floats(width=32, allow_nan=False))
def test_a_float32_survives_a_binary_float_column(value: float) -> None:
    assert NumberColumn(column("N", ColumnKind.BINARY_FLOAT)).convert(value) == value


def test_a_float_column_keeps_the_digits_that_its_bits_are_worth() -> None:
    number = NumberColumn(column("N", ColumnKind.FLOAT, precision=24))
    assert number.convert(0.123456789) == Decimal("0.12345679")


def test_twins_follow_their_first_record() -> None:
    batch = Batch.of(ORIGIN, ("a", "a", "a"), (1.0, 1.0, 2.0), 0)
    kept = encode(batch, layout(), OnConflict.KEEP, FOREVER)
    assert (list(kept.positions), dict(kept.followers), list(kept.refusals)) == ([0], {0: [1]}, [2])
    updated = encode(batch, layout(), OnConflict.UPDATE, FOREVER)
    assert (list(updated.positions), dict(updated.followers)) == ([2], {2: [1, 0]})
    assert updated.overwritten == {0, 1}


def test_refusals_keep_the_first_reason() -> None:
    refusals: Refusals = {}
    plan = layout()
    for encoder in plan.encoders:
        encoder.encode(Batch.of(ORIGIN, ("",), ("",), 0), refusals)
    assert '"TAG_NAME"' in refusals[0].message


def test_sql_is_made_of_quoted_names_and_numbered_binds_only() -> None:
    plan = layout()
    assert plan.insert_sql == ('INSERT INTO "U"."T" ("TAG_NAME", "TS", "TAG_VALUE", "QUALITY") VALUES (:1, :2, :3, :4)')
    assert plan.lookup_sqls[8].startswith(
        'SELECT 0 AS n, "TAG_VALUE", "QUALITY" FROM "U"."T" WHERE "TAG_NAME" = :1 AND "TS" = :2 UNION ALL '
        'SELECT 1 AS n, "TAG_VALUE", "QUALITY" FROM "U"."T" WHERE "TAG_NAME" = :3 AND "TS" = :4 '
    )
    assert plan.update_sql == 'UPDATE "U"."T" SET "TAG_VALUE" = :1, "QUALITY" = :2 WHERE "TAG_NAME" = :3 AND "TS" = :4'


def test_a_long_text_in_the_key_is_not_looked_up_as_a_long() -> None:
    facts = layout().facts
    columns = tuple(replace(c, length=2000) if c.name in ("TAG_NAME", "TAG_VALUE") else c for c in facts.columns)
    plan = plan_layout(CONFIG, replace(facts, columns=columns), "agent")
    assert (plan.input_sizes[0], plan.key_sizes[0], plan.update_sizes[0]) == (2000, 1000, 2000)


NASTY: tuple[Value, ...] = (
    Decimal("1E+1000000"), Decimal("-1E+1000000"), Decimal("1E-1000000"), Decimal("9" * 5000), Decimal("NaN"),
    Decimal("sNaN"), Decimal("-Infinity"), Decimal("0E+1000000"), Decimal("0E-200"), Decimal("-0E+200"), 10**100_000,
    -(10**100_000), 1e308, 5e-324, float("nan"), float("-inf"), True, "text",
)  # fmt: skip
NUMBER_COLUMNS = {
    "NUMBER": column("N", ColumnKind.NUMBER),
    "NUMBER(5,2)": column("N", ColumnKind.NUMBER, precision=5, scale=2),
    "NUMBER(38)": column("N", ColumnKind.NUMBER, precision=38, scale=0),
    "NUMBER(3,-2)": column("N", ColumnKind.NUMBER, precision=3, scale=-2),
    "INTEGER": column("N", ColumnKind.NUMBER, scale=0),
    "FLOAT(20)": column("N", ColumnKind.FLOAT, precision=20),
    "BINARY_FLOAT": column("N", ColumnKind.BINARY_FLOAT),
    "BINARY_DOUBLE": column("N", ColumnKind.BINARY_DOUBLE),
}


EVERY_COLUMN = NUMBER_COLUMNS | {
    "NUMBER(38,127)": column("N", ColumnKind.NUMBER, precision=38, scale=127),
    "NUMBER(5,-84)": column("N", ColumnKind.NUMBER, precision=5, scale=-84),
    "VARCHAR2(10)": column("N", ColumnKind.VARCHAR2, 10),
    "VARCHAR2(4000)": column("N", ColumnKind.VARCHAR2, 4000, nullable=True),
    "NVARCHAR2(10)": column("N", ColumnKind.NVARCHAR2, 10, in_characters=True),
    "CHAR(10)": column("N", ColumnKind.CHAR, 10),
    "NCHAR(10)": column("N", ColumnKind.NCHAR, 10, in_characters=True),
}
ANY_VALUE = st.one_of(
    st.sampled_from(NASTY),
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**45), 10**45),
    st.floats(),
    st.decimals(),
    st.builds(
        lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(0, 10**40), st.integers(-300, 300)
    ),
    st.text(max_size=12),
)


def bound_or_code(kind: str, value: Value) -> object:
    """What is bound for a value, or the code it is refused with."""
    columns = (column("TAG_NAME", ColumnKind.VARCHAR2, 100), replace(EVERY_COLUMN[kind], name="TAG_VALUE"))
    config = replace(CONFIG, columns={"TAG_NAME": "name", "TAG_VALUE": "value"})
    plan = plan_layout(config, TableFacts(TableName("U", "T"), columns, (), "AL32UTF8"), "agent")
    rows = encode(Batch.of(ORIGIN, ("a",), (value,), 0), plan, OnConflict.KEEP, FOREVER)
    return rows.refusals[0].code if rows.refusals else rows.rows[0][1]


@pytest.mark.parametrize(
    ("kind", "value", "bound"),
    [
        ("BINARY_DOUBLE", 10**400, "ORA-01426"),
        ("BINARY_DOUBLE", Decimal("1E400"), "ORA-01426"),
        ("BINARY_DOUBLE", 2**53 + 1, INEXACT),
        ("BINARY_DOUBLE", Decimal("0.1000000000000000000001"), INEXACT),
        ("BINARY_DOUBLE", Decimal("0.1"), 0.1),
        ("BINARY_FLOAT", 1e39, "ORA-01426"),
        ("NUMBER", Decimal("1.5"), Decimal("1.5")),
        ("NUMBER", 10**200, "ORA-01426"),
    ],
)
def test_a_number_is_bound_exactly_or_refused_with_its_code(kind: str, value: Value, bound: object) -> None:
    assert bound_or_code(kind, value) == bound


@pytest.mark.parametrize("kind", [ColumnKind.NUMBER, ColumnKind.BINARY_DOUBLE])
def test_numbers_are_the_same_only_if_they_are_equal(kind: ColumnKind) -> None:
    same = NumberColumn(column("N", kind)).same
    assert same(1.5, Decimal("1.5"))
    assert same(math.nan, math.nan)
    assert same(None, None)
    assert not same(1.5, Decimal("1.6"))
    assert not same(1, None)
    assert not same(math.nan, 1.5)


def test_a_key_that_may_be_null_is_bound_in_one_order_too() -> None:
    columns = (
        column("TAG_NAME", ColumnKind.VARCHAR2, 100, nullable=True),
        column("TAG_VALUE", ColumnKind.VARCHAR2, 255),
        column("TS", ColumnKind.TIMESTAMP, digits=6),
        column("QUALITY", ColumnKind.VARCHAR2, 20),
    )
    key = Key("U.UQ", ("TAG_NAME", "TS"), primary=False)
    plan = plan_layout(CONFIG, TableFacts(TableName("U", "T"), columns, (key,), "AL32UTF8"), "agent")
    for names in ("ABC", "CBA"):
        found = encode(Batch.of(ORIGIN, tuple(names), (1.0,) * 3, 0), plan, OnConflict.KEEP, FOREVER)
        assert [names[position] for position in found.positions] == ["A", "B", "C"]


@pytest.mark.parametrize(
    ("counts", "refused"), [([1, 0], []), ([1], []), ([1, 1], [1]), ([0, 1], [1]), ([1, 0], [1, 1])]
)
def test_a_driver_whose_counts_and_errors_contradict_each_other_is_not_believed(
    counts: list[int], refused: list[int], mocker: MockerFixture
) -> None:
    session = mocker.Mock(lost=False)
    session.cursor.getarraydmlrowcounts.return_value = counts
    session.cursor.getbatcherrors.return_value = [
        mocker.Mock(offset=row, full_code="ORA-12899", message="too long") for row in refused
    ]
    dml = ArrayDml(session, layout(), mocker.Mock(), mocker.Mock())
    with pytest.raises(RetryableError, match="contradict each other"):
        dml.run("INSERT", [], [0, 1], [("A",), ("B",)])
    assert session.lost


@pytest.mark.parametrize("kind", EVERY_COLUMN)
@given(ANY_VALUE)
@settings(max_examples=60)
def test_any_value_is_bound_as_what_its_column_holds_or_refused_with_a_reason(kind: str, value: Value) -> None:
    known = EVERY_COLUMN[kind].kind
    bound = bound_or_code(kind, value)
    if isinstance(bound, str) and re.fullmatch(r"ORA-\d{5}|INEXACT", bound):
        return
    if bound is None:
        assert EVERY_COLUMN[kind].nullable
    elif known in TEXTS:
        assert isinstance(bound, str)
        if isinstance(value, float):
            assert float(bound) == value or value != value
    elif known in (ColumnKind.BINARY_DOUBLE, ColumnKind.BINARY_FLOAT):
        assert type(bound) is float
    else:
        assert isinstance(bound, int | Decimal)
        # What the driver can send: a zero without an exponent, else 38 digits (a float has fewer) of a NUMBER's range.
        assert str(bound) == "0" or 1e-131 < Decimal(bound).copy_abs() < Decimal("1E126")
        if kind == "NUMBER" and isinstance(value, float):
            assert float(bound) == value


@pytest.mark.parametrize("kind", ["NUMBER", "NUMBER(38)"])
def test_the_largest_numbers_of_38_digits_and_zeros_of_any_exponent_fit(kind: str) -> None:
    for value in (10**38 - 1, Decimal(10**38 - 1), -(10**38) + 1):
        assert bound_or_code(kind, value) == value
    for zero in (Decimal("0E-200"), Decimal("0E+200"), Decimal("-0"), -0.0, 0):
        bound = bound_or_code(kind, zero)
        assert (bound, str(bound)) == (0, "0")


def in_a_number_column() -> Layout:
    columns = (
        column("TAG_NAME", ColumnKind.VARCHAR2, 100),
        column("TAG_VALUE", ColumnKind.NUMBER, precision=10, scale=2),
        column("TS", ColumnKind.TIMESTAMP, digits=6),
        column("QUALITY", ColumnKind.VARCHAR2, 20),
    )
    key = Key("U.PK", ("TAG_NAME", "TS"), primary=True)
    return plan_layout(CONFIG, TableFacts(TableName("U", "T"), columns, (key,), "AL32UTF8"), "agent")


class Unprintable(float):
    """A value whose own methods fail."""

    def __float__(self) -> float:
        raise RuntimeError("no float")

    def __repr__(self) -> str:
        raise RuntimeError("no text")

    __str__ = __repr__


@pytest.mark.parametrize("table", [layout, in_a_number_column])
def test_a_value_that_cannot_be_converted_costs_its_own_record_only(table: Callable[[], Layout]) -> None:
    values: list[Value] = [1.0, Unprintable(2.0), *NASTY, 3.0]
    batch = Batch.of(ORIGIN, [f"T{number}" for number in range(len(values))], values, 0)
    rows = encode(batch, table(), OnConflict.KEEP, FOREVER)
    assert {0, len(values) - 1} <= set(rows.positions)
    assert rows.refusals[1].code == "UNFIT"
    assert sorted([*rows.positions, *rows.refusals]) == list(range(len(values)))


@pytest.mark.parametrize("character_set", ["AL32UTF8", "WE8MSWIN1252", "UNKNOWN"])
@pytest.mark.parametrize("kind", [ColumnKind.VARCHAR2, ColumnKind.NVARCHAR2])
def test_a_text_that_is_not_unicode_is_refused_before_anything_is_sent(character_set: str, kind: ColumnKind) -> None:
    text = TextColumn(column("TAG_VALUE", kind, 255), codec_of(character_set))
    refusal = text.refusal("a\udc80")
    assert refusal is not None
    assert (refusal.code, "not valid Unicode" in refusal.message) == ("ORA-12713", True)


class Overflowing(float):
    """A number that is too large for arithmetic."""

    def __float__(self) -> float:
        raise OverflowError("no float")


def test_a_number_that_cannot_be_converted_is_an_overflow() -> None:
    refusals: Refusals = {}
    numbers = Numbers(NumberColumn(column("N", ColumnKind.NUMBER)), lambda batch: batch.values)
    assert numbers.encode(Batch.of(ORIGIN, ("A", "B"), (1.5, Overflowing(2.5)), 0), refusals) == [Decimal("1.5"), None]
    assert {position: refusal.code for position, refusal in refusals.items()} == {1: "ORA-01426"}


def test_a_machine_without_memory_costs_no_record_its_place(mocker: MockerFixture) -> None:
    encoder = mocker.Mock()
    encoder.encode.side_effect = MemoryError
    with pytest.raises(MemoryError):
        encode(Batch.of(ORIGIN, ("A",), (1.0,), 0), replace(layout(), encoders=(encoder,)), OnConflict.KEEP, FOREVER)


def test_a_value_of_a_subclass_has_the_type_that_it_stands_for() -> None:
    kinds = [type("Sub", (kind,), {}) for kind in (float, int, str, Decimal)]
    values = [True, None, *(kind("1") for kind in (float, int, str, Decimal)), *(kind("1") for kind in kinds)]
    plain = ["float", "int", "str", "decimal"]
    assert type_names(values) == ["bool", "null", *plain, *plain]


def stamped(*stamps: int) -> Batch:
    return Batch.of(ORIGIN, ["A"] * len(stamps), range(len(stamps)), array("q", stamps))


def test_records_whose_commit_was_not_answered_are_known_by_all_of_their_times() -> None:
    span = KnownSpan()
    span.suspect(stamped(300 * SECOND, 100 * SECOND, 500 * SECOND))
    expected = {50: False, 100: True, 499: True, 501: False}
    assert {at: span.expects(stamped(at * SECOND)) for at in expected} == expected
    assert span.expects(stamped(0, 100 * SECOND))


def test_a_replay_is_known_by_the_times_of_what_was_there_and_forgotten_by_what_was_not() -> None:
    span = KnownSpan()
    known = stamped(1000 * SECOND, 2000 * SECOND)
    span.learn(known, 1)
    assert not span.expects(known)
    span.learn(known, 2)
    expected = {939: False, 940: True, 1500: True, 2060: True, 2061: False}
    assert {at: span.expects(stamped(at * SECOND)) for at in expected} == expected
    span.learn(stamped(0), 0)
    assert span.expects(known)
    span.learn(known, 0)
    assert not span.expects(known)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"columns": {"V": "valeu"}}, "columns: "), ({"key": ("TS", "TS")}, "key: "), ({"key": ("NONE",)}, "key: ")],
)
def test_columns_and_keys_that_are_none_are_refused_before_anything_is_written(
    wrong: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^{message}"):
        plan_layout(replace(CONFIG, **wrong), layout().facts, "agent")  # type: ignore[arg-type]
