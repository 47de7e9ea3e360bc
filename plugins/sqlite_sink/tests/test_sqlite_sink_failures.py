"""What each fault of the file or the disk means to the core, and that writing resumes afterwards."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from sqlite_sink.config import Journal, OnConflict, SqliteSinkConfig, Synchronous
from sqlite_sink.sink import SqliteSink

from agent_core.api import (
    Batch,
    ComponentContext,
    ConfigurationError,
    Origin,
    RetryableError,
    Severity,
    WriteOutcome,
)

NOON = 1_767_268_800_000_000_000
BATCH = Batch.of(Origin("line1", "PLC01", "G"), ("A", "B"), (1.0, 2.0), NOON)
CONNECT = "sqlite_sink.sink.sqlite3.connect"


def make_sink(path: Path, table: str = "TAG_DATA") -> SqliteSink:
    config = SqliteSinkConfig(path, table, Journal.WAL, Synchronous.FULL, OnConflict.KEEP, busy_timeout_seconds=0.01)
    return SqliteSink(config, ComponentContext("local", "line-1", path.parent, "sqlite_sink"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.db"


@pytest.fixture
def sink(path: Path) -> Iterator[SqliteSink]:
    sink = make_sink(path)
    yield sink
    sink.close()


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM TAG_DATA").fetchone()[0])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_the_files_are_their_owners_alone_whatever_the_umask(sink: SqliteSink, path: Path) -> None:
    before = os.umask(0)
    try:
        sink.open()
        sink.write(BATCH)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"data.db": 0o600, "data.db-wal": 0o600, "data.db-shm": 0o600}


def test_a_locked_database_is_retried(sink: SqliteSink, path: Path) -> None:
    sink.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RetryableError, match="another program has locked the database") as caught:
            sink.write(BATCH)
        assert (caught.value.throttle, caught.value.ambiguous, caught.value.code) == (False, False, "SQLITE_BUSY")
    assert sink.write(BATCH) == WriteOutcome(inserted=2)


def test_a_database_locked_at_the_start_can_be_opened_later(sink: SqliteSink, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RetryableError):
            sink.open()
    sink.open()
    assert sink.write(BATCH) == WriteOutcome(inserted=2)


def test_a_full_disk_throttles_and_leaves_nothing_of_the_batch(
    sink: SqliteSink, path: Path, mocker: MockerFixture
) -> None:
    real = sqlite3.connect

    def small(*args: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*args, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 20")
        return connection

    mocker.patch(CONNECT, small)
    big = Batch.of(Origin("line1", "PLC01", "G"), [f"T{n}" for n in range(1000)], ["x" * 200] * 1000, NOON)
    sink.open()
    sink.write(BATCH)
    with pytest.raises(RetryableError, match="disk is full") as caught:
        sink.write(big)
    assert (caught.value.throttle, caught.value.code) == (True, "SQLITE_FULL")
    assert sink.write(BATCH) == WriteOutcome(0, duplicates=2)
    assert count(path) == 2


def test_a_commit_that_fails_is_ambiguous(sink: SqliteSink, path: Path, mocker: MockerFixture) -> None:
    class Failing(sqlite3.Connection):
        def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if sql == "COMMIT" and path.stat().st_size and armed:
                armed.clear()
                super().execute(sql)
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
                raise error
            return super().execute(sql, *parameters)  # type: ignore[arg-type]

    armed: list[bool] = []
    mocker.patch(CONNECT, partial(sqlite3.connect, factory=Failing))
    sink.open()
    armed.append(True)
    with pytest.raises(RetryableError, match="the disk could not be read or written") as caught:
        sink.write(BATCH)
    assert caught.value.ambiguous
    assert sink.write(BATCH) == WriteOutcome(0, duplicates=2)


def test_a_file_that_is_not_a_database_is_a_fault_of_the_configuration(sink: SqliteSink, path: Path) -> None:
    path.write_bytes(b"name,value\n" * 1000)
    with pytest.raises(ConfigurationError, match=r"data\.db: the file is not a SQLite database"):
        sink.open()


def test_a_folder_as_path_is_a_fault_of_the_configuration(sink: SqliteSink, path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        sink.open()


def test_a_read_only_database_is_a_fault_of_the_configuration(
    sink: SqliteSink, path: Path, mocker: MockerFixture
) -> None:
    sink.open()
    sink.close()
    real = sqlite3.connect
    mocker.patch(CONNECT, lambda path, **options: real(f"{path.as_uri()}?mode=ro", uri=True, **options))
    sink.open()
    with pytest.raises(ConfigurationError, match="read-only"):
        sink.write(BATCH)
    read_only = real(f"{path.as_uri()}?mode=ro", uri=True)
    mocker.patch("sqlite_sink.diagnosis.sqlite3.connect", return_value=read_only)
    (finding,) = sink.diagnose()
    assert (finding.severity, "read-only" in finding.message) == (Severity.CRITICAL, True)


def test_a_folder_that_cannot_be_made_is_retried(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(RetryableError, match="file"):
        make_sink(tmp_path / "file" / "data.db").open()


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ("id INTEGER PRIMARY KEY, tag_name TEXT", "has no column tag_value, value_type, timestamp"),
        (
            "tag_name, tag_value, value_type, timestamp, quality, source, device, group_name",
            r"primary key is not \(timestamp, tag_name\)",
        ),
    ],
)
def test_another_table_of_that_name_is_named(sink: SqliteSink, path: Path, columns: str, complaint: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE TAG_DATA ({columns})")
    with pytest.raises(ConfigurationError, match=complaint):
        sink.open()


def test_a_table_dropped_meanwhile_is_created_again_by_the_next_write(sink: SqliteSink, path: Path) -> None:
    sink.open()
    sink.write(BATCH)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE TAG_DATA")
    with pytest.raises(ConfigurationError, match="no such table"):
        sink.write(BATCH)
    assert sink.write(BATCH) == WriteOutcome(inserted=2)


def test_a_file_replaced_meanwhile_is_noticed(sink: SqliteSink, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    sink.open()
    sink.write(BATCH)
    try:
        path.rename(path.with_name("moved.db"))
    except PermissionError:
        pytest.skip("this system does not let an open file be moved")
    assert sink.write(BATCH) == WriteOutcome(inserted=2)
    assert count(path) == 2
    assert "database file replaced: sink=local" in caplog.text


def test_a_closed_sink_refuses_a_late_write(sink: SqliteSink) -> None:
    with pytest.raises(RetryableError, match="closed"):
        sink.write(BATCH)


def test_a_journal_that_the_place_does_not_allow_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture, mocker: MockerFixture
) -> None:
    mocker.patch(CONNECT, lambda _path, **options: sqlite3.Connection(":memory:", **options))
    sink = make_sink(path)
    sink.open()
    sink.close()
    assert "journal mode refused: sink=local" in caplog.text
    assert "wanted=wal got=memory" in caplog.text


def test_the_doctor_finds_a_good_file_and_leaves_nothing_behind(sink: SqliteSink, path: Path) -> None:
    (finding,) = sink.diagnose()
    assert (finding.severity, finding.message) == (Severity.OK, "will be created")
    assert list(path.parent.iterdir()) == []
    sink.open()
    sink.close()
    before = path.read_bytes()
    (finding,) = sink.diagnose()
    assert (finding.severity, finding.message) == (Severity.OK, "writable, table TAG_DATA exists")
    assert [file.name for file in path.parent.iterdir()] == ["data.db"]
    assert path.read_bytes() == before
    (finding,) = make_sink(path, "OTHER").diagnose()
    assert finding.message == "writable, table OTHER will be created"


def test_the_doctor_finds_what_is_wrong(sink: SqliteSink, path: Path) -> None:
    sink.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE FOREIGN_ONE (a)")
        other.execute("BEGIN IMMEDIATE")
        (finding,) = sink.diagnose()
        assert (finding.severity, "locked" in finding.message) == (Severity.CRITICAL, True)
    (finding,) = make_sink(path, "FOREIGN_ONE").diagnose()
    assert (finding.severity, "has no column" in finding.message) == (Severity.CRITICAL, True)


def test_the_doctor_tries_whether_the_file_can_be_made_whoever_asks(tmp_path: Path, mocker: MockerFixture) -> None:
    file, circle, lost = tmp_path / "file", tmp_path / "circle", tmp_path / "lost"
    file.write_text("", encoding="utf-8")
    circle.symlink_to(circle)
    lost.symlink_to(file / "elsewhere.db")
    for path, message in (
        (file / "data.db", f"cannot be created: cannot write in {file}: Not a directory"),
        (file / "deep" / "data.db", f"cannot be created: cannot write in {file}: Not a directory"),
        (lost, f"cannot be created: cannot write in {file}: Not a directory"),
        (circle, "cannot be created: "),
        (tmp_path / ("x" * 300), "cannot be created: File name too long"),
        (tmp_path, "this is a folder"),
        (Path("/dev/null"), "this is not a file"),
    ):
        (finding,) = make_sink(path).diagnose()
        assert (finding.severity, finding.next_step is not None) == (Severity.CRITICAL, True), path
        assert finding.message.startswith(message), path
    mocker.patch("agent_core.api.files.folder.tempfile.TemporaryFile", side_effect=OSError(errno.EROFS, "Read-only"))
    (finding,) = make_sink(tmp_path / "new" / "data.db").diagnose()
    assert (finding.severity, finding.message) == (
        Severity.CRITICAL,
        f"cannot be created: cannot write in {tmp_path}: Read-only",
    )
