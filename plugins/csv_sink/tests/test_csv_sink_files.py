"""The files of a sink: their text, names, sizes, ages and rights; the lock; what happens to replayed ones."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from csv_sink.files import disk
from csv_sink.files.folder import Folder
from csv_sink.files.memory import FolderMemory
from csv_sink.files.part import Part, salvage
from csv_sink.sink import CsvSink
from pytest_mock import MockerFixture

from agent_core.api import (
    BAD,
    GOOD,
    Batch,
    Diversion,
    DivertReason,
    FolderProbe,
    Origin,
    RetryableError,
    Severity,
)
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fakes import batch_of

ORIGIN = Origin("line1", "PLC01", "LINE1_PROCESS1")
BATCH = Batch.of(ORIGIN, ("TEMP_1", "RUN"), (21.5, True), START_NS)
SINK_DOWN = Diversion(DivertReason.SINK_DOWN, START_NS)
REJECTED = Diversion(DivertReason.REJECTED, START_NS)
POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name not in (".lock", ".holder", ".id"))


def test_a_file_reads_like_this(sink: CsvSink, folder: Path) -> None:
    batch = Batch.of(
        ORIGIN, ("TEMP_1", "=TAG", "STATE"), (21.5, "운전, 중", None), START_NS + 1, bytes((GOOD, GOOD, BAD))
    )
    sink.divert(batch, Diversion(DivertReason.RETRIES_EXHAUSTED, START_NS + 1_500_000_000))
    sink.close()
    assert (folder / "backup_20260101_000000.csv").read_text(encoding="utf-8") == (
        "timestamp,tag_name,tag_value,value_type,quality,source,device,group,insertion_attempt_time,reason\n"
        "2026-01-01T00:00:00.000000001Z,TEMP_1,21.5,float,GOOD,line1,PLC01,LINE1_PROCESS1,"
        "2026-01-01T00:00:01.500000000Z,retries_exhausted\n"
        '2026-01-01T00:00:00.000000001Z,\'=TAG,"운전, 중",str,GOOD,line1,PLC01,LINE1_PROCESS1,'
        "2026-01-01T00:00:01.500000000Z,retries_exhausted\n"
        "2026-01-01T00:00:00.000000001Z,STATE,,null,BAD,line1,PLC01,LINE1_PROCESS1,"
        "2026-01-01T00:00:01.500000000Z,retries_exhausted\n"
    )


def test_rejected_records_have_a_file_of_their_own_with_the_reason_of_each(sink: CsvSink, folder: Path) -> None:
    sink.divert(BATCH, SINK_DOWN)
    details = ("ORA-12899: value too large, maximum: 255", "ORA-01438")
    sink.divert(BATCH, Diversion(DivertReason.REJECTED, START_NS, details))
    sink.close()
    assert names(folder) == ["backup_20260101_000000.csv", "rejected_20260101_000000.csv"]
    lines = (folder / "rejected_20260101_000000.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1].endswith(',"rejected: ORA-12899: value too large, maximum: 255"')
    assert lines[2].endswith(",rejected: ORA-01438")


def test_a_record_written_as_to_any_sink_has_no_reason(sink: CsvSink, folder: Path) -> None:
    sink.write(BATCH)
    sink.close()
    lines = (folder / "backup_20260101_000000.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1].endswith(",2026-01-01T00:00:00.000000000Z,")


def test_records_are_on_disk_when_divert_returns(sink: CsvSink, folder: Path, mocker: MockerFixture) -> None:
    fsync = mocker.spy(os, "fsync")
    sink.divert(BATCH, SINK_DOWN)
    assert fsync.call_count == (1 if os.name == "nt" else 2)  # the file and, for its new name, the folder
    sink.divert(BATCH, SINK_DOWN)
    assert fsync.call_count == (2 if os.name == "nt" else 3)
    (part,) = folder.glob("*.part")
    assert part.read_bytes().count(b"\n") == 5


@POSIX
def test_each_step_of_a_file_is_durable_before_the_next(
    sink: CsvSink, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    rename = Path.rename

    def note_sync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    def note_rename(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "rename", note_rename)
    sink.divert(BATCH, SINK_DOWN)
    sink.close()
    assert steps == ["file", "folder", "rename", "folder"]
    [file] = folder.glob("backup_*.csv")
    torn = rename(file, file.with_suffix(".csv.part"))
    with torn.open("ab") as stream:
        stream.write(b"2026-01-01T00")
    steps.clear()
    assert salvage(torn).torn_bytes == 13
    assert steps == ["file", "rename", "folder"]


def test_a_file_is_completed_at_its_size(make_sink: Callable[..., CsvSink], folder: Path) -> None:
    sink = make_sink(max_file_size_bytes=300)
    sink.open()
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder) == ["backup_20260101_000000.csv"]
    sink.divert(BATCH, SINK_DOWN)
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder) == [
        "backup_20260101_000000.csv", "backup_20260101_000000_001.csv", "backup_20260101_000000_002.csv",
    ]  # fmt: skip
    assert [file.records for file in sink.backlog()] == [2, 2, 2]


def test_a_file_is_completed_at_its_age_by_the_next_write(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    sink.divert(BATCH, SINK_DOWN)
    clock.advance(59.9)
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder) == ["backup_20260101_000000.csv.part"]
    clock.advance(0.2)
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder) == ["backup_20260101_000000.csv", "backup_20260101_000100.csv.part"]


def test_a_file_without_new_records_is_completed_by_a_look_at_the_backlog(sink: CsvSink, clock: ManualClock) -> None:
    sink.divert(BATCH, SINK_DOWN)
    assert sink.backlog() == []
    clock.advance(60)
    (file,) = sink.backlog()
    assert (file.name, file.records, file.rejected) == ("backup_20260101_000000.csv", 2, False)
    assert file.size_bytes > 200


def test_while_a_file_of_rejected_records_waits_further_ones_gather_for_a_day(
    sink: CsvSink, folder: Path, clock: ManualClock
) -> None:
    for _ in range(3 * 144):
        sink.divert(BATCH, REJECTED)
        clock.advance(600)
        sink.backlog()
    stamps = [file.name for file in sink.backlog()]
    assert stamps == [
        "rejected_20260101_000000.csv", "rejected_20260101_001000.csv", "rejected_20260102_001000.csv",
    ]  # fmt: skip
    assert names(folder) == [*stamps, "rejected_20260103_001000.csv.part"]


def test_once_the_waiting_file_of_rejected_records_is_replayed_the_next_one_can_be(
    sink: CsvSink, folder: Path, clock: ManualClock
) -> None:
    sink.divert(BATCH, REJECTED)
    clock.advance(60)
    (first,) = sink.backlog()
    for _ in range(10):
        sink.divert(BATCH, REJECTED)
        clock.advance(60)
        assert sink.backlog() == [first]
    sink.finish(first.name)
    (second,) = sink.backlog()
    assert (second.rejected, second.records) == (True, 20)


def test_a_file_of_rejected_records_is_completed_at_its_size_though_another_one_waits(
    make_sink: Callable[..., CsvSink],
) -> None:
    sink = make_sink(max_file_size_bytes=300)
    sink.open()
    for _ in range(3):
        sink.divert(BATCH, REJECTED)
    assert [file.records for file in sink.backlog()] == [2, 2, 2]


def test_records_that_wait_for_replay_are_completed_at_their_age_beside_rejected_ones(
    sink: CsvSink, clock: ManualClock
) -> None:
    for _ in range(2):
        sink.divert(BATCH, REJECTED)
        sink.divert(BATCH, SINK_DOWN)
        clock.advance(60)
        sink.backlog()
    assert [(file.name[:6], file.records) for file in sink.backlog()] == [
        ("backup", 2), ("reject", 2), ("backup", 2),
    ]  # fmt: skip


def test_a_slow_look_at_the_folder_keeps_no_record_waiting(
    sink: CsvSink, clock: ManualClock, mocker: MockerFixture
) -> None:
    sink.divert(BATCH, SINK_DOWN)
    clock.advance(7200)  # the file is old, and so is the last look at done
    real, looks = Path.iterdir, 0

    def iterdir(folder: Path) -> Iterator[Path]:
        nonlocal looks
        looks += 1
        thread = threading.Thread(target=sink.divert, args=(BATCH, SINK_DOWN), daemon=True)
        thread.start()
        thread.join(60)
        assert not thread.is_alive(), "divert waits for the look"
        return real(folder)

    mocker.patch.object(Path, "iterdir", iterdir)
    sink.backlog()
    assert looks


def test_a_new_file_is_begun_without_a_look_at_the_folder(
    sink: CsvSink, clock: ManualClock, mocker: MockerFixture
) -> None:
    mocker.patch.object(Path, "iterdir", side_effect=AssertionError("listed"))
    for _ in range(2):
        sink.divert(BATCH, SINK_DOWN)
        clock.advance(60)
        sink.divert(BATCH, REJECTED)


def test_a_replayed_file_takes_the_place_of_no_other(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    name = replayed(sink, clock)
    copy = (folder / "done" / name).read_bytes() + b"restored\n"
    (folder / name).write_bytes(copy)
    sink.finish(name)
    assert names(folder / "done") == [name, "backup_20260101_000000_001.csv"]
    assert (folder / "done" / name).read_bytes() != copy
    assert (folder / "done" / "backup_20260101_000000_001.csv").read_bytes() == copy
    (folder / name).write_bytes(copy)
    sink.finish(name)
    assert len(names(folder / "done")) == 3


def test_a_file_that_is_completed_takes_the_place_of_no_other(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    sink.divert(BATCH, SINK_DOWN)
    name = "backup_20260101_000000.csv"
    (folder / name).write_bytes(b"restored\n")
    clock.advance(60)
    (restored,) = sink.backlog()
    sink.finish(restored.name)
    assert (folder / "done" / name).read_bytes() == b"restored\n"
    (written,) = sink.backlog()
    assert (written.name, written.records) == (name, 2)
    sink.finish(written.name)
    assert names(folder / "done") == [name, "backup_20260101_000000_001.csv"]


def test_files_are_listed_by_age_even_beyond_number_999(sink: CsvSink, folder: Path) -> None:
    stamps = [
        "20251231_235959_001",
        "20260101_000000",
        "20260101_000000_999",
        "20260101_000000_1000",
        "20260101_000001",
    ]
    for stamp in reversed(stamps):
        (folder / f"backup_{stamp}.csv").touch()
    (folder / "notes.csv").touch()
    listed = [file.name.removeprefix("backup_").removesuffix(".csv") for file in sink.backlog()]
    assert listed == stamps


def test_a_name_is_not_used_again_while_a_replayed_file_has_it(sink: CsvSink, folder: Path) -> None:
    sink.divert(BATCH, SINK_DOWN)
    sink.close()
    sink.open()
    sink.finish("backup_20260101_000000.csv")
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder) == ["backup_20260101_000000_001.csv.part", "done"]


def test_without_open_the_backlog_can_be_looked_at_but_not_changed(
    sink: CsvSink, make_sink: Callable[..., CsvSink], clock: ManualClock
) -> None:
    sink.divert(BATCH, SINK_DOWN)
    other = make_sink()
    clock.advance(60)
    assert other.backlog() == []
    sink.close()
    (file,) = other.backlog()
    assert file.records == 2
    assert [part.batch for part in other.read(file.name)] == [BATCH.select((0, 1))]
    with pytest.raises(RetryableError, match="not open"):
        other.finish(file.name)
    with pytest.raises(RetryableError, match="not open"):
        other.divert(BATCH, SINK_DOWN)


def test_there_is_no_backlog_where_there_is_no_folder(make_sink: Callable[..., CsvSink]) -> None:
    assert make_sink().backlog() == []


def test_replayed_files_are_deleted_when_their_retention_is_over(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink(done_retention_seconds=86_400.0)
    sink.open()
    sink.divert(BATCH, SINK_DOWN)
    clock.advance(86_400)
    (file,) = sink.backlog()
    sink.finish(file.name)
    clock.advance(86_399)
    sink.backlog()
    assert names(folder / "done") == [file.name]
    with caplog.at_level("INFO"):
        clock.advance(3600)
        sink.backlog()
    assert names(folder / "done") == []
    assert "replayed file deleted: sink=warehouse" in caplog.text


def test_a_replayed_file_that_cannot_be_deleted_protects_no_other(
    make_sink: Callable[..., CsvSink],
    folder: Path,
    clock: ManualClock,
    mocker: MockerFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = make_sink(done_retention_seconds=86_400.0)
    sink.open()
    oldest, *_ = [replayed(sink, clock) for _ in range(3)]
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == oldest:
            raise PermissionError(errno.EACCES, "in use by a spreadsheet")
        real(path, missing_ok)

    mocker.patch.object(Path, "unlink", unlink)
    clock.advance(2 * 86_400)
    sink.backlog()
    assert names(folder / "done") == [oldest]
    assert f"replayed file not deleted: sink=warehouse file={folder / 'done' / oldest} error=" in caplog.text


def test_a_folder_of_replayed_files_that_cannot_be_listed_is_said(
    sink: CsvSink, folder: Path, clock: ManualClock, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    mocker.patch.object(Folder, "replayed", side_effect=OSError(errno.EIO, "Input/output error"))
    clock.advance(3600)
    sink.backlog()
    assert f"replayed file not deleted: sink=warehouse file={folder / 'done'} error=" in caplog.text


class SmallDisk:
    """A disk that holds ``size`` bytes, of which only the files of the folder take any."""

    def __init__(self, mocker: MockerFixture, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = size
        mocker.patch("csv_sink.files.disk.shutil.disk_usage", self.usage)

    def usage(self, _: Path) -> SimpleNamespace:
        return SimpleNamespace(free=self.free)

    @property
    def free(self) -> int:
        return self.size - sum(path.stat().st_size for path in self.folder.rglob("*.csv*"))


def replayed(sink: CsvSink, clock: ManualClock, diversion: Diversion = SINK_DOWN) -> str:
    """One more file in ``done``; its name."""
    sink.divert(BATCH, diversion)
    clock.advance(60)
    name = sink.backlog()[-1].name
    sink.finish(name)
    return name


def test_before_live_records_are_refused_the_oldest_replayed_files_go(
    make_sink: Callable[..., CsvSink],
    folder: Path,
    clock: ManualClock,
    mocker: MockerFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = make_sink(min_free_disk_bytes=1000)
    sink.open()
    sink.divert(BATCH, REJECTED)
    clock.advance(60)
    sink.backlog()
    done = [replayed(sink, clock) for _ in range(4)]
    (rejected,) = sink.backlog()
    disk = SmallDisk(mocker, folder, 0)
    disk.size = 1000 - disk.free + 10  # ten bytes fewer and nothing could be written
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder / "done") == done[1:], "no more than needed"
    assert disk.free >= 1000
    sink.divert(BATCH, SINK_DOWN)
    sink.divert(BATCH, SINK_DOWN)
    assert [file.name for file in sink.backlog()] == [rejected.name]
    assert caplog.text.count("replayed files deleted early") == 1
    clock.advance(60)
    (_, waiting) = sink.backlog()
    while names(folder / "done"):
        sink.divert(BATCH, SINK_DOWN)
    disk.size -= max(0, disk.free - 1000)
    with pytest.raises(RetryableError, match="min_free_disk"):
        sink.divert(BATCH, SINK_DOWN)
    assert [file.name for file in sink.backlog()] == [rejected.name, waiting.name], "records that are nowhere else stay"
    early = [record for record in caplog.records if "deleted early" in record.message]
    assert len(early) == 2, "once a minute"
    assert "files=3 " in early[1].message, "with those in between"


def test_the_longest_replayed_goes_first_whatever_its_name(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock, mocker: MockerFixture
) -> None:
    sink = make_sink(min_free_disk_bytes=1000)
    sink.open()
    for _ in range(2):
        sink.divert(BATCH, SINK_DOWN)
        clock.advance(60)
    older, newer = (file.name for file in sink.backlog())
    sink.finish(newer)
    clock.advance(60)
    sink.finish(older)
    disk = SmallDisk(mocker, folder, 0)
    disk.size = 1010 - disk.free
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder / "done") == [older]


def test_a_quota_that_is_used_up_costs_replayed_files_too(
    sink: CsvSink, folder: Path, clock: ManualClock, mocker: MockerFixture
) -> None:
    done = [replayed(sink, clock) for _ in range(2)]
    sink.divert(BATCH, SINK_DOWN)
    real, refusals = Part.append, [OSError(errno.EDQUOT, "Disk quota exceeded")]

    def append(part: Part, lines: bytes, records: int) -> None:
        if refusals:
            raise refusals.pop()
        real(part, lines, records)

    mocker.patch.object(Part, "append", append)
    sink.divert(BATCH, SINK_DOWN)
    assert names(folder / "done") == done[1:]
    clock.advance(60)
    assert [file.records for file in sink.backlog()] == [4], "the records that made room are there"


@POSIX
def test_files_and_folders_belong_to_their_owner_alone(sink: CsvSink, folder: Path) -> None:
    sink.divert(BATCH, SINK_DOWN)
    sink.divert(BATCH, REJECTED)
    sink.close()
    sink.open()
    sink.finish("backup_20260101_000000.csv")
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.parent.rglob("*")}
    assert modes == {
        "warehouse": 0o700,
        ".lock": 0o600,
        ".holder": 0o600,
        ".id": 0o600,
        "done": 0o700,
        "backup_20260101_000000.csv": 0o600,
        "rejected_20260101_000000.csv": 0o600,
    }
    assert folder.parent.stat().st_mode & 0o777 == 0o700


def test_records_that_would_fill_the_disk_are_refused(make_sink: Callable[..., CsvSink], folder: Path) -> None:
    sink = make_sink(min_free_disk_bytes=2**60)
    sink.open()
    with pytest.raises(RetryableError, match="min_free_disk") as caught:
        sink.divert(BATCH, SINK_DOWN)
    assert (caught.value.throttle, caught.value.code) == (True, "MIN_FREE_DISK")
    sink.close()
    assert names(folder) == []


def test_a_folder_in_use_is_refused_and_names_the_process(sink: CsvSink, make_sink: Callable[..., CsvSink]) -> None:
    other = make_sink()
    with pytest.raises(RetryableError, match=rf"warehouse is in use by process {os.getpid()}; stop it"):
        other.open()
    sink.close()
    other.open()
    other.divert(BATCH, SINK_DOWN)


def test_the_lock_dies_with_its_process(make_sink: Callable[..., CsvSink], folder: Path) -> None:
    folder.mkdir(parents=True)
    script = (
        "import sys, pathlib; from csv_sink.files.lock import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); lock.acquire(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        sink = make_sink()
        with pytest.raises(RetryableError, match=f"process {holder.pid}"):
            sink.open()
        holder.kill()
        holder.wait()
    sink.open()


@POSIX
def test_a_folder_removed_meanwhile_is_made_and_locked_anew(
    sink: CsvSink, make_sink: Callable[..., CsvSink], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sink.divert(BATCH, SINK_DOWN)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    sink.divert(BATCH, SINK_DOWN)
    assert "backup file missing: sink=warehouse" in caplog.text
    with pytest.raises(RetryableError, match="in use"):
        make_sink().open()
    sink.close()
    assert names(folder) == ["backup_20260101_000000.csv"]


def test_the_doctor_measures_and_leaves_nothing_behind(
    make_sink: Callable[..., CsvSink], folder: Path, tmp_path: Path
) -> None:
    sink = make_sink()
    (finding,) = sink.diagnose()
    assert (finding.severity, "writable" in finding.message) == (Severity.OK, True)
    assert list(tmp_path.iterdir()) == []
    sink.open()
    sink.divert(BATCH, SINK_DOWN)
    sink.divert(BATCH, REJECTED)
    sink.close()
    sink.open()
    sink.divert(BATCH, SINK_DOWN)
    before = names(folder)
    findings = list(sink.diagnose())
    assert [finding.severity for finding in findings] == [Severity.OK, Severity.WARNING, Severity.WARNING]
    assert findings[1].message.startswith("4 records in files that wait for replay (2 files, "), "the open one included"
    assert findings[2].message.startswith("2 records rejected for their content (1 file, ")
    assert names(folder) == before


MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("free", "severity", "message"),
    [
        (MIB - 1, Severity.CRITICAL, "no record can be stored"),
        (MIB + 50_000, Severity.CRITICAL, "no record can be stored"),
        (MIB + 200_000, Severity.WARNING, "room for 1,428 records"),
        (2 * MIB - 1, Severity.WARNING, "room for 7,489 records"),
        (2 * MIB, Severity.OK, "writable, 2 MiB free"),
    ],
)
def test_the_doctor_warns_before_a_record_is_refused(
    make_sink: Callable[..., CsvSink], mocker: MockerFixture, free: int, severity: Severity, message: str
) -> None:
    mocker.patch("csv_sink.diagnosis.probe_folder", return_value=FolderProbe(Path(), free))
    (finding,) = make_sink(min_free_disk_bytes=MIB).diagnose()
    assert finding.severity is severity
    assert message in finding.message
    assert (finding.next_step is None) is (severity is Severity.OK)


def test_what_the_doctor_calls_ok_takes_a_batch(
    make_sink: Callable[..., CsvSink], folder: Path, mocker: MockerFixture
) -> None:
    sink = make_sink(min_free_disk_bytes=1000)
    sink.open()
    SmallDisk(mocker, folder, 1010)
    with pytest.raises(RetryableError, match="min_free_disk"):
        sink.divert(BATCH, SINK_DOWN)
    (finding,) = sink.diagnose()
    assert finding.severity is Severity.CRITICAL


def test_the_doctor_says_when_replayed_files_are_deleted_early(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock, mocker: MockerFixture
) -> None:
    sink = make_sink(min_free_disk_bytes=1000)
    sink.open()
    sink.divert(Batch.of(ORIGIN, ("TEXT",), ("x" * 200_000,), START_NS), SINK_DOWN)
    clock.advance(60)
    (file,) = sink.backlog()
    sink.finish(file.name)
    SmallDisk(mocker, folder, 201_000)
    (finding,) = sink.diagnose()
    assert (finding.severity, "deleted early" in finding.message) == (Severity.WARNING, True)


def test_the_doctor_names_a_place_that_cannot_be_written(make_sink: Callable[..., CsvSink], tmp_path: Path) -> None:
    (tmp_path / "backup").write_text("", encoding="utf-8")
    (finding,) = make_sink().diagnose()
    assert (finding.severity, "cannot write" in finding.message) == (Severity.CRITICAL, True)


def test_the_open_file_of_good_records_can_be_completed_early(sink: CsvSink) -> None:
    assert not sink.complete()
    sink.divert(batch_of(1), Diversion(DivertReason.SINK_DOWN, START_NS))
    sink.divert(batch_of(2), Diversion(DivertReason.REJECTED, START_NS, ("no",)))
    assert sink.complete()
    assert not sink.complete()
    assert [(file.records, file.rejected) for file in sink.backlog() if not file.rejected] == [(1, False)]


def test_a_move_is_made_durable_where_the_file_is_now_and_where_it_was(
    sink: CsvSink, folder: Path, clock: ManualClock, mocker: MockerFixture
) -> None:
    sync = mocker.spy(disk, "sync_folder")
    replayed(sink, clock)
    assert [call.args for call in sync.call_args_list][-2:] == [(folder / "done",), (folder,)]


def test_nothing_is_kept_in_memory_for_a_file_that_has_left(sink: CsvSink, clock: ManualClock) -> None:
    for leave in (sink.finish, sink.discard):
        sink.divert(BATCH, SINK_DOWN)
        clock.advance(60)
        (file,) = sink.backlog()
        list(sink.read(file.name))
        leave(file.name)
        assert sink._readings == {}


@POSIX
def test_no_descriptor_stays_open_for_a_file_that_is_complete(sink: CsvSink, clock: ManualClock) -> None:
    descriptors = Path("/dev/fd")
    before = len(list(descriptors.iterdir()))
    for _ in range(5):
        replayed(sink, clock)
    assert len(list(descriptors.iterdir())) <= before


def test_what_waits_is_noted_when_it_has_changed_and_once_a_minute(
    sink: CsvSink, clock: ManualClock, tmp_path: Path, mocker: MockerFixture
) -> None:
    sink.backlog()
    kept = mocker.spy(FolderMemory, "keep")
    for seconds, noted in ((0, []), (59.0, []), (1.0, [4]), (60.0, []), (60.0, [])):
        if seconds in (0, 59.0):
            sink.divert(BATCH, SINK_DOWN)
        clock.advance(seconds)
        sink.backlog()
        assert [call.args[1] for call in kept.call_args_list] == noted
        kept.reset_mock()
    sink.close()
    kept.reset_mock()
    clock.advance(3600.0)
    sink.backlog()
    assert not kept.called, "another process may have the folder now"
