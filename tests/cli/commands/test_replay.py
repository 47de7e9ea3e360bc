"""``tagferry replay`` as a command: what it prints, asks and returns."""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from runtime.backups import YAML, Place, names, rows

from agent_core.cli.commands.replay import Meter, _print_json, _rate, _time
from agent_core.cli.main import main
from agent_core.cli.text.duration import duration
from agent_core.cli.text.replay_text import progress_text
from agent_core.cli.text.terminal import Terminal
from agent_core.runtime.replay.report import ReplayProgress
from agent_core.testing.clock import START_NS, ManualClock


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


class Answer(io.StringIO):
    """Somebody at a terminal who types this."""

    def isatty(self) -> bool:
        return True


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--help"]) == 0
    assert "examples:\n  tagferry replay" in capsys.readouterr().out


def test_it_shows_asks_writes_and_accounts(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.divert(rows(0, 25), rows(100, 12))
    monkeypatch.setattr("sys.stdin", Answer("y\n"))
    assert main(["replay"]) == 0
    captured = capsys.readouterr()
    assert "write 37 records into local (sqlite_sink) [y/N] " in captured.err
    assert captured.out.splitlines()[:-1] == [
        "into local (sqlite_sink)",
        "file                            records  from (UTC)           to (UTC)             note",
        "backup_20260101_000000.csv      25       2026-01-01 00:00:00  2026-01-01 00:00:24",
        "backup_20260101_000000_001.csv  12       2026-01-01 00:01:40  2026-01-01 00:01:51",
        "37 records in 2 files",
        "sink   read  inserted  duplicates  rejected  skipped  remaining  balances",
        "local    37        37           0         0        0          0       yes",
        "2 files moved out of the backlog",
    ]
    assert captured.out.splitlines()[-1].startswith("complete after 0:00:0")
    assert place.table() == sorted(names(0, 25) + names(100, 12))


@pytest.mark.parametrize("answer", ["\n", "n\n", "", "what?\n"])
def test_without_a_yes_nothing_is_written(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    place.divert(rows(0, 25))
    monkeypatch.setattr("sys.stdin", Answer(answer))
    assert main(["replay"]) == 1
    assert capsys.readouterr().err.endswith("nothing was written\n")
    assert not (place.folder / "data.db").exists()


def test_where_nobody_can_be_asked_it_wants_a_yes(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.divert(rows(0, 25))
    assert main(["replay"]) == 2
    captured = capsys.readouterr()
    assert "25 records in 1 file" in captured.out
    assert captured.err.endswith("error: nothing was written: there is no terminal to ask on; add --yes\n")
    assert not (place.folder / "data.db").exists()


def test_a_preview_shows_filters_rejected_files_and_unreadable_lines(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    [path] = place.divert(rows(0, 60))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1:1] = [b"x\n"] * 30
    path.write_bytes(b"".join(lines))
    place.divert(rows(0, 3), rejected=True)
    [rejected] = place.waiting("rejected")
    assert main(["replay", "--preview", "--from", "2026-01-01T00:00:30", "--tag", "T3*"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[1:3] == [
        "file                        records  wanted  from (UTC)           to (UTC)             note",
        "backup_20260101_000000.csv  60       10      2026-01-01 00:00:30  2026-01-01 00:00:39  30 unreadable lines",
    ]
    assert shown[3] == "backup_20260101_000000.csv:2: unreadable: 1 columns instead of 10"
    assert shown[23:] == [
        "and 10 more unreadable lines",
        "csv_sink keeps backlog files with unreadable lines: it moves them to damaged/, not to done/",
        f"left out, because their records were rejected for their content (see --rejected): {rejected}",
        "60 records in 1 file, 10 of them wanted",
    ]
    assert main(["replay", "--preview", "--rejected"]) == 0
    assert "rejected_20260101_000000.csv" in capsys.readouterr().out
    assert place.waiting() == ["backup_20260101_000000.csv"]


def test_an_empty_backlog_is_no_error(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay"]) == 0
    assert capsys.readouterr().out == "into local (sqlite_sink): nothing to replay\n"


def test_as_json_the_whole_account_is_one_object(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.divert(rows(0, 5, "first"))
    assert main(["replay", "--yes", "--json"]) == 0
    capsys.readouterr()
    place.divert(rows(0, 12, "second"))
    assert main(["replay", "--yes", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["preview"]["files"][0] | {"size_bytes": 0} == {
        "file": "backup_20260101_000000_001.csv", "size_bytes": 0, "from_record": 0, "records": 12, "wanted": 12,
        "oldest_ns": START_NS, "newest_ns": START_NS + 11_000_000_000, "rejected": False, "bad_line_count": 0,
        "bad_lines": [], "error": None,
    }  # fmt: skip
    result = found["result"]
    assert result["ledger"] == {
        "read": 12, "inserted": 7, "duplicates": 0, "rejected": 5, "skipped": 0, "remaining": 0, "bad_lines": 0,
    }  # fmt: skip
    assert (result["end"], result["error"], result["balanced"]) == ("complete", None, True)
    assert result["rejected_codes"] == {"CONFLICT": 5}
    assert [Path(file).name for file in result["rejected_files"]] == place.waiting("rejected")
    assert main(["replay", "--preview", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["result"] is None


def test_lines_that_nobody_can_read_are_no_success(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = place.divert(rows(0, 5))
    path.write_bytes(path.read_bytes() + b"x\n")
    assert main(["replay", "--yes"]) == 1
    assert "unreadable: 1 line, listed above" in capsys.readouterr().out
    assert place.table() == names(0, 5)


def test_as_json_no_question_can_be_asked(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--json"]) == 2
    assert capsys.readouterr().err == "error: --json cannot ask: add --yes or --preview\n"


def test_files_are_named_beside_or_without_the_yaml(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.yaml.rename(tmp_path / "line2.yml")
    place.divert(rows(0, 5), rows(10, 5), folder=tmp_path / "old")
    assert main(["replay", "line2.yml", "old/local/*.csv", "--yes"]) == 0, "a shell of Windows leaves patterns to us"
    assert "read  inserted" in capsys.readouterr().out
    assert place.table() == sorted(names(0, 5) + names(10, 5))
    (tmp_path / "line2.yml").rename(place.yaml)
    assert main(["replay", "old/local/backup_20260101_000000.csv", "--yes"]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.yaml", "b.yaml"], "more than one configuration: a.yaml, b.yaml"),
        (["nothing*.csv"], "no file matches nothing*.csv"),
        (["nothing.csv"], "nothing.csv is not a file"),
        (["--sink", "lokal"], "no sink is called 'lokal'; known: local"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line_and_2(
    place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["replay", *arguments]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [("--from", "yesterday"), ("--to", "25:00"), ("--not-older-than", "30"), ("--rate", "0"), ("--rate", "fast")],
)
def test_a_value_that_makes_no_sense_is_named(
    place: Place, capsys: pytest.CaptureFixture[str], option: str, value: str
) -> None:
    assert main(["replay", option, value]) == 2
    assert f"argument {option}: " in capsys.readouterr().err


def test_a_yaml_that_is_not_valid_is_2(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.yaml.write_text(YAML.replace("sqlite_sink", "sqlight_sink"), encoding="utf-8")
    assert main(["replay"]) == 2
    assert "did you mean sqlite_sink?" in capsys.readouterr().err


def test_a_sink_that_cannot_be_written_is_1_and_says_where_it_resumes(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.divert(rows(0, 25))
    (place.folder / "data.db").write_text("this is no database, and longer than its header is", encoding="utf-8")
    assert main(["replay", "--yes"]) == 1
    captured = capsys.readouterr()
    assert "local    25         0           0         0        0         25       yes" in captured.out
    assert "the same command resumes at record 0 of backup_20260101_000000.csv\nstopped after 0:00:0" in captured.out
    assert re.search(r"^error: backup_20260101_000000.csv: local failed: .*data\.db", captured.err, re.MULTILINE)
    assert "Traceback" not in captured.err


def test_a_sink_without_a_unique_key_wants_a_word_of_its_own(
    place: Place, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    yaml = YAML.replace("type: sqlite_sink", "type: csv_sink")
    yaml = yaml.replace("{path: data.db, busy_timeout: 100ms}", "{directory: copies, min_free_disk: 1B}")
    place.yaml.write_text(yaml, encoding="utf-8")
    place.divert(rows(0, 5))
    assert main(["replay", "--yes"]) == 2
    assert "add --accept-duplicates" in capsys.readouterr().err
    assert len(place.waiting()) == 1
    assert main(["replay", "--yes", "--accept-duplicates"]) == 0
    assert len(list((tmp_path / "copies" / "local").glob("*.csv"))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="a test cannot send Ctrl-C on Windows")
def test_ctrl_c_ends_it_after_the_batch_with_130_and_it_goes_on(place: Place) -> None:
    place.divert(rows(0, 3000))
    with subprocess.Popen(
        [sys.executable, "-m", "agent_core", "replay", "--yes", "--rate", "300"],
        cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    ) as process:  # fmt: skip
        assert process.stderr is not None
        assert process.stdout is not None
        while "database opened" not in process.stderr.readline():
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    [record] = re.findall(r"the same command resumes at record ([\d,]+) of backup_20260101_000000.csv", out)
    assert "interrupted after 0:00:0" in out
    assert len(place.table()) == int(record.replace(",", ""))
    assert main(["replay", "--yes"]) == 0
    assert place.table() == names(0, 3000)


def test_times_are_utc_unless_they_say_otherwise() -> None:
    assert _time("2026-01-01") == _time("2026-01-01T00:00") == _time("2026-01-01T09:00+09:00") == START_NS
    assert _time("2026-01-01T00:00:00.000001Z") == START_NS + 1000
    assert duration("30d") == 30 * 86_400
    assert _rate("5000") == 5000
    with pytest.raises(argparse.ArgumentTypeError, match="expected a time such as"):
        _time("1.1.2026")


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_one_line_on_a_terminal_with_rate_and_time_left() -> None:
    screen, clock = Screen(), ManualClock()
    meter = Meter(Terminal(screen), clock)
    for second in range(4):
        meter(ReplayProgress("a.csv", 1, 2, second * 1000, 10_000, float(second)))
        clock.advance(0.3)
        meter(ReplayProgress("a.csv", 1, 2, second * 1000 + 1, 10_000, second + 0.3))
        clock.advance(0.7)
    last = screen.getvalue().rsplit("\r", 1)[-1]
    assert last == "30%  3,000 of 10,000 records  1,000 records/s  0:00:07 left  a.csv (1 of 2)"
    assert "\n" not in screen.getvalue()
    assert ",001" not in screen.getvalue(), "twice a second is often enough"


def test_progress_is_a_log_entry_now_and_then_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    stream, clock = io.StringIO(), ManualClock()
    meter = Meter(Terminal(stream), clock)
    with caplog.at_level("INFO"):
        for second in range(31):
            meter(ReplayProgress("a.csv", 1, 1, second, None, float(second)))
            clock.advance(1)
    assert [record.getMessage() for record in caplog.records] == [
        f"replay progress: records={count} progress=reading: {count} records  a.csv (1 of 1)" for count in (10, 20, 30)
    ]
    assert stream.getvalue() == ""


def test_progress_without_rows_or_rate_is_readable() -> None:
    assert progress_text(ReplayProgress("a.csv", 1, 1, 0, 0, 0.0), None) == "100%  0 of 0 records  a.csv (1 of 1)"


def test_a_secret_that_is_a_number_spoils_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    _print_json({"records": 7, "files": [{"error": "7 was refused"}, None]}, lambda text: text.replace("7", "***"))
    assert json.loads(capsys.readouterr().out) == {"records": 7, "files": [{"error": "*** was refused"}, None]}
