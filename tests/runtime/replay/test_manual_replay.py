"""``tagferry replay`` below the command: files into a sink, looked at first, stopped anywhere and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from csv_sink.sink import CsvSink
from pytest_mock import MockerFixture
from sqlite_sink.sink import SqliteSink

from agent_core.api import Batch, ReplayRefused, RetryableError, SystemClock, WriteOutcome
from agent_core.runtime.replay.file import FileLedger, backlog_key
from agent_core.runtime.replay.file_replay import ReplayInterrupted
from agent_core.runtime.replay.manual_replay import ManualReplay
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.record_filter import RecordFilter
from agent_core.runtime.replay.report import ReplayEnd, ReplayProgress, ReplayResult
from agent_core.runtime.state_lock import state_lock
from agent_core.testing.clock import START_NS

from ..backups import SECOND_NS, YAML, Place, ask, ignore, names, rows


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def amounts(ledger: FileLedger) -> dict[str, int]:
    """What is not 0."""
    accounts = ("read", "inserted", "duplicates", "rejected", "skipped", "remaining", "bad_lines")
    return {name: getattr(ledger, name) for name in accounts if getattr(ledger, name)}


def assert_balanced(result: ReplayResult) -> None:
    assert all(file.balanced for file in result.files), result.files


def test_the_backlog_is_previewed_written_and_moved_away(place: Place) -> None:
    place.divert(rows(0, 25), rows(100, 12))
    preview = place.preview()
    assert [(file.file.name, file.start, file.records, file.wanted) for file in preview.files] == [
        ("backup_20260101_000000.csv", 0, 25, 25),
        ("backup_20260101_000000_001.csv", 0, 12, 12),
    ]
    assert (preview.files[0].oldest_ns, preview.files[0].newest_ns) == (START_NS, START_NS + 24 * SECOND_NS)
    assert not (place.folder / "data.db").exists(), "a preview contacts no sink"

    result = place.replay()
    assert result.end is ReplayEnd.COMPLETE
    assert amounts(result.total) == {"read": 37, "inserted": 37}
    assert place.table() == sorted(names(0, 25) + names(100, 12))
    assert place.waiting() == []
    assert len(list((place.backup / "done").iterdir())) == 2
    assert place.preview().files == ()
    assert_balanced(result)


def test_rows_that_the_sink_has_are_recognised(place: Place) -> None:
    place.divert(rows(0, 20))
    place.replay()
    result = place.replay(ask(place.backup / "done" / "backup_20260101_000000.csv"))
    assert amounts(result.total) == {"read": 20, "duplicates": 20}
    assert place.table() == names(0, 20)


def test_a_file_from_elsewhere_is_written_and_left_as_it_is(place: Place, tmp_path: Path) -> None:
    [path] = place.divert(rows(0, 25), folder=tmp_path / "other machine")
    before = path.read_bytes()
    result = place.replay(ask(path))
    assert amounts(result.total) == {"read": 25, "inserted": 25}
    assert path.read_bytes() == before
    assert not result.files[0].own
    assert not place.backup.exists(), "the fallback is not touched"


def test_a_file_of_the_backlog_named_by_its_path_is_moved_away_too(place: Place) -> None:
    first, second = place.divert(rows(0, 5), rows(10, 5))
    result = place.replay(ask(second))
    assert result.files[0].moved
    assert place.table() == names(10, 5)
    assert place.waiting() == [first.name]


def test_a_sink_without_a_fallback_takes_files_too(tmp_path: Path) -> None:
    yaml = "".join(line for line in YAML.splitlines(keepends=True) if "fallback" not in line)
    place = Place(tmp_path, yaml)
    [path] = place.divert(rows(0, 5), folder=tmp_path / "other")
    assert amounts(place.replay(ask(path)).total) == {"read": 5, "inserted": 5}
    with pytest.raises(ReplayRefused, match="no sink has a fallback whose backlog"):
        place.preview()


def test_what_the_filter_passes_over_stays_in_the_backlog(place: Place) -> None:
    place.divert(rows(0, 20), rows(100, 5))
    middle = RecordFilter(from_ns=START_NS + 5 * SECOND_NS, to_ns=START_NS + 103 * SECOND_NS, tags=("T1*", "T7"))
    result = place.replay(ask(records=middle))
    assert amounts(result.total) == {"read": 25, "inserted": 14, "skipped": 11}
    assert place.table() == sorted([*names(10, 10), "T7", *names(100, 3)])
    assert len(place.waiting()) == 2
    assert amounts(place.replay().total) == {"read": 25, "inserted": 11, "duplicates": 14}
    assert place.waiting() == []


def test_a_filter_that_every_row_passes_leaves_nothing_behind(place: Place) -> None:
    place.divert(rows(0, 20))
    assert place.replay(ask(records=RecordFilter(tags=("T*",)))).files[0].moved
    assert place.waiting() == []


def test_a_filter_that_no_row_passes_contacts_no_sink(place: Place) -> None:
    place.divert(rows(0, 20))
    result = place.replay(ask(records=RecordFilter(tags=("X",))))
    assert amounts(result.total) == {"read": 20, "skipped": 20}
    assert not (place.folder / "data.db").exists()
    assert len(place.waiting()) == 1


def test_rows_older_than_the_retention_are_not_brought_back(place: Place) -> None:
    place.divert(rows(-90, 100))
    result = place.replay(ask(records=RecordFilter(not_older_than_seconds=30)))
    assert amounts(result.total) == {"read": 100, "inserted": 40, "skipped": 60}
    assert place.table() == names(-30, 40)


class Interruption:
    """Ends a replay at its ``after``-th step without giving it a chance."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.steps = 0

    def __call__(self, progress: ReplayProgress) -> None:
        self.steps += 1
        if self.steps == self.after:
            raise KeyboardInterrupt


def test_a_stopped_replay_goes_on_where_it_ended(place: Place) -> None:
    place.divert(rows(0, 100), rows(100, 100))
    with place.replaying() as replaying:
        preview = replaying.preview(ignore)
        stopped = replaying.run(preview, lambda progress: replaying.request_stop() if progress.records >= 130 else None)
    assert stopped.end is ReplayEnd.INTERRUPTED
    assert amounts(stopped.total) == {"read": 200, "inserted": 130, "remaining": 70}
    assert stopped.files[1].next_record == 30
    assert [file.moved for file in stopped.files] == [True, False]
    assert_balanced(stopped)

    with place.replaying() as replaying:
        preview = replaying.preview(ignore)
        assert [(file.start, file.records) for file in preview.files] == [(30, 70)]
        assert amounts(replaying.run(preview, ignore).total) == {"read": 70, "inserted": 70}
    assert place.table() == names(0, 200)


def test_a_replayed_file_that_is_put_back_is_replayed_whole(place: Place) -> None:
    [path] = place.divert(rows(0, 30))
    place.replay()
    (place.folder / "data.db").unlink()
    (place.backup / "done" / path.name).rename(path)
    assert amounts(place.replay().total) == {"read": 30, "inserted": 30}


def test_the_agent_goes_on_where_a_stopped_replay_ended_and_the_other_way_round(place: Place) -> None:
    place.divert(rows(0, 100))
    with place.replaying() as replaying:
        preview = replaying.preview(ignore)
        replaying.run(preview, lambda progress: replaying.request_stop() if progress.records >= 50 else None)
    [file] = place.csv().backlog()
    position = ReplayPosition(place.folder / "state" / "replay" / "local.json")
    assert position.next_record(backlog_key(file)) == 50
    position.keep(backlog_key(file), 90)
    assert place.preview().files[0].start == 90


def test_a_file_that_somebody_edited_meanwhile_is_read_from_its_first_row(place: Place) -> None:
    [path] = place.divert(rows(0, 100))
    mended = path.read_bytes()
    path.write_bytes(mended.replace(b",T7,", b",T7"))
    with place.replaying() as replaying:
        preview = replaying.preview(ignore)
        replaying.run(preview, lambda progress: replaying.request_stop() if progress.records >= 50 else None)
    path.write_bytes(mended)
    assert amounts(place.replay().total) == {"read": 100, "inserted": 50, "duplicates": 50}
    assert place.table() == names(0, 100)


@pytest.mark.parametrize("after", range(1, 6))
def test_whatever_kills_it_each_row_is_there_once_in_the_end(place: Place, tmp_path: Path, after: int) -> None:
    paths = place.divert(rows(0, 25), rows(25, 25), folder=tmp_path / "other")
    for wanted in (RecordFilter(), RecordFilter(from_ns=START_NS)):
        with pytest.raises(KeyboardInterrupt), place.replaying(ask(*paths, records=wanted)) as replaying:
            replaying.run(replaying.preview(ignore), Interruption(after))
        result = place.replay(ask(*paths, records=wanted))
        assert result.end is ReplayEnd.COMPLETE
        assert place.table() == names(0, 50)


def test_a_complete_replay_starts_over_when_it_is_asked_for_again(place: Place, tmp_path: Path) -> None:
    paths = place.divert(rows(0, 25), rows(25, 25), folder=tmp_path / "other")
    with place.replaying(ask(*paths)) as replaying:
        preview = replaying.preview(ignore)
        replaying.run(preview, lambda progress: replaying.request_stop() if progress.number == 2 else None)
    assert [file.start for file in place.preview(ask(*paths)).files] == [25, 10]
    assert [file.start for file in place.preview(ask(*paths, restart=True)).files] == [0, 0]
    assert amounts(place.replay(ask(*paths)).total) == {"read": 15, "inserted": 15}
    assert amounts(place.replay(ask(*paths)).total) == {"read": 50, "duplicates": 50}


def test_a_file_that_has_changed_is_read_from_its_beginning(place: Place, tmp_path: Path) -> None:
    [path] = place.divert(rows(0, 25), folder=tmp_path / "other")
    with place.replaying(ask(path)) as replaying:
        preview = replaying.preview(ignore)
        replaying.run(preview, lambda progress: replaying.request_stop())
    assert place.preview(ask(path)).files[0].start > 0
    path.write_bytes(path.read_bytes() + b"one more line\n")
    assert place.preview(ask(path)).files[0].start == 0


def test_a_lost_position_costs_time_only(place: Place) -> None:
    place.divert(rows(0, 100))
    with place.replaying() as replaying:
        preview = replaying.preview(ignore)
        replaying.run(preview, lambda progress: replaying.request_stop() if progress.records >= 50 else None)
    (place.folder / "state" / "replay" / "local.json").write_text("{torn", encoding="utf-8")
    assert amounts(place.replay().total) == {"read": 100, "inserted": 50, "duplicates": 50}


def test_damaged_lines_are_named_and_the_good_rows_go_in(place: Place) -> None:
    [path] = place.divert(rows(0, 30))
    lines = path.read_bytes().splitlines(keepends=True)
    good, lines[3] = lines[3].rstrip(), b"damaged\n"
    lines[17] = lines[17].replace(b"int", b'"nt')
    path.write_bytes(b"".join(lines))
    [file] = place.preview().files
    assert [bad.line for bad in file.bad_lines] == [4, 18]
    assert (file.records, file.bad_line_count) == (28, 2)
    result = place.replay()
    assert amounts(result.total) == {"read": 28, "inserted": 28, "bad_lines": 2}
    assert result.files[0].moved
    assert place.table() == sorted(set(names(0, 30)) - {"T2", "T16"})
    kept = place.backup / "damaged" / path.name
    kept.write_bytes(kept.read_bytes().replace(b"damaged", good).replace(b'"nt', b"int"))
    assert amounts(place.replay(ask(kept)).total) == {"read": 30, "inserted": 2, "duplicates": 28}, "mended by hand"


def test_a_damaged_file_is_kept_apart_after_a_stop_in_the_middle(place: Place) -> None:
    [path] = place.divert(rows(0, 100))
    path.write_bytes(path.read_bytes().replace(b",T2,", b",T2"))
    with place.replaying() as replaying:
        preview = replaying.preview(ignore)
        replaying.run(preview, lambda progress: replaying.request_stop() if progress.records >= 50 else None)
    assert place.replay().total.bad_lines == 0, "the damage lies before the place where it goes on"
    assert [kept.name for kept in (place.backup / "damaged").iterdir()] == [path.name]


def test_a_file_that_is_no_backup_at_all_is_not_kept_in_memory(place: Place, tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(b"x\n" * 50_000)
    [file] = place.preview(ask(path)).files
    assert (file.records, file.bad_line_count, len(file.bad_lines)) == (0, 50_000, 1000)


def test_rows_that_the_sink_refuses_go_to_the_rejected_file_once(place: Place) -> None:
    place.divert(rows(0, 5, "first"))
    place.replay()
    place.divert(rows(0, 10, "second"))
    result = place.replay()
    assert amounts(result.total) == {"read": 10, "inserted": 5, "rejected": 5}
    assert result.rejected_codes == {"CONFLICT": 5}
    assert [Path(file).name for file in result.rejected_files] == place.waiting("rejected")
    assert place.waiting() == []
    assert "the table has 'first'" in Path(result.rejected_files[0]).read_text(encoding="utf-8")
    preview = place.preview()
    assert preview.files == ()
    assert preview.left_out == tuple(place.waiting("rejected")), "they do not come back by themselves"


def test_rejected_rows_go_in_on_demand_once_the_cause_is_mended(place: Place) -> None:
    place.divert(rows(0, 5), rejected=True)
    result = place.replay(ask(rejected=True))
    assert amounts(result.total) == {"read": 5, "inserted": 5}
    assert place.waiting("rejected") == []


def test_rejected_rows_that_are_refused_again_are_kept_once_not_twice(place: Place) -> None:
    place.divert(rows(0, 5, "first"))
    place.replay()
    place.divert(rows(0, 5, "second"), rejected=True)
    for _ in range(3):
        result = place.replay(ask(rejected=True))
        assert amounts(result.total) == {"read": 5, "rejected": 5}
        assert len(place.waiting("rejected")) == 1


def test_rejected_rows_that_cannot_be_stored_stop_it_before_they_are_passed_over(
    place: Place, mocker: MockerFixture
) -> None:
    place.divert(rows(0, 5, "first"))
    place.replay()
    place.divert(rows(0, 30, "second"))
    full = mocker.patch.object(CsvSink, "divert", side_effect=RetryableError("disk full", throttle=True))
    result = place.replay()
    assert result.end is ReplayEnd.STOPPED
    assert result.error == "the fallback did not take the records that the sink rejected; the log says why"
    assert result.total.remaining == 30
    mocker.stop(full)
    assert amounts(place.replay().total) == {"read": 30, "inserted": 20, "duplicates": 5, "rejected": 5}


def test_a_sink_that_goes_away_stops_it_after_the_retries_and_it_goes_on_later(
    place: Place, mocker: MockerFixture
) -> None:
    place.divert(rows(0, 100))
    write, calls = SqliteSink.write, iter(range(1000))

    def failing(sink: SqliteSink, batch: Batch) -> WriteOutcome:
        if next(calls) >= 3:
            raise RetryableError("database is locked")
        return write(sink, batch)

    broken = mocker.patch.object(SqliteSink, "write", failing)
    result = place.replay(clock=SystemClock())
    assert (result.end, result.error) == (ReplayEnd.STOPPED, "local failed after 2 attempts: database is locked")
    assert amounts(result.total) == {"read": 100, "inserted": 30, "remaining": 70}
    assert_balanced(result)
    mocker.stop(broken)
    assert amounts(place.replay().total) == {"read": 70, "inserted": 70}


def test_progress_tells_rows_files_and_the_total(place: Place) -> None:
    place.divert(rows(0, 25), rows(100, 10))
    seen: list[ReplayProgress] = []
    with place.replaying() as replaying:
        preview = replaying.preview(seen.append)
        assert [(step.number, step.files, step.records, step.records_total) for step in seen] == [
            (1, 2, 25, None), (2, 2, 35, None),
        ]  # fmt: skip
        seen.clear()
        replaying.run(preview, seen.append)
    assert [(step.number, step.records, step.records_total) for step in seen] == [
        (1, 10, 35), (1, 20, 35), (1, 25, 35), (2, 35, 35),
    ]  # fmt: skip


def test_records_per_second_are_bounded_on_request(place: Place, mocker: MockerFixture) -> None:
    place.divert(rows(0, 30))
    slept = mocker.patch.object(ManualReplay, "_sleep", return_value=True)
    with place.replaying(ask(records_per_second=5)) as replaying:
        replaying.run(replaying.preview(ignore), ignore)
    assert [call.args[0] for call in slept.call_args_list] == [2, 2, 2]


@pytest.fixture
def held(place: Place) -> Iterator[Place]:
    """The fallback's folder and the state directory are those of a running agent."""
    place.divert(rows(0, 10))
    running = place.csv()
    running.open()
    (place.folder / "state").mkdir()
    with state_lock(place.folder / "state"):
        yield place
    running.close()


def test_the_backlog_of_a_running_agent_is_left_to_it(held: Place) -> None:
    [path] = held.backup.glob("*.csv")
    for request in (ask(), ask(path)):
        with pytest.raises(ReplayRefused) as refused:
            held.replay(request)
        assert str(refused.value) == (
            "an agent runs with agent.yaml and holds the backlog of local: it replays automatically while the sink "
            "is up; meanwhile you can replay other files, and copies of these: name them"
        )


def test_a_folder_held_by_something_else_is_named_with_its_holder(place: Place) -> None:
    place.divert(rows(0, 10))
    other = place.csv()
    other.open()
    with pytest.raises(ReplayRefused, match=r"local is in use by process \d+"):
        place.replay()
    other.close()


def test_a_running_agent_that_does_not_replay_by_itself_is_to_be_stopped(held: Place) -> None:
    held.yaml.write_text(YAML.replace("1B}}", "1B}, replay: off}"), encoding="utf-8")
    with pytest.raises(ReplayRefused, match="its replay is off, so stop it first"):
        held.replay()


def test_the_backlog_of_a_running_agent_can_be_looked_at(held: Place) -> None:
    assert [file.records for file in held.preview(ask(preview_only=True)).files] == [10]


def test_other_files_are_replayed_beside_a_running_agent_and_what_is_refused_is_kept_beside_its_folder(
    held: Place, tmp_path: Path
) -> None:
    first, second = held.divert(rows(0, 10, "first"), rows(0, 20, "second"), folder=tmp_path / "copies")
    result = held.replay(ask(first, second))
    assert amounts(result.total) == {"read": 30, "inserted": 20, "rejected": 10}
    [kept] = result.rejected_files
    assert Path(kept).parent == tmp_path / "backup" / "local.replay"
    assert held.waiting("rejected") == []


def test_two_replays_into_one_sink_do_not_meet(place: Place) -> None:
    place.divert(rows(0, 10))
    with place.replaying() as first:
        first.preview(ignore)
        with pytest.raises(ReplayRefused, match="another replay into local is running"):
            place.replay()


def test_an_agent_may_start_again_when_the_replay_has_ended(place: Place) -> None:
    place.divert(rows(0, 10))
    place.replay()
    agent = place.csv()
    agent.open()
    agent.close()


@pytest.mark.parametrize(
    ("path", "message"), [("nowhere.csv", "nowhere.csv is not a file"), (".", "is a folder; name the files in it")]
)
def test_a_path_that_is_no_file_is_named(place: Place, path: str, message: str) -> None:
    with pytest.raises(ReplayRefused, match=message):
        place.preview(ask(place.folder / path))


def test_a_link_that_leads_to_itself_is_named(place: Place) -> None:
    loop = place.folder / "loop.csv"
    loop.symlink_to(loop)
    with pytest.raises(ReplayRefused, match=r"loop\.csv is not a file"):
        place.preview(ask(loop))


def test_a_sink_that_is_not_there_is_named_with_those_that_are(place: Place) -> None:
    with pytest.raises(ReplayRefused, match="no sink is called 'lokal'; known: local"):
        place.preview(ask(sink_id="lokal"))


def test_several_sinks_want_one_to_be_chosen(tmp_path: Path) -> None:
    second = YAML[YAML.index("  - id: local") :].replace("local", "other").replace("backup", "backup2")
    place = Place(tmp_path, YAML + second)
    with pytest.raises(ReplayRefused, match="say which sink with --sink: local, other"):
        place.preview()
    assert place.preview(ask(sink_id="other")).files == ()


def test_a_stop_while_the_files_are_looked_at_writes_nothing(place: Place) -> None:
    place.divert(rows(0, 10))
    with place.replaying() as replaying:
        replaying.request_stop()
        with pytest.raises(ReplayInterrupted, match="nothing was written"):
            replaying.preview(ignore)
    assert len(place.waiting()) == 1


def test_files_that_cannot_be_moved_away_leave_a_result(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.divert(rows(0, 10), rows(10, 10))

    def finish(sink: CsvSink, file: str) -> None:
        raise RetryableError("the share is gone")

    monkeypatch.setattr(CsvSink, "finish", finish)
    result = place.replay()
    assert (result.end, result.error) == (ReplayEnd.STOPPED, "the share is gone")
    assert amounts(result.total) == {"read": 20, "inserted": 20}
    assert [file.error for file in result.files] == ["the share is gone"] * 2
    assert_balanced(result)
    monkeypatch.undo()
    assert [file.moved for file in place.replay().files] == [True, True]
    assert place.table() == names(0, 20)
