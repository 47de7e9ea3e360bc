"""What a line looks like, and that whatever is written is read back equal."""

from __future__ import annotations

import csv
import enum
import io
from array import array
from collections.abc import Sequence
from decimal import Decimal

import pytest
from csv_sink.format.field import parse_value, split_line, text_field, value_fields
from csv_sink.format.line import COLUMNS, HEADER, LONGEST_RECORD_BYTES, UNWRITABLE, LineWriter
from csv_sink.format.reader import Reader, replay_batches
from csv_sink.format.timestamp import parse_timestamp, timestamp_text
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import BAD, GOOD, MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS, UNCERTAIN, Batch, Origin, Value
from agent_core.testing.fakes import batch_of

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
AWKWARD = st.text("\"',=+-@\t\r\n 운a1", max_size=8)
VALUES = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(min_value=-(10**2000), max_value=10**2000),
    st.booleans(),
    TEXT,
    AWKWARD,
    st.decimals(),
    st.none(),
)
STAMPS = st.integers(MIN_TIMESTAMP_NS, MAX_TIMESTAMP_NS)


def read_back(data: bytes) -> Batch:
    ((batch, _),) = replay_batches(Reader(io.BytesIO(data)), 0, 1_000_000)
    assert batch.bad_lines == ()
    return batch.batch


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (0.1, "0.1,float"),
        (-0.0, "-0.0,float"),
        (float("-inf"), "-inf,float"),
        (float("nan"), "nan,float"),
        (-5, "-5,int"),
        (2**64, "18446744073709551616,int"),
        (True, "true,bool"),
        ("", ",str"),
        ("운전 중", "운전 중,str"),
        ("=1+1", "'=1+1,str"),
        ("+1", "'+1,str"),
        ("-1", "'-1,str"),
        ("@x", "'@x,str"),
        ("'x", "''x,str"),
        ("\tx", "'\tx,str"),
        ("\rx", '"\'\rx",str'),
        ("a=b", "a=b,str"),
        ('say "so", or\nnot', '"say ""so"", or\nnot",str'),
        (Decimal("1E+5"), "1E+5,decimal"),
        (Decimal("-0.00"), "-0.00,decimal"),
        (None, ",null"),
    ],
)
def test_a_value_and_its_type_are_readable(value: Value, fields: str) -> None:
    assert value_fields(value) == fields
    text, value_type = split_line(fields)
    assert repr(parse_value(text, value_type)) == repr(value)


def test_an_integer_of_any_size_is_kept() -> None:
    for value in (10**5000, -(10**5000), 2**2048 - 1, 2**2048):
        text, value_type = split_line(value_fields(value))
        assert parse_value(text, value_type) == value
    assert value_fields(2**2048).startswith("0x1")


def test_a_subclass_is_written_as_what_it_stands_for() -> None:
    class Mode(enum.IntEnum):
        AUTO = 3

    class Word(str):
        __slots__ = ()

    class Reading(float):
        def __repr__(self) -> str:
            return "Reading()"

    assert value_fields(Mode.AUTO) == "3,int"
    assert value_fields(Word("=x")) == "'=x,str"
    assert value_fields(Reading(1.5)) == "1.5,float"


def test_what_breaks_the_contract_is_kept_as_text_rather_than_lost() -> None:
    assert value_fields([1, 2]) == '"[1, 2]",str'  # type: ignore[arg-type]
    batch = Batch.of(Origin("s", "d", "g"), ("A",), ("\udc80",), 0)
    assert read_back(HEADER + LineWriter().lines(batch, 0, "")).values == ("\\udc80",)


@given(st.lists(st.tuples(VALUES, TEXT | AWKWARD, STAMPS, st.sampled_from((GOOD, UNCERTAIN, BAD))), min_size=1))
def test_records_are_read_back_equal_type_included(records: list[tuple[Value, str, int, int]]) -> None:
    values, names, stamps, qualities = zip(*records, strict=True)
    half = len(records) // 2
    batch = Batch.of(Origin("=a", 'b"', "c,\n"), names, values, array("q", stamps), bytes(qualities))
    other = Batch.of(Origin("a", "b", "c"), names[:half], values[:half], stamps[0])
    batch = Batch.join([batch, other, batch.slice(0, half)])
    data = HEADER + LineWriter().lines(batch, stamps[0], [f"=reason, {value!r}" for value in batch.names])
    assert [repr(tuple(r)) for r in read_back(data).records()] == [repr(tuple(r)) for r in batch.records()]


@given(TEXT | AWKWARD)
def test_other_readers_of_csv_see_the_same_columns(text: str) -> None:
    line = f"{text_field(text)},{text_field(text)},x"
    (fields,) = csv.reader(io.StringIO(line, newline=""), strict=True)
    assert fields == split_line(line)


@pytest.mark.parametrize("line", ['a"b,c', '"a"b,c', '"a', 'a,"', '"a""', 'a\n,"b"'])
def test_quotes_that_do_not_fit_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not quoted"):
        split_line(line)


@pytest.mark.parametrize(
    ("text", "value_type"),
    [("1", "real"), ("x", "float"), ("1.5", "int"), ("", "int"), ("yes", "bool"), ("x", "decimal"), ("x", "null")],
)
def test_a_value_that_is_none_of_its_type_is_refused(text: str, value_type: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_value(text, value_type)


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("True", True), ("FALSE", False), ("False", False)])
def test_a_bool_that_a_spreadsheet_saved_is_read(text: str, value: bool) -> None:
    assert parse_value(text, "bool") is value


@pytest.mark.parametrize("text", ["1E+10", "1.23457E+11", "-1,5e+20", "12.0"])
def test_an_integer_that_a_spreadsheet_rewrote_is_refused_with_what_happened(text: str) -> None:
    with pytest.raises(ValueError, match=r"a spreadsheet has probably rewritten it.* use the original file"):
        parse_value(text, "int")


@pytest.mark.parametrize("text", ["2026-01-01 00:00", "1/1/2026 0:00", "00:00.0", "46023", "1/1/2026 12:00:00 AM"])
def test_a_time_that_a_spreadsheet_rewrote_is_refused_with_what_happened(text: str) -> None:
    with pytest.raises(ValueError, match=r"a spreadsheet has probably rewritten it.* use the original file"):
        parse_timestamp(text)


@pytest.mark.parametrize("text", ["2026-01-01T00:00", "yesterday", ""])
def test_a_time_that_is_none_is_refused_without_a_guess(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a timestamp such as 2026-01-01T00:00:00\.000000000Z$"):
        parse_timestamp(text)


@given(STAMPS)
def test_timestamps_keep_every_nanosecond(timestamp_ns: int) -> None:
    text = timestamp_text(timestamp_ns)
    assert parse_timestamp(text) == timestamp_ns
    assert len(text) == len("2026-01-01T00:00:00.000000000Z")


@given(STAMPS, STAMPS)
def test_timestamps_sort_as_their_texts(first: int, second: int) -> None:
    assert (first < second) == (timestamp_text(first) < timestamp_text(second))


def test_timestamps_may_have_fewer_digits_and_must_fit() -> None:
    assert parse_timestamp("1970-01-01T00:00:00.5Z") == 500_000_000
    assert parse_timestamp("1969-12-31T23:59:59Z") == -1_000_000_000
    for text in ("2026-01-01 00:00:00", "2026-13-01T00:00:00Z", "2300-01-01T00:00:00Z", "1600-01-01T00:00:00Z", ""):
        with pytest.raises(ValueError, match=r"\w"):
            parse_timestamp(text)


def test_the_header_is_that_of_the_format() -> None:
    assert (
        HEADER == b"timestamp,tag_name,tag_value,value_type,quality,source,device,group,insertion_attempt_time,reason\n"
    )
    assert len(COLUMNS) == 10


class CountingWriter(LineWriter):
    """Counts how often it makes lines: once for a piece, or once for each record of it."""

    calls = 0

    def lines(self, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]) -> bytes:
        self.calls += 1
        return super().lines(batch, attempted_at_ns, reasons)


@pytest.mark.parametrize("reasons", ["shutdown", [f"reason {number}" for number in range(50_000)]], ids=["one", "each"])
def test_a_large_batch_of_ordinary_records_is_written_in_pieces_not_one_by_one(reasons: str | list[str]) -> None:
    batch, writer = batch_of(*range(50_000)), CountingWriter()
    data, refused = writer.write(batch, 0, reasons)
    assert len(data) > LONGEST_RECORD_BYTES, "all of it is longer than a record may be"
    assert (writer.calls, refused) == (7, ())
    assert data == LineWriter().lines(batch, 0, reasons)


def test_a_record_that_makes_no_line_is_looked_for_in_its_piece_alone() -> None:
    values: list[Value] = list(range(20_000))
    values[9_000] = "x" * LONGEST_RECORD_BYTES
    writer = CountingWriter()
    data, [refused] = writer.write(batch_of(*values), 0, "shutdown")
    assert (refused.position, refused.code, data.count(b"\n")) == (9_000, UNWRITABLE, 19_999)
    assert writer.calls < 9_000
