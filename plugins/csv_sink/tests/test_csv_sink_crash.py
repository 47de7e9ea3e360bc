"""What is left after a write failed half way, the disk was full, or the process died."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from csv_sink.files.part import Salvaged, salvage
from csv_sink.format.line import HEADER, LineWriter
from csv_sink.sink import CsvSink
from pytest_mock import MockerFixture

from agent_core.api import Batch, Diversion, DivertReason, Origin, RetryableError
from agent_core.testing.clock import START_NS, ManualClock

ORIGIN = Origin("line1", "PLC01", "G")
SINK_DOWN = Diversion(DivertReason.SINK_DOWN, START_NS)
NAME = "backup_20260101_000000.csv"


def batch(number: int, count: int = 3) -> Batch:
    """Rows named after their number, one of them over two physical lines."""
    values = ('two\n"lines"', 1.5, None, *range(count - 3))
    return Batch.of(ORIGIN, [f"B{number}R{record}" for record in range(count)], values, START_NS + number)


def names_in(sink: CsvSink) -> list[str]:
    """All records of the backlog; none of its lines is damaged."""
    parts = [part for file in sink.backlog() for part in sink.read(file.name)]
    assert [part.bad_lines for part in parts] == [()] * len(parts)
    return [name for part in parts for name in part.batch.names]


def names_of(*batches: Batch) -> list[str]:
    return [name for one in batches for name in one.names]


class Disk:
    """Files of the sink on a disk that takes ``free`` more bytes; a write that does not fit is done in part."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.free: int | None = None
        self.truncates = True
        disk = self

        class File(io.FileIO):
            def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
                if disk.free is None:
                    return super().write(data)
                if not disk.free:
                    raise OSError(errno.ENOSPC, "No space left on device")
                written = super().write(bytes(data)[: disk.free])
                disk.free -= written
                return written

            def truncate(self, size: int | None = None, /) -> int:
                if not disk.truncates:
                    raise OSError(errno.EIO, "Input/output error")
                return super().truncate(size)

        mocker.patch("csv_sink.files.disk.FileIO", File)


@pytest.fixture
def disk(mocker: MockerFixture) -> Disk:
    return Disk(mocker)


@pytest.mark.parametrize("free", [0, 1, 100, 200, 350])
def test_a_disk_that_fills_up_half_way_leaves_a_file_that_reads_back(sink: CsvSink, disk: Disk, free: int) -> None:
    sink.divert(batch(1), SINK_DOWN)
    disk.free = free
    with pytest.raises(RetryableError, match="disk is full") as caught:
        sink.divert(batch(2, 20), SINK_DOWN)
    assert (caught.value.throttle, caught.value.code) == (True, "ENOSPC")
    disk.free = None
    sink.divert(batch(3), SINK_DOWN)
    sink.close()
    assert names_in(sink) == names_of(batch(1), batch(3))


def test_a_first_write_that_fails_leaves_no_file(sink: CsvSink, disk: Disk, folder: Path) -> None:
    disk.free = 150
    with pytest.raises(RetryableError):
        sink.divert(batch(1), SINK_DOWN)
    sink.close()
    assert sorted(path.name for path in folder.iterdir()) == [".id", ".lock"]


def test_a_file_that_cannot_even_be_cut_back_is_set_aside_and_salvaged(
    sink: CsvSink, disk: Disk, folder: Path, clock: ManualClock
) -> None:
    sink.divert(batch(1), SINK_DOWN)
    disk.free, disk.truncates = 100, False
    with pytest.raises(RetryableError, match="Input/output error"):
        sink.divert(batch(2), SINK_DOWN)
    disk.free, disk.truncates = None, True
    sink.divert(batch(3), SINK_DOWN)
    assert sink.stock().backup_records == 6
    assert sorted(path.name for path in folder.glob("*.part")) == [f"{NAME}.part", f"{NAME[:-4]}_001.csv.part"]
    clock.advance(60)
    assert names_in(sink) == names_of(batch(1), batch(3))


def test_records_whose_flush_failed_are_written_anew(sink: CsvSink, folder: Path, mocker: MockerFixture) -> None:
    sink.divert(batch(1), SINK_DOWN)
    real, failures = os.fsync, [OSError(errno.EIO, "Input/output error")]
    flushed: list[int] = []

    def fsync(descriptor: int) -> None:
        if failures:
            raise failures.pop()
        real(descriptor)
        flushed.append(os.fstat(descriptor).st_size)

    mocker.patch("os.fsync", fsync)
    (part,) = folder.glob("*.part")
    size_bytes = part.stat().st_size
    with pytest.raises(RetryableError) as caught:
        sink.divert(batch(2), SINK_DOWN)
    assert (caught.value.throttle, caught.value.code) == (False, "EIO")
    assert flushed == [size_bytes], "what was cut off does not come back after a power cut"
    sink.divert(batch(2), SINK_DOWN)
    sink.close()
    assert names_in(sink) == names_of(batch(1), batch(2))


@pytest.mark.skipif(sys.platform == "win32", reason="a limit of the file size is a matter of POSIX")
def test_a_real_file_system_that_ends_within_a_write_is_survived(sink: CsvSink) -> None:
    import resource

    sink.divert(batch(1), SINK_DOWN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(RetryableError) as caught:
            sink.divert(batch(2, 500), SINK_DOWN)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.throttle
    sink.divert(batch(3), SINK_DOWN)
    sink.close()
    assert names_in(sink) == names_of(batch(1), batch(3))


def test_a_rename_that_fails_does_not_fail_the_records_and_is_made_up_for(
    make_sink: Callable[..., CsvSink], folder: Path, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink(max_file_size_bytes=1)
    sink.open()
    rename = mocker.patch("pathlib.Path.rename", side_effect=PermissionError(errno.EACCES, "in use by a scanner"))
    sink.divert(batch(1), SINK_DOWN)
    assert "backup file not completed: sink=warehouse" in caplog.text
    for _ in range(3):
        assert sink.backlog() == []
    assert caplog.text.count("backup file not salvaged") == 1
    mocker.stop(rename)
    assert names_in(sink) == names_of(batch(1))


def test_what_could_not_be_completed_is_taken_up_once_when_the_folder_is_opened_again(
    sink: CsvSink, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    sink.divert(batch(1), SINK_DOWN)
    rename = mocker.patch("pathlib.Path.rename", side_effect=PermissionError(errno.EACCES, "in use by a scanner"))
    sink.close()
    mocker.stop(rename)
    sink.open()
    assert names_in(sink) == names_of(batch(1))
    assert "not salvaged" not in caplog.text


def test_a_part_torn_at_any_byte_keeps_each_whole_record_and_nothing_else(tmp_path: Path) -> None:
    records = [
        LineWriter().lines(batch(1).slice(record, record + 1), 0, 'a "reason",\nwith all') for record in range(3)
    ]
    data = HEADER + b"".join(records)
    ends = [len(HEADER) + sum(map(len, records[:count])) for count in range(4)]
    for size in range(len(data) + 1):
        path = tmp_path / f"{size}.csv.part"
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends[1:])
        salvaged = salvage(path)
        assert salvaged.records == whole
        assert not path.exists()
        if whole:
            assert salvaged.path is not None
            assert salvaged.path.read_bytes() == data[: ends[whole]]
            assert salvaged.torn_bytes == size - ends[whole]
        else:
            assert salvaged.path is None


@pytest.mark.parametrize("garbage", [b"\x00" * 500, b"\x00" * 500 + b"\n\x00", b'"' * 77, b"2026-01-01T00:00:00.0"])
def test_garbage_at_the_end_costs_no_record(tmp_path: Path, garbage: bytes) -> None:
    whole = HEADER + LineWriter().lines(batch(1), 0, "")
    path = tmp_path / f"{NAME}.part"
    path.write_bytes(whole + garbage)
    assert salvage(path).records == 3
    assert (tmp_path / NAME).read_bytes().startswith(whole)


@pytest.mark.parametrize(("good", "bad"), [(b"float", b'fl"at'), (b"B1R0", b'B1R\x00"')])
def test_damage_in_the_middle_never_costs_the_records_behind_it(tmp_path: Path, good: bytes, bad: bytes) -> None:
    path = tmp_path / f"{NAME}.part"
    data = HEADER + LineWriter().lines(batch(1), 0, "").replace(good, bad) + LineWriter().lines(batch(2), 0, "")
    path.write_bytes(data)
    assert salvage(path).torn_bytes == 0
    assert (tmp_path / NAME).read_bytes() == data


def test_parts_of_a_dead_process_are_completed_when_the_folder_is_opened(
    make_sink: Callable[..., CsvSink], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    lines = LineWriter().lines(batch(1), 0, "")
    (folder / f"{NAME}.part").write_bytes(HEADER + lines + lines[:50])
    (folder / "rejected_20260101_000000.csv.part").write_bytes(HEADER[:20])
    sink = make_sink()
    with caplog.at_level("INFO"):
        sink.open()
    assert [(file.name, file.records) for file in sink.backlog()] == [(NAME, 3)]
    assert names_in(sink) == names_of(batch(1))
    assert "records=3 torn_bytes=50" in caplog.text
    assert list(folder.glob("*.part")) == []


WRITER = """
import itertools, logging, sys, pathlib
from agent_core.api import *
from csv_sink.config import CsvSinkConfig
from csv_sink.sink import CsvSink
folder = pathlib.Path(sys.argv[1])
context = ComponentContext("warehouse", "a", folder, "csv_sink")
sink = CsvSink(CsvSinkConfig(folder, 20_000, 60.0, 0, 1.0), context)
sink.open()
for number in itertools.count():
    names = [f"B{number}R{record}" for record in range(50)]
    sink.divert(Batch.of(Origin("s", "d", "g"), names, ("x\\ny",) * 50, number), Diversion(DivertReason.SINK_DOWN, 0))
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_loses_no_record_that_it_was_told_is_safe(
    make_sink: Callable[..., CsvSink], tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "backup")],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if int(line) >= 20:
                writer.kill()
                break
        accepted = [int(line), *map(int, writer.stdout.read().split())]
    sink = make_sink()
    sink.open()
    found = names_in(sink)
    safe = [f"B{number}R{record}" for number in range(max(accepted) + 1) for record in range(50)]
    assert found[: len(safe)] == safe
    assert len(found) - len(safe) in range(51)


@pytest.mark.parametrize("data", [HEADER[:-5], HEADER, b""])
def test_a_part_without_a_record_is_deleted_and_said_to_have_none(tmp_path: Path, data: bytes) -> None:
    part = tmp_path / f"{NAME}.part"
    part.write_bytes(data)
    torn_bytes = 0 if data == HEADER else len(data)
    assert salvage(part) == Salvaged(None, 0, 0, torn_bytes)
    assert list(tmp_path.iterdir()) == []
