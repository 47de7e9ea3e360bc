"""A refused log-in is stored on disk: the next process does not repeat it. Shown on the stand-in."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle_sink.session.refusal_file import LoginRefusal, RefusalFile
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import AuthenticationError, Secret, Severity
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

MakeSink = Callable[..., OracleSink]
WRONG = "a wrong passwörd"


def refusal(clock: ManualClock, password: str = WRONG, pause_seconds: float = 60.0) -> LoginRefusal:
    return LoginRefusal.of(
        password,
        refused_at_ns=clock.time_ns(),
        pause_seconds=pause_seconds,
        count=1,
        code="ORA-01017",
        message="log in to db: ORA-01017",
    )


def file_of(folder: Path) -> Path:
    (path,) = folder.glob("refused-log-in-*")
    return path


# Each sink here has its own latches, as if it were in its own process.


def test_eleven_runs_of_the_doctor_make_one_log_in(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    for run in range(11):
        found = list(make_sink(clock, password=Secret(lambda: WRONG), login_interval=60.0).diagnose())
        assert found[-1].severity is Severity.CRITICAL
        assert "ORA-01017" in found[-1].message
        assert ("not tried again for " in found[-1].message) is (run > 0)
        clock.advance(0.5)
    assert database.counters()["bad_logons"] == 1


def test_agents_that_restart_try_ever_more_rarely(make_sink: MakeSink, database: Standin) -> None:
    clock = ManualClock()
    attempts = []
    for _ in range(8):
        with pytest.raises(AuthenticationError) as raised:
            make_sink(clock, password=Secret(lambda: WRONG), login_interval=5.0).open()
        assert raised.value.code == "ORA-01017"
        attempts.append(database.counters()["bad_logons"])
        clock.advance(5.0)
    assert attempts == [1, 2, 2, 3, 3, 3, 3, 4]


def test_the_text_says_when_it_was_refused_and_what_ends_the_wait(make_sink: MakeSink, tmp_path: Path) -> None:
    clock = ManualClock()
    for _ in range(3):
        with pytest.raises(AuthenticationError) as raised:
            make_sink(clock, password=Secret(lambda: WRONG), login_interval=60.0).open()
        clock.advance(5.0)
    text = str(raised.value)
    assert text.startswith(
        "not tried again for 50 s (a changed password does not wait); refused at 2026-01-01T00:00:00Z: log in to "
    )
    assert text.count("not tried again") == 1
    assert text.endswith(f" ({raised.value.next_step})")


def test_a_changed_password_is_tried_at_once_and_a_success_deletes_the_file(
    make_sink: MakeSink, database: Standin, tmp_path: Path
) -> None:
    clock = ManualClock()
    with pytest.raises(AuthenticationError):
        make_sink(clock, password=Secret(lambda: WRONG)).open()
    assert file_of(tmp_path).exists()
    sink = make_sink(clock)
    sink.open()
    assert sink.write(batch_of(1)).inserted == 1
    assert list(tmp_path.glob("refused-log-in-*")) == []


def test_the_file_has_no_secret_and_belongs_to_its_owner_only(make_sink: MakeSink, tmp_path: Path) -> None:
    with pytest.raises(AuthenticationError):
        make_sink(password=Secret(lambda: WRONG)).open()
    path = file_of(tmp_path)
    assert list(tmp_path.iterdir()) == [path]
    text = path.read_text(encoding="utf-8")
    assert WRONG not in text
    assert WRONG not in json.loads(text).values()
    assert len(json.loads(text)["digest"]) == 4  # two bytes: a guess finds far too many passwords
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "damaged",
    ["", "{", "[]", "7", "\x00", '{"salt": "zz"}', "DIGEST", "COUNT", "FOREVER", "FUTURE", "UNREADABLE"],
)
def test_a_damaged_file_costs_nothing_but_the_memory(
    make_sink: MakeSink, database: Standin, tmp_path: Path, damaged: str
) -> None:
    clock = ManualClock()
    wrong = Secret(lambda: WRONG)
    with pytest.raises(AuthenticationError):
        make_sink(clock, password=wrong).open()
    path = file_of(tmp_path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    changes = {
        "DIGEST": {"digest": 5},
        "COUNT": {"count": None},
        "FOREVER": {"pause_seconds": float("inf"), "refused_at_ns": 0},
        "FUTURE": {"refused_at_ns": 10**30},
    }
    if damaged == "UNREADABLE":
        path.unlink()
        path.mkdir()
    else:
        text = json.dumps(stored | changes[damaged]) if damaged in changes else damaged
        path.write_text(text, encoding="utf-8")
    with pytest.raises(AuthenticationError) as raised:
        make_sink(clock, password=wrong).open()
    assert "not tried again" not in str(raised.value)
    assert database.counters()["bad_logons"] == 2
    sink = make_sink(clock)
    sink.open()
    assert sink.write(batch_of(1)).inserted == 1


def test_where_no_file_can_be_written_the_process_still_remembers(
    make_sink: MakeSink, database: Standin, tmp_path: Path
) -> None:
    sink = make_sink(password=Secret(lambda: WRONG))
    tmp_path.rmdir()
    tmp_path.write_text("no folder", encoding="utf-8")
    for _ in range(2):
        with pytest.raises(AuthenticationError):
            sink.open()
    assert database.counters()["bad_logons"] == 1


def test_a_pause_ends_with_the_clock_of_the_machine_and_not_at_all_later_than_it_may() -> None:
    clock = ManualClock()
    known = refusal(clock)
    assert known.left_seconds(clock.time_ns(), 900.0) == 60.0
    assert known.left_seconds(clock.time_ns() + 50_000_000_000, 900.0) == 10.0
    assert known.left_seconds(clock.time_ns(), 30.0) == 30.0
    clock.jump(-10.0)  # set back: how long ago it was is unknown
    assert known.left_seconds(clock.time_ns(), 900.0) == 0.0


def test_what_is_kept_is_read_back(tmp_path: Path) -> None:
    file = RefusalFile(tmp_path / "state", "HOST/X", "SCOTT")
    assert file.read() is None
    known = refusal(ManualClock())
    file.keep(known)
    assert file.read() == known
    assert RefusalFile(tmp_path / "state", "HOST/X", "OTHER").read() is None
    assert known.concerns(WRONG)
    file.forget()
    file.forget()
    assert file.read() is None
