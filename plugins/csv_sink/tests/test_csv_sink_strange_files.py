"""Files that people and programs have touched: what is damage and what is not, and what a strange file costs."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from csv_sink.backup import CsvBackups
from csv_sink.files.part import salvage
from csv_sink.format.line import HEADER, LONGEST_RECORD_BYTES, UNWRITABLE, LineWriter
from csv_sink.sink import CsvSink

from agent_core.api import BackupChangedError, Batch, Diversion, DivertReason, Origin
from agent_core.testing.clock import START_NS, ManualClock

ORIGIN = Origin("line1", "PLC01", "G")
SINK_DOWN = Diversion(DivertReason.SINK_DOWN, START_NS)
MIB = 1024 * 1024


def lines(*names: str) -> list[bytes]:
    batch = Batch.of(ORIGIN, names, [1] * len(names), START_NS)
    return LineWriter().lines(batch, 0, "").splitlines(keepends=True)


def read(path: Path, from_record: int = 0, max_records: int = 500) -> tuple[list[str], list[int]]:
    """The tags of the records, and the numbers of the damaged lines."""
    parts = list(CsvBackups().read(path, from_record, max_records))
    return [name for part in parts for name in part.batch.names], [bad.line for part in parts for bad in part.bad_lines]


A, B, C = lines("A", "B", "C")
REVERSED = b",".join(reversed(HEADER.strip().split(b","))) + b"\n"


def backwards(line: bytes) -> bytes:
    return b",".join(reversed(line.strip().split(b","))) + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        [HEADER, A, b"\n", B, b"\n", b"\n", C],
        [HEADER, A, b"\r\n", b"   \n", b"\t\n", B, C, b"\r\n"],
        [b"\n", b"\n", HEADER, A, B, C],
        [b"\xef\xbb\xbf\n", HEADER, A, B, C],
        [HEADER, A, b",,,,,,,,,\n", B, C, b",,,,,,,,,\n"],
        [HEADER, A, B, C, b"\x1a"],
        [HEADER, A, B, C, b"\x1a\n"],
        [HEADER, A, HEADER, B, HEADER, C],
        [HEADER, A, b"\xef\xbb\xbf" + HEADER, B, C],
        [HEADER, A, REVERSED, backwards(B), HEADER, C],
        [HEADER, A, B, C, HEADER],
    ],
    ids=[
        "blank lines", "lines of blanks", "blank lines first", "a mark and a blank line first", "rows of empty cells",
        "Ctrl-Z at the end", "Ctrl-Z in a line of its own", "joined files", "joined files with a mark",
        "joined files of another order", "a header at the end",
    ],
)  # fmt: skip
def test_what_holds_no_record_is_no_damage(tmp_path: Path, content: list[bytes]) -> None:
    path = tmp_path / "edited.csv"
    path.write_bytes(b"".join(content))
    assert read(path) == (["A", "B", "C"], [])
    for record in range(4):
        assert read(path, record, 1) == (["A", "B", "C"][record:], []), "it counts as none, wherever reading begins"


def test_reading_goes_on_by_the_header_that_is_in_force(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    path = folder / "backup_20260101_000000.csv"
    path.write_bytes(b"".join([HEADER, A, REVERSED, backwards(B), backwards(C)]))
    found = [next(iter(sink.read(path.name, record, 1))).batch.names[0] for record in range(3)]
    assert found == ["A", "B", "C"]


def test_a_part_with_blank_lines_and_headers_is_completed_with_its_records(tmp_path: Path) -> None:
    part = tmp_path / "backup_20260101_000000.csv.part"
    part.write_bytes(b"".join([HEADER, A, b"\n", HEADER, B, b"torn,li"]))
    salvaged = salvage(part)
    assert (salvaged.records, salvaged.torn_bytes) == (2, 7)
    assert salvaged.path is not None
    assert read(salvaged.path) == (["A", "B"], [])


@pytest.mark.parametrize("suffix", [".csv", ".csv.part"])
def test_a_folder_with_a_backups_name_is_no_backup(
    make_sink: Callable[..., CsvSink], folder: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / f"backup_20250101_000000{suffix}").mkdir(parents=True)
    sink = make_sink()
    sink.open()
    sink.divert(Batch.of(ORIGIN, ("A",), (1,), START_NS), SINK_DOWN)
    sink.close()
    assert [file.name for file in sink.backlog()] == ["backup_20260101_000000.csv"]
    assert not caplog.records


# ---- a line without an end


@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("quote", [b"", b'"'])
def test_a_line_without_an_end_is_one_damaged_line_in_bounded_memory(tmp_path: Path, ended: bool, quote: bytes) -> None:
    path = tmp_path / "zeros.csv"
    with path.open("wb") as file:
        file.write(HEADER + A + quote)
        file.truncate(len(HEADER) + len(A) + 64 * MIB)
        file.seek(0, os.SEEK_END)
        if ended:
            file.write(b"\n" + B)
    tracemalloc.start()
    try:
        found = read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == (["A", "B"] if ended else ["A"], [3])
    assert peak < 5 * LONGEST_RECORD_BYTES


def test_a_part_that_ends_in_zeros_is_cut_behind_its_last_record(tmp_path: Path) -> None:
    part = tmp_path / "backup_20260101_000000.csv.part"
    with part.open("wb") as file:
        file.write(HEADER + A)
        file.truncate(len(HEADER) + len(A) + 2 * LONGEST_RECORD_BYTES)
    salvaged = salvage(part)
    assert (salvaged.records, salvaged.torn_bytes) == (1, 2 * LONGEST_RECORD_BYTES)


def test_large_records_are_read_in_small_batches(tmp_path: Path) -> None:
    path = tmp_path / "large.csv"
    batch = Batch.of(ORIGIN, [f"T{number}" for number in range(12)], ["x" * (LONGEST_RECORD_BYTES // 2)] * 12, START_NS)
    path.write_bytes(HEADER + LineWriter().lines(batch, 0, ""))
    sizes = [len(part.batch) for part in CsvBackups().read(path)]
    assert sum(sizes) == 12
    assert max(sizes) <= 5


# ---- what makes no line


class Unprintable(float):
    """A value whose own method fails."""

    def __float__(self) -> float:
        raise ArithmeticError("no float")


def test_a_record_that_makes_no_line_costs_no_other_its_place(sink: CsvSink, clock: ManualClock) -> None:
    values = (1, Unprintable(), "x" * LONGEST_RECORD_BYTES, 4)
    batch = Batch.of(ORIGIN, ("A", "B", "C", "D"), values, START_NS)
    outcome = sink.write(batch)
    assert outcome.inserted == 2
    assert [(rejection.position, rejection.code) for rejection in outcome.rejected] == [
        (1, UNWRITABLE),
        (2, UNWRITABLE),
    ]
    details = ("one", "two", "three", "four")
    refused = sink.divert(batch, Diversion(DivertReason.REJECTED, START_NS, details))
    assert [rejection.position for rejection in refused] == [1, 2]
    clock.advance(60)
    backup, rejected = sink.backlog()
    assert [part.batch.names for part in sink.read(backup.name)] == [("A", "D")]
    assert rejected.path is not None
    assert [line.rpartition(",")[2] for line in rejected.path.read_text(encoding="utf-8").splitlines()[1:]] == [
        "rejected: one", "rejected: four",
    ]  # fmt: skip


# ---- a file that is saved while it is read


@pytest.fixture
def backup(sink: CsvSink, folder: Path, clock: ManualClock) -> Path:
    """A file of 100 records that waits."""
    sink.divert(Batch.of(ORIGIN, [f"T{number:03d}" for number in range(100)], range(100), START_NS), SINK_DOWN)
    clock.advance(60)
    (file,) = sink.backlog()
    assert file.path is not None
    return file.path


def in_place(path: Path) -> None:
    """As a text editor or a spreadsheet saves: the same file, rewritten with one more record."""
    with path.open("r+b") as file:
        kept = file.read().splitlines(keepends=True)
        file.seek(0)
        file.truncate()
        file.writelines([kept[0], *lines("NEW"), *kept[1:]])


def under_its_name(path: Path) -> None:
    """As other editors do: another file takes the name."""
    new = path.with_name("new")
    new.write_bytes(path.read_bytes())
    new.replace(path)


def of_the_same_length(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"T050", b"X050"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))


@pytest.mark.parametrize("save", [in_place, under_its_name, of_the_same_length])
def test_a_file_that_is_saved_while_it_is_read_is_read_again(
    sink: CsvSink, backup: Path, save: Callable[[Path], None]
) -> None:
    reading = sink.read(backup.name, 0, 10)
    next(reading)
    save(backup)
    with pytest.raises(BackupChangedError, match="changed while it was read"):
        list(reading)
    parts = list(sink.read(backup.name, 0, 10))
    assert [name for part in parts for name in part.batch.names] == read(backup)[0]
    assert not any(part.bad_lines for part in parts)
    sink.finish(backup.name)
    assert (backup.parent / "done" / backup.name).exists()


def test_lines_that_only_the_saving_tore_are_not_reported(sink: CsvSink, backup: Path) -> None:
    reading = sink.read(backup.name, 0, 10)
    next(reading)
    backup.write_bytes(HEADER + b"half a li" * 4000 + b"\n")
    with pytest.raises(BackupChangedError):
        assert not any(part.bad_lines for part in reading)
    backup.write_bytes(HEADER + A)
    assert [part.batch.names for part in sink.read(backup.name)] == [("A",)]
    sink.finish(backup.name)
    assert not (backup.parent / "damaged").exists()


@pytest.mark.parametrize("save", [in_place, under_its_name, of_the_same_length])
def test_a_file_that_is_saved_after_it_was_read_is_not_finished(
    sink: CsvSink, backup: Path, save: Callable[[Path], None]
) -> None:
    list(sink.read(backup.name))
    save(backup)
    with pytest.raises(BackupChangedError):
        sink.finish(backup.name)
    assert backup.exists()
    (file,) = sink.backlog()
    list(sink.read(file.name))
    sink.finish(file.name)


def test_reading_does_not_go_on_in_a_file_that_was_saved_in_between(sink: CsvSink, backup: Path) -> None:
    next(iter(sink.read(backup.name, 0, 10)))
    in_place(backup)
    with pytest.raises(BackupChangedError):
        next(iter(sink.read(backup.name, 10, 10)))


def test_a_file_from_elsewhere_that_is_saved_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "copy.csv"
    path.write_bytes(HEADER + b"".join(lines(*(f"T{number}" for number in range(100)))))
    reading = CsvBackups().read(path, 0, 10)
    next(reading)
    in_place(path)
    with pytest.raises(BackupChangedError):
        list(reading)


def test_a_damaged_line_of_a_file_that_was_saved_meanwhile_is_not_given(tmp_path: Path) -> None:
    path = tmp_path / "backup_20260101_000000.csv"
    path.write_bytes(HEADER + A + B + b"garbage\n" + C)
    parts = CsvBackups().read(path, max_records=1)
    for _ in range(2):
        assert not next(parts).bad_lines
    os.utime(path, ns=(1, 1))
    with pytest.raises(BackupChangedError):
        next(parts)


def test_a_file_that_was_saved_since_it_was_completed_is_not_read_from_its_middle(sink: CsvSink, folder: Path) -> None:
    sink.write(Batch.of(ORIGIN, ("A", "B"), (1, 2), 0))
    sink.complete()
    (path,) = folder.glob("*.csv")
    os.utime(path, ns=(1, 1))
    with pytest.raises(BackupChangedError):
        next(iter(sink.read(path.name, 1)))
