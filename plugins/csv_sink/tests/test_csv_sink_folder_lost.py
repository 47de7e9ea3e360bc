"""A folder that goes away, or cannot be used, while the sink is open: what is written once it is back, what is said.

Every record is counted: what ``divert`` accepted is in the files once, what it refused is in none.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from csv_sink.files.failure import translated
from csv_sink.files.lock import FolderLock, holder
from csv_sink.files.part import Part, Salvaged, salvage
from csv_sink.sink import CsvSink
from pytest_mock import MockerFixture

from agent_core.api import Batch, Diversion, DivertReason, Origin, RetryableError, Severity
from agent_core.testing.clock import START_NS, ManualClock

ORIGIN = Origin("line1", "PLC01", "G")
SINK_DOWN = Diversion(DivertReason.SINK_DOWN, START_NS)
ERRNOS = (
    errno.EACCES, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EIO, errno.ENOSPC, errno.ENOENT,
    errno.ENOTDIR, errno.ENXIO, errno.EDQUOT, errno.ENOLCK, errno.ENODEV,
)  # fmt: skip

LOCK_CALL = "fcntl.flock" if os.name == "posix" else "msvcrt.locking"


def batch(number: int, count: int = 3) -> Batch:
    return Batch.of(ORIGIN, [f"B{number}R{record}" for record in range(count)], range(count), START_NS + number)


def accepted(sink: CsvSink, number: int) -> bool:
    """Whether the sink took batch ``number``. Only a RetryableError says that it did not."""
    try:
        sink.divert(batch(number), SINK_DOWN)
    except RetryableError:
        return False
    return True


def stored(sink: CsvSink, clock: ManualClock) -> list[str]:
    """The names of all records that a replay would read, sorted; no line is damaged."""
    clock.advance(3600)
    parts = [part for file in sink.backlog() for part in sink.read(file.name)]
    assert not any(part.bad_lines for part in parts)
    return sorted(name for part in parts for name in part.batch.names)


def names_of(*numbers: int) -> list[str]:
    return sorted(name for number in numbers for name in batch(number).names)


@pytest.fixture(params=["a file in its place", "a file in the place of the folder above", "gone", "another folder"])
def lose(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Callable[[], Callable[[], None]]:
    """Takes the folder away, as a mount that ends does; returns what brings it back."""
    lost, above = tmp_path / "lost", folder.parent

    def away() -> Callable[[], None]:
        moved = above if "above" in request.param or request.param == "gone" else folder
        moved.rename(lost)
        if "file" in request.param:
            moved.write_text("in the way", encoding="utf-8")
        elif request.param == "another folder":
            moved.mkdir()

        def back() -> None:
            if moved.is_dir():
                shutil.rmtree(moved)
            else:
                moved.unlink(missing_ok=True)
            lost.rename(moved)

        return back

    return away


def test_what_was_written_before_the_folder_was_lost_and_after_it_came_back_is_replayed(
    sink: CsvSink, clock: ManualClock, lose: Callable[[], Callable[[], None]]
) -> None:
    assert accepted(sink, 1)
    back = lose()
    accepted(sink, 2)  # into another folder, or into none
    accepted(sink, 3)
    back()
    assert accepted(sink, 4), "the first try after it is back"
    assert stored(sink, clock) == names_of(1, 4), "the open file of before was adopted, its records are there once"


def test_a_folder_that_is_back_before_anything_was_written_costs_nothing(
    sink: CsvSink, clock: ManualClock, lose: Callable[[], Callable[[], None]]
) -> None:
    assert accepted(sink, 1)
    lose()()
    assert accepted(sink, 2)
    assert stored(sink, clock) == names_of(1, 2)


def test_the_open_file_is_adopted_although_no_more_records_come(
    sink: CsvSink, clock: ManualClock, folder: Path, tmp_path: Path
) -> None:
    assert accepted(sink, 1)
    folder.rename(tmp_path / "lost")
    folder.write_text("in the way", encoding="utf-8")
    assert not accepted(sink, 2)
    with pytest.raises(RetryableError, match="ENOTDIR"):
        sink.backlog()
    folder.unlink()
    (tmp_path / "lost").rename(folder)
    assert stored(sink, clock) == names_of(1)


@pytest.mark.parametrize("call", ["os.fsync", "os.open", "os.mkdir", LOCK_CALL, "csv_sink.files.part.os.fstat"])
@pytest.mark.parametrize("begun", [False, True], ids=["first file", "open file"])
def test_whatever_call_fails_with_whatever_errno_the_next_try_works(
    sink: CsvSink, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, folder: Path, call: str, begun: bool
) -> None:
    kept: list[int] = []
    for number in ERRNOS:

        def fail(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        first = 1000 * number
        if begun:
            kept += [attempt for attempt in (first,) if accepted(sink, attempt)]
        with monkeypatch.context() as patch:
            if call in ("os.mkdir", LOCK_CALL):  # they are called only when the folder is taken again
                shutil.rmtree(folder)
                kept.clear()
            patch.setattr(call, fail)
            kept += [attempt for attempt in (first + 1,) if accepted(sink, attempt)]
        assert accepted(sink, first + 2), "the fault is over"
        kept.append(first + 2)
        if not begun:
            clock.advance(3600)
            sink.backlog()
    assert stored(sink, clock) == names_of(*kept)


def test_a_fault_while_the_folder_is_lost_leaves_no_lock_that_only_seems_to_be_held(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    lock.acquire()
    fcntl = pytest.importorskip("fcntl", reason="Windows locks otherwise")
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if operation & fcntl.LOCK_UN:
            raise OSError(errno.ESTALE, "Stale file handle")
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        lock.release()
    assert not lock.held


def test_a_file_system_without_locks_is_an_error_of_the_file_system(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    monkeypatch.setattr(lock._lock, "acquire", lambda **_: (_ for _ in ()).throw(NotImplementedError))
    with pytest.raises(OSError, match="no locks"):
        lock.acquire()


def test_an_open_file_that_cannot_be_looked_at_now_is_not_taken_for_missing(
    sink: CsvSink, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert accepted(sink, 1)
    real = Path.stat

    def stat(path: Path, **more: bool) -> os.stat_result:
        if path.name.endswith(".part"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", stat)
        assert not accepted(sink, 2)
    assert accepted(sink, 3)
    assert "backup file missing" not in caplog.text
    assert stored(sink, clock) == names_of(1, 3)


def test_a_file_that_cannot_even_be_closed_is_adopted_later(
    sink: CsvSink, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert accepted(sink, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Part, "in_place", property(lambda _: False))
        assert accepted(sink, 2)
    assert accepted(sink, 3)
    assert stored(sink, clock) == names_of(1, 2, 3)


def left_by_a_kill(make_sink: Callable[..., CsvSink], folder: Path, *numbers: int) -> None:
    """A file that is not complete for each batch."""
    for number in numbers:
        killed = make_sink()
        killed.open()
        assert accepted(killed, number)
        killed.close()
    for number, complete in zip(numbers, sorted(folder.glob("backup_*.csv")), strict=True):
        complete.rename(folder / f"backup_2025010{number}_000000.csv.part")


def test_a_folder_whose_files_cannot_be_listed_is_not_taken_and_the_next_try_finds_them(
    make_sink: Callable[..., CsvSink], clock: ManualClock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_by_a_kill(make_sink, folder, 1)
    sink = make_sink()

    def fail(_: Path) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "iterdir", fail)
        with pytest.raises(RetryableError, match="EMFILE"):
            sink.open()
    sink.open()
    assert stored(sink, clock) == names_of(1)


def test_a_file_that_is_taken_away_as_soon_as_it_is_complete_costs_no_other_its_turn(
    make_sink: Callable[..., CsvSink], clock: ManualClock, folder: Path, mocker: MockerFixture
) -> None:
    left_by_a_kill(make_sink, folder, 1, 2)

    def take_away(path: Path) -> Salvaged:
        salvaged = salvage(path)
        if salvaged.path is not None and salvaged.path.name.startswith("backup_20250101"):
            salvaged.path.unlink()
        return salvaged

    mocker.patch("csv_sink.files.appender.salvage", take_away)
    sink = make_sink()
    sink.open()
    assert stored(sink, clock) == names_of(2)
    assert sink.stock().backup_records == 3


# ---- another folder than the last time


def replace(folder: Path, tmp_path: Path) -> None:
    """As when its disk is mounted late: an empty folder of the same name lies below the mount."""
    folder.parent.rename(tmp_path / "not mounted")


def test_a_folder_that_is_not_the_one_of_the_last_run_is_said_at_the_start(
    make_sink: Callable[..., CsvSink], folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_sink()
    first.open()
    accepted(first, 1)
    first.backlog()
    first.close()
    replace(folder, tmp_path)
    second = make_sink()
    second.open()
    assert (
        f"backup folder replaced: sink=warehouse folder={folder} previous_folder={folder} waiting_records=3"
        in caplog.text
    )
    assert "mount the previous disk before the agent starts" in caplog.text
    (advice,) = second.advice()
    assert (advice.severity, "where 3 records waited" in advice.message) == (Severity.WARNING, True)
    second.close()
    caplog.clear()
    third = make_sink()
    third.open()
    assert ("replaced" in caplog.text, third.advice()) == (False, ()), "it is said once"


def test_one_record_is_said_as_one(make_sink: Callable[..., CsvSink], folder: Path, tmp_path: Path) -> None:
    first = make_sink()
    first.open()
    first.write(batch(1, count=1))
    first.close()
    replace(folder, tmp_path)
    second = make_sink()
    second.open()
    assert f"({folder}, where 1 record waited)" in second.advice()[0].message


def test_a_sink_and_its_fallback_each_know_their_own_folder(
    make_sink: Callable[..., CsvSink], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        primary, fallback = make_sink(directory=tmp_path / "primary"), make_sink(directory=tmp_path / "fallback")
        for sink in (primary, fallback):
            sink.open()
            accepted(sink, 1)
        assert (primary.advice(), fallback.advice()) == ((), ())
        primary.close()
        fallback.close()
    assert "replaced" not in caplog.text


def test_a_folder_with_another_name_is_said_too(
    make_sink: Callable[..., CsvSink], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = make_sink(directory=tmp_path / "before")
    first.open()
    accepted(first, 1)
    first.close()
    second = make_sink(directory=tmp_path / "now")
    second.open()
    assert f"previous_folder={tmp_path / 'before' / 'warehouse'} waiting_records=3" in caplog.text
    second.close()
    caplog.clear()
    make_sink(directory=tmp_path / "now").open()
    assert "replaced" not in caplog.text, "it is said once"


def test_the_same_folder_on_another_device_is_the_same_folder(
    make_sink: Callable[..., CsvSink], folder: Path, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    first = make_sink()
    first.open()
    accepted(first, 1)
    first.close()
    shutil.copytree(folder, tmp_path / "copy")
    shutil.rmtree(folder)
    (tmp_path / "copy").rename(folder)
    make_sink().open()
    assert "replaced" not in caplog.text


def test_a_folder_that_is_lost_and_replaced_while_the_sink_is_open_is_said_too(
    sink: CsvSink, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    accepted(sink, 1)
    replace(folder, tmp_path)
    accepted(sink, 2)
    accepted(sink, 3)
    assert "backup file missing: sink=warehouse" in caplog.text
    assert "waiting_records=3" in caplog.text, "in the folder that is gone"
    assert sink.stock().backup_records == 6
    shutil.move(folder.parent, tmp_path / "below the mount")
    (tmp_path / "not mounted").rename(folder.parent)
    accepted(sink, 4)
    assert "waiting_records=6" in caplog.text, "in the folder that lies below the one that is back"
    (advice,) = sink.advice()
    assert "where 6 records waited" in advice.message
    sink.backlog()
    assert sink.stock().backup_records == 6, "the file of before was adopted"


def test_a_state_directory_that_cannot_be_written_costs_no_record(
    make_sink: Callable[..., CsvSink], clock: ManualClock, tmp_path: Path
) -> None:
    (tmp_path / "csv_sink").write_text("in the way", encoding="utf-8")
    sink = make_sink()
    sink.open()
    assert accepted(sink, 1)
    assert stored(sink, clock) == names_of(1)


# ---- the doctor


def severities(sink: CsvSink) -> list[Severity]:
    return [finding.severity for finding in sink.diagnose()]


def test_the_doctor_calls_no_folder_ok_that_is_gone(
    sink: CsvSink, make_sink: Callable[..., CsvSink], folder: Path, tmp_path: Path
) -> None:
    accepted(sink, 1)
    replace(folder, tmp_path)
    assert severities(make_sink())[0] is Severity.CRITICAL
    folder.mkdir(parents=True)
    (first, *_) = make_sink().diagnose()
    assert (first.severity, "not the folder that was used last" in first.message) == (Severity.WARNING, True)


def test_the_doctor_says_what_waited_in_a_folder_that_is_gone(sink: CsvSink, folder: Path) -> None:
    assert accepted(sink, 1)
    shutil.rmtree(folder.parent)
    folder.parent.write_text("in the way", encoding="utf-8")
    assert not accepted(sink, 2)
    (first, *_) = sink.diagnose()
    assert "when it was used last, 3 records waited in it" in first.message


def test_the_doctor_calls_no_folder_gone_that_is_only_named_for_the_first_time(
    sink: CsvSink, make_sink: Callable[..., CsvSink], tmp_path: Path
) -> None:
    accepted(sink, 1)
    sink.close()
    (first, *_) = make_sink(directory=tmp_path / "another").diagnose()
    assert first.severity is Severity.WARNING
    assert "not the folder that was used last" in first.message


def test_the_doctor_calls_no_folder_ok_that_is_a_file(sink: CsvSink, folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("in the way", encoding="utf-8")
    assert Severity.OK not in severities(sink)
    assert Severity.CRITICAL in severities(sink)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EMFILE, errno.ESTALE])
def test_the_doctor_calls_no_folder_ok_whose_lock_cannot_be_opened(
    sink: CsvSink, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    real = os.open

    def fail(path: os.PathLike[str] | str, flags: int, mode: int = 0o777, **more: int) -> int:
        if os.fspath(path).endswith(".lock"):
            raise OSError(number, os.strerror(number))
        return real(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", fail)
    assert severities(sink) == [Severity.CRITICAL]


def test_the_doctor_changes_nothing_in_a_running_agents_folder(
    sink: CsvSink, make_sink: Callable[..., CsvSink], clock: ManualClock
) -> None:
    accepted(sink, 1)
    assert severities(make_sink()) == [Severity.OK, Severity.WARNING], "and one batch waits"
    assert accepted(sink, 2)
    assert stored(sink, clock) == names_of(1, 2)


def test_a_disk_that_is_full_for_a_while_costs_what_did_not_fit_and_nothing_else(
    sink: CsvSink, clock: ManualClock, mocker: MockerFixture
) -> None:
    real, full = Part.append, True

    def append(part: Part, lines: bytes, records: int) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(part, lines, records)

    mocker.patch.object(Part, "append", append)
    kept = [number for number in range(3) if accepted(sink, number)]
    full = False
    kept += [number for number in range(3, 6) if accepted(sink, number)]
    assert kept == [3, 4, 5]
    assert stored(sink, clock) == names_of(*kept)


def test_a_holder_that_is_no_text_is_read_all_the_same(tmp_path: Path) -> None:
    (tmp_path / ".holder").write_bytes(b"\xff4711\n")
    assert holder(tmp_path) == "\ufffd4711"


def test_a_lock_that_cannot_be_looked_at_is_not_held(folder: Path, mocker: MockerFixture) -> None:
    folder.mkdir(parents=True)
    lock = FolderLock(folder)
    assert not lock.in_place
    mocker.patch.object(FolderLock, "_stat", side_effect=OSError(errno.EIO, "Input/output error"))
    with pytest.raises(OSError, match="Input/output"):
        lock.acquire()
    assert not lock.held


@pytest.mark.parametrize(
    ("error", "message", "code", "throttle"),
    [
        (OSError("odd"), "FOLDER: odd (OSError)", "OSError", False),
        (OSError(errno.EIO, "Input/output error", "f"), "f: Input/output error (EIO)", "EIO", False),
        (OSError(errno.EDQUOT, "Quota"), "FOLDER: the disk is full; free space (EDQUOT)", "EDQUOT", True),
        (OSError(errno.EFBIG, "Large"), "FOLDER: the disk is full; free space (EFBIG)", "EFBIG", True),
    ],
)
def test_an_error_of_the_file_system_says_what_and_where(
    error: OSError, message: str, code: str, throttle: bool
) -> None:
    with pytest.raises(RetryableError) as raised, translated(Path("FOLDER")):
        raise error
    assert (str(raised.value), raised.value.code, raised.value.throttle) == (message, code, throttle)
