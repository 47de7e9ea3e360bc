"""Reading a file that is damaged, or that somebody has edited."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from csv_sink.format.line import HEADER, LineWriter
from csv_sink.format.reader import Position, Reader, Step, replay_batches
from csv_sink.plugin import agent_register_sink
from csv_sink.sink import CsvSink

from agent_core.api import BadLine, Batch, Diversion, DivertReason, Origin, Severity, Value
from agent_core.testing.clock import ManualClock

ORIGIN = Origin("line1", "PLC01", "G")
SINK_DOWN = Diversion(DivertReason.SINK_DOWN, 0)


def lines(*values: Value) -> list[bytes]:
    """One line for each value; their tags are called T0, T1 ..."""
    write = LineWriter().lines
    return [
        write(Batch.of(ORIGIN, (f"T{number}",), (value,), number * 1_000_000_000), 0, "sink_down")
        for number, value in enumerate(values)
    ]


def read(data: bytes, from_record: int = 0, max_records: int = 500) -> tuple[list[str], list[BadLine]]:
    """Names of the records, and the bad lines."""
    parts = [part for part, _ in replay_batches(Reader(io.BytesIO(data)), from_record, max_records)]
    return [name for part in parts for name in part.batch.names], [bad for part in parts for bad in part.bad_lines]


def test_damaged_lines_are_named_by_number_and_skipped() -> None:
    first, second, third, fourth = lines(1.0, 2.0, 3.0, 4.0)
    names, bad = read(HEADER + first + second.replace(b"float", b"flaot") + third[:-30] + b"\n" + fourth)
    assert names == ["T0", "T3"]
    assert [line.line for line in bad] == [3, 4]
    assert "'flaot' is not a value_type" in bad[0].message


def test_line_numbers_count_every_physical_line() -> None:
    first, second, third = lines("two\nlines", "x", "y")
    names, bad = read(HEADER + first + b"garbage\n" + second + b"\xff\xfe\n" + third)
    assert names == ["T0", "T1", "T2"]
    assert [line.line for line in bad] == [4, 6]


@pytest.mark.parametrize("damage", [b'"', b'"""', b',"', b'x"y', b"\x00" * 100])
def test_a_stray_quote_costs_its_own_line_only(damage: bytes) -> None:
    records = lines(1.0, "a", 'with "quotes"', "two\nlines", 5.0)
    for position in range(len(records)):
        data = [*records[:position], damage + b"\n", *records[position:]]
        names, bad = read(HEADER + b"".join(data))
        assert names == ["T0", "T1", "T2", "T3", "T4"]
        assert len(bad) == 1


def test_a_quote_too_many_at_the_end_of_a_record_costs_that_record_only() -> None:
    first, second, third = lines("a", "b", "c")
    names, bad = read(HEADER + first + second.rstrip(b"\n") + b'"\n' + third)
    assert names == ["T0", "T2"]
    assert [line.line for line in bad] == [3]


def test_a_quote_that_is_never_closed_is_followed_so_far_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("csv_sink.format.reader.LONGEST_RECORD_BYTES", 200)
    records = lines(*range(50))
    names, bad = read(HEADER + b'"\n' + b"".join(records))
    assert (len(names), len(bad)) == (50, 1)


def test_a_file_saved_by_a_spreadsheet_is_read() -> None:
    data = HEADER + b"".join(lines(1.0, "b", None))
    names, bad = read(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    assert (names, bad) == (["T0", "T1", "T2"], [])


def rearranged(order: Sequence[int], extra: bytes = b"") -> bytes:
    """Three records whose columns somebody has moved."""
    table = [line.rstrip(b"\n").split(b",") for line in (HEADER, *lines(1.0, "b", True))]
    return b"".join(b",".join(record[column] for column in order) + extra + b"\n" for record in table)


@pytest.mark.parametrize("extra", [b"", b",my notes", b",,"])
def test_columns_in_another_order_are_read_by_the_header(extra: bytes) -> None:
    data = rearranged((9, 2, 1, 0, 4, 3, 8, 7, 6, 5), extra)
    ((part, _),) = replay_batches(Reader(io.BytesIO(data)), 0, 500)
    assert part.bad_lines == ()
    assert [tuple(record)[:3] for record in part.batch.records()] == [
        ("T0", 1.0, 0), ("T1", "b", 1_000_000_000), ("T2", True, 2_000_000_000),
    ]  # fmt: skip
    assert part.batch.segments[0].origin == ORIGIN


def test_columns_in_another_order_are_read_so_where_reading_goes_on(sink: CsvSink, folder: Path) -> None:
    path = folder / "backup_20260101_000000.csv"
    path.write_bytes(rearranged((9, 2, 1, 0, 4, 3, 8, 7, 6, 5)))
    assert next(iter(sink.read(path.name, max_records=1))).batch.names == ("T0",)
    (rest,) = sink.read(path.name, from_record=1)
    assert (rest.batch.names, rest.bad_lines) == (("T1", "T2"), ())


def test_a_header_of_which_a_column_is_missing_or_twice_is_wrong() -> None:
    for order in ((9, 2, 1, 0, 4, 3, 8, 7, 6), (9, 9, 2, 1, 0, 4, 3, 8, 7, 6, 5)):
        _, bad = read(rearranged(order))
        assert "the header is not timestamp,tag_name" in bad[0].message


def test_a_file_with_semicolons_is_said_to_be_one() -> None:
    _, bad = read((HEADER + b"".join(lines(1.0, "b"))).replace(b",", b";"))
    assert [line.line for line in bad] == [1, 2, 3]
    for line in bad:
        assert "the columns are separated by semicolons, not commas" in line.message


def test_a_file_in_another_encoding_is_said_to_be_one() -> None:
    _, bad = read(HEADER + lines("운전")[0].decode().encode("cp949"))
    assert [line.line for line in bad] == [2]
    assert "it is not UTF-8; if a spreadsheet saved the file, save it as CSV UTF-8" in bad[0].message


def test_a_quoted_header_is_a_header() -> None:
    header = b",".join(b'"%s"' % column for column in HEADER.rstrip(b"\n").split(b",")) + b"\r\n"
    assert read(header + lines(1.0)[0]) == (["T0"], [])


def test_a_wrong_header_is_named_and_the_records_are_read() -> None:
    names, bad = read(b"timestamp,tag\n" + lines(1.0)[0])
    assert names == ["T0"]
    assert [line.line for line in bad] == [1]
    assert "the header is not timestamp,tag_name" in bad[0].message


def test_a_step_says_what_it_has_read() -> None:
    (record,) = lines(1.0)
    for data, steps in {
        HEADER + record + b"\n" + record[:-1]: [Step.BETWEEN, Step.WHOLE, Step.BETWEEN, Step.UNTERMINATED],
        b"tag\n" + record + b"x\n": [Step.DAMAGED, Step.WHOLE, Step.DAMAGED],
        HEADER + HEADER + b"x": [Step.BETWEEN, Step.BETWEEN, Step.TORN],
        HEADER[:-1]: [Step.TORN],
    }.items():
        reader = Reader(io.BytesIO(data))
        assert list(iter(reader.step, None)) == steps


def test_a_file_of_damage_only_gives_bad_lines_in_portions() -> None:
    parts = [part for part, _ in replay_batches(Reader(io.BytesIO(HEADER + b"x\n" * 25)), 0, 10)]
    assert [len(part.bad_lines) for part in parts] == [10, 10, 5]
    assert [part.next_record for part in parts] == [10, 20, 25]
    assert not any(part.batch for part in parts)


def test_an_empty_file_has_nothing_to_read() -> None:
    assert read(b"") == ([], [])
    assert read(HEADER) == ([], [])


def test_damaged_lines_count_as_records_so_that_reading_goes_on_at_the_right_one() -> None:
    records = lines(*range(30))
    records[7] = b"damaged\n"
    records[15] = b'"\n'
    data = HEADER + b"".join(records)
    whole = [part for part, _ in replay_batches(Reader(io.BytesIO(data)), 0, 5)]
    expected = [name for part in whole for name in part.batch.names]
    assert expected == [f"T{number}" for number in range(30) if number not in (7, 15)]
    for part in whole:
        later, _ = read(data, from_record=part.next_record)
        assert later == expected[len(expected) - len(later) :]
        done = expected[: len(expected) - len(later)]
        assert done == expected[: expected.index(part.batch.names[-1]) + 1]


def test_going_on_where_reading_stopped_does_not_read_the_beginning_again(sink: CsvSink, folder: Path) -> None:
    count = 100
    batch = Batch.of(ORIGIN, [f"T{number}" for number in range(count)], ("two\nlines",) * count, 0)
    sink.divert(batch, Diversion(DivertReason.SINK_DOWN, 0))
    sink.close()
    (file,) = sink.backlog()
    first = next(iter(sink.read(file.name, max_records=10)))
    assert first.next_record == 10
    path = folder / file.name
    data = bytearray(path.read_bytes())
    data[200:210] = b"\n" * 10  # proof: what lies before is not looked at
    saved = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(saved.st_atime_ns, saved.st_mtime_ns))
    rest = list(sink.read(file.name, from_record=10))
    assert rest[0].batch.names == batch.names[10:]
    assert rest[-1].next_record == count
    # From elsewhere the file is read through, damage included.
    assert any(part.bad_lines for part in sink.read(file.name))


@pytest.mark.parametrize(
    "name", ["", ".lock", "../x.csv", "done/backup_20260101_000000.csv", "backup_20260101_000000.csv"]
)
def test_a_file_that_is_not_in_the_backlog_is_not_read(sink: CsvSink, name: str) -> None:
    with pytest.raises(FileNotFoundError, match="no complete file"):
        list(sink.read(name))
    with pytest.raises(FileNotFoundError, match="no complete file"):
        sink.finish(name)


def test_a_file_from_elsewhere_is_read_as_it_is_and_left_as_it_is(tmp_path: Path) -> None:
    reader = agent_register_sink().backup_reader
    assert reader is not None
    path = tmp_path / "from the old machine.csv"
    data = HEADER + b"".join(lines(1.0, "b")) + b"torn,li"
    path.write_bytes(data)
    described = reader.describe(path)
    assert (described.path, described.size_bytes, described.rejected) == (path, len(data), False)
    (part,) = reader.read(path)
    assert part.batch.names == ("T0", "T1")
    assert [bad.line for bad in part.bad_lines] == [4]
    (rest,) = reader.read(path, from_record=1)
    assert rest.batch.names == ("T1",)
    assert path.read_bytes() == data


def test_rejected_records_are_known_by_the_name_of_their_file(tmp_path: Path) -> None:
    reader = agent_register_sink().backup_reader
    assert reader is not None
    for name, rejected in (("rejected_20260101_000000.csv", True), ("backup_20260101_000000.csv", False)):
        (tmp_path / name).write_bytes(HEADER)
        assert reader.describe(tmp_path / name).rejected is rejected
    with pytest.raises(FileNotFoundError):
        reader.describe(tmp_path / "nowhere.csv")


def divert_damaged(sink: CsvSink, folder: Path, count: int = 30, damaged: int = 7) -> str:
    """A complete file with one damaged line; its name."""
    sink.divert(Batch.of(ORIGIN, [f"T{n}" for n in range(count)], list(range(count)), 0), SINK_DOWN)
    sink.close()
    sink.open()
    name = sink.backlog()[-1].name
    path = folder / name
    path.write_bytes(path.read_bytes().replace(b",T%d," % damaged, b",T%d" % damaged))
    return name


def test_a_file_with_damaged_lines_is_kept_apart_and_has_no_retention(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink(done_retention_seconds=86_400.0)
    sink.open()
    damaged = divert_damaged(sink, folder)
    clock.advance(1)
    sink.divert(Batch.of(ORIGIN, ("A",), (1,), 0), SINK_DOWN)
    sink.close()
    sink.open()
    for file in sink.backlog():
        for _ in sink.read(file.name, 0, 10):
            pass
        sink.finish(file.name)
    assert [path.name for path in (folder / "damaged").iterdir()] == [damaged]
    assert [path.name for path in (folder / "done").iterdir()] == ["backup_20260101_000001.csv"]
    assert f"damaged file kept: sink=warehouse file={folder / 'damaged' / damaged}" in caplog.text
    clock.advance(10 * 86_400)
    assert sink.backlog() == []
    assert [path.name for path in (folder / "damaged").iterdir()] == [damaged]
    assert list((folder / "done").iterdir()) == []


@pytest.mark.parametrize("read_before", [0, 5, 10, 20, 30])
def test_damage_is_remembered_across_a_restart_in_the_middle_of_the_file(
    make_sink: Callable[..., CsvSink], folder: Path, read_before: int
) -> None:
    sink = make_sink()
    sink.open()
    name = divert_damaged(sink, folder)
    for part in sink.read(name, 0, 5):
        if part.next_record >= read_before:
            break
    sink.close()
    later = make_sink()
    later.open()
    for _ in later.read(name, read_before, 5):
        pass
    later.finish(name)
    assert [path.name for path in (folder / "damaged").iterdir()] == [name]


def test_damage_read_in_pieces_is_remembered(sink: CsvSink, folder: Path) -> None:
    name = divert_damaged(sink, folder)
    at = 0
    while at < 30:
        at = next(sink.read(name, at, 5)).next_record
    sink.finish(name)
    assert [path.name for path in (folder / "damaged").iterdir()] == [name]


def test_the_name_of_a_damaged_file_is_not_used_again(sink: CsvSink, folder: Path) -> None:
    name = divert_damaged(sink, folder)
    assert list(sink.read(name))
    sink.finish(name)
    assert divert_damaged(sink, folder) == "backup_20260101_000000_001.csv"


def test_the_doctor_names_files_with_damaged_lines(sink: CsvSink, folder: Path) -> None:
    name = divert_damaged(sink, folder)
    assert list(sink.read(name))
    sink.finish(name)
    (_, finding) = sink.diagnose()
    assert finding.severity is Severity.WARNING
    assert f"1 file with damaged lines in {folder / 'damaged'}" in finding.message
    assert finding.next_step is not None
    assert "tagferry replay" in finding.next_step


@pytest.mark.parametrize("end", [b"\n", b""])
def test_a_line_that_is_too_long_is_one_record_of_its_length(monkeypatch: pytest.MonkeyPatch, end: bytes) -> None:
    monkeypatch.setattr("csv_sink.format.reader.LONGEST_RECORD_BYTES", 200)
    monkeypatch.setattr("csv_sink.format.reader._PIECE_BYTES", 50)
    data = HEADER + lines(1.0)[0] + b"x" * 500 + end
    reader = Reader(io.BytesIO(data))
    assert list(iter(reader.step, None)) == [Step.BETWEEN, Step.WHOLE, Step.DAMAGED if end else Step.TORN]
    assert reader.position == Position(2, 2 + len(end), len(data), 0)
