"""What a replay does, whoever asked for it: each test runs with the automatic replay and with ``tagferry replay``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from agent_core.api import (
    AuthenticationError,
    BadLine,
    Batch,
    ConfigurationError,
    Diversion,
    DivertReason,
    Rejection,
    ReplayRefused,
    RetryableError,
    SystemClock,
    WriteOutcome,
)
from agent_core.runtime.components import Components
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.replayer import LOOK_INTERVAL_SECONDS
from agent_core.testing.fakes import FakeObserver, FakeSink, batch_of

from ..backups import YAML, Place
from ..conftest import MakeRig
from .watched_backlog import WatchedBacklog

AWAY = RetryableError("ORA-03113: connection lost")
FIRST, SECOND, THIRD = (f"backup_{n}.csv" for n in range(3))


class ChoosySink(FakeSink):
    """Refuses every batch with one of the values in ``refused``."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: dict[int, BaseException] = {}

    def write(self, batch: Batch) -> WriteOutcome:
        for value, error in self.refused.items():
            if value in batch.values:
                self.script.append(error)
        return super().write(batch)


class Replaying(ABC):
    """A backlog of an earlier run, and something that replays it."""

    sink_id: str

    def __init__(self) -> None:
        self.sink = ChoosySink()
        self.backlog = WatchedBacklog()
        self.observer = FakeObserver()

    def files(self, *sizes: int) -> None:
        """Files of so many records with the values 0, 1, ... in the first, 100, 101, ... in the second."""
        for number, size in enumerate(sizes):
            values = range(100 * number, 100 * number + size)
            self.backlog.divert(batch_of(*values, start_ns=100 * number), Diversion(DivertReason.SINK_DOWN, 0))

    @abstractmethod
    def run(self) -> None:
        """Replay until nothing more goes in for now."""

    @abstractmethod
    def refusal(self) -> str:
        """Why a replay is refused."""

    def written(self) -> list[tuple[object, ...]]:
        """The values of each batch that the sink took."""
        return [batch.values for batch in self.sink.written]

    def tried(self) -> set[object]:
        """The first value of each batch whose failure was announced."""
        return {event[1].values[0] for event in self.observer.named("batch_failed") if isinstance(event[1], Batch)}

    def delivered(self) -> list[tuple[object, object]]:
        """File and attempt of each write that was announced."""
        return [(event[5], event[3]) for event in self.observer.named("batch_delivered")]


class AutomaticReplay(Replaying):
    """The replay thread of an agent, with no live data; writes of two records."""

    sink_id = "sink"

    def __init__(self, make_rig: MakeRig) -> None:
        super().__init__()
        self._rig = make_rig(max_records=2, sink=self.sink, replayable=self.backlog)
        self.observer = self._rig.observer

    def run(self) -> None:
        if not self._rig.started:
            self._rig.start()
        for _ in range(6):
            self._rig.clock.wait_for_waiters(2)
            looks = self.backlog.looks
            self._rig.clock.advance(LOOK_INTERVAL_SECONDS)
            self.backlog.wait_for_looks(looks + 1)
        self._rig.clock.wait_for_waiters(2)

    def refusal(self) -> str:
        self.run()
        replay = self._rig.delivery.status().replay
        assert replay is not None
        return replay.refusal or ""


class CommandReplay(Replaying):
    """``tagferry replay``, with one retry for each write of two records."""

    sink_id = "local"

    def __init__(self, folder: Path, mocker: MockerFixture) -> None:
        super().__init__()
        mocker.patch.object(Components, "sink", return_value=self.sink)
        mocker.patch.object(Components, "fallback", return_value=self.backlog)
        self._place = Place(folder, YAML.replace("max_records: 10", "max_records: 2"))

    def run(self) -> None:
        self._place.replay(clock=SystemClock(), observer=self.observer)

    def refusal(self) -> str:
        with pytest.raises(ReplayRefused) as refused:
            self.run()
        return str(refused.value)


@pytest.fixture(params=["automatic", "command"])
def replaying(request: pytest.FixtureRequest, make_rig: MakeRig, tmp_path: Path, mocker: MockerFixture) -> Replaying:
    return AutomaticReplay(make_rig) if request.param == "automatic" else CommandReplay(tmp_path, mocker)


def test_files_are_written_oldest_first_and_each_batch_says_where_it_comes_from(replaying: Replaying) -> None:
    replaying.files(3, 1)
    replaying.run()
    assert replaying.written() == [(0, 1), (2,), (100,)]
    assert replaying.delivered() == [(FIRST, 1), (FIRST, 1), (SECOND, 1)]
    assert replaying.backlog.finished == [FIRST, SECOND]


def test_a_position_that_cannot_be_stored_stops_nothing(
    replaying: Replaying, mocker: MockerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    """A full disk must not stop the replay that empties it."""

    def full(position: ReplayPosition, file: str, next_record: int) -> None:
        raise OSError(28, "No space left on device")

    mocker.patch.object(ReplayPosition, "keep", full)
    replaying.files(5)
    replaying.run()
    assert replaying.written() == [(0, 1), (2, 3), (4,)]
    assert replaying.backlog.finished == [FIRST]
    assert caplog.text.count("replay position not stored: ") == 1


def test_attempts_are_those_of_the_batch_and_each_failure_is_announced(replaying: Replaying) -> None:
    replaying.files(3)
    replaying.sink.script.extend([replaying.sink.store, AWAY])
    replaying.run()
    assert replaying.delivered() == [(FIRST, 1), (FIRST, 2)]
    [(_, batch, error, attempt, retry_in)] = replaying.observer.named("batch_failed")
    assert isinstance(batch, Batch)
    assert (batch.values, error, attempt) == ((2,), AWAY, 1)
    assert isinstance(retry_in, float), "the records leave for nowhere"


def test_a_file_that_cannot_be_read_lets_the_others_pass(
    replaying: Replaying, caplog: pytest.LogCaptureFixture
) -> None:
    replaying.files(1, 1, 1)
    replaying.backlog.unreadable.add(SECOND)
    replaying.run()
    assert replaying.backlog.finished == [FIRST, THIRD]
    assert f"replay failed: sink={replaying.sink_id} file={SECOND} error=[Errno 13] Permission denied" in caplog.text
    assert "Traceback" not in caplog.text, "nobody has to read the code to fix it"
    replaying.backlog.unreadable.clear()
    replaying.run()
    assert replaying.backlog.finished == [FIRST, THIRD, SECOND]


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("on_conflict: fail"),
        RetryableError("ORA-20001 on every record"),
        ValueError("?"),
        SystemExit(3),
    ],
    ids=["refused", "unclear", "defect", "exit"],
)
@pytest.mark.provokes("replay failed")
def test_a_file_that_cannot_go_in_lets_the_others_pass_and_resumes_where_it_was(
    replaying: Replaying, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    replaying.files(5, 1, 1)
    replaying.sink.refused[3] = error
    replaying.run()
    assert replaying.backlog.finished == [SECOND, THIRD]
    assert ("Traceback" in caplog.text) == isinstance(error, (ValueError, SystemExit))
    replaying.sink.refused.clear()
    replaying.run()
    assert replaying.backlog.finished == [SECOND, THIRD, FIRST]
    assert replaying.written() == [(0, 1), (100,), (200,), (2, 3), (4,)]


def test_when_the_next_file_fails_as_well_it_is_the_sink_and_no_other_is_tried(replaying: Replaying) -> None:
    replaying.files(1, 1, 1)
    replaying.sink.refused = dict.fromkeys((0, 100, 200), AWAY)
    replaying.run()
    assert replaying.tried() == {0, 100}
    assert replaying.backlog.finished == []


def test_refused_credentials_are_not_tried_with_another_file(replaying: Replaying) -> None:
    replaying.files(1, 1)
    replaying.sink.refused = dict.fromkeys((0, 100), AuthenticationError("ORA-28001"))
    replaying.run()
    assert replaying.tried() == {0}


def test_rejected_records_are_stored_before_the_file_is_finished(replaying: Replaying) -> None:
    replaying.files(2)
    replaying.sink.script.append(lambda batch: WriteOutcome(1, 0, (Rejection(1, "ORA-12899", "too long"),)))
    replaying.run()
    [_, (kept, why)] = replaying.backlog.diversions
    assert (kept.values, why.details) == ((1,), ("ORA-12899: too long",))
    assert replaying.backlog.finished == [FIRST]


def test_a_file_whose_rejected_records_cannot_be_stored_waits_and_lets_the_others_pass(
    replaying: Replaying, caplog: pytest.LogCaptureFixture
) -> None:
    replaying.files(2, 1)
    replaying.sink.script.append(lambda batch: WriteOutcome(1, 0, (Rejection(1, "ORA-12899", "too long"),)))
    replaying.backlog.script.extend([OSError("disk full")] * 20)
    replaying.run()
    assert replaying.backlog.finished == [SECOND]
    assert f"fallback failed: sink={replaying.sink_id} error=disk full" in caplog.text


def test_unreadable_lines_are_told_once_they_are_passed(replaying: Replaying, caplog: pytest.LogCaptureFixture) -> None:
    replaying.files(1)
    replaying.backlog.bad_lines = (BadLine(7, "no timestamp"),)
    replaying.sink.refused[0] = ConfigurationError("no such table")
    replaying.run()
    assert "unreadable line" not in caplog.text, "the file is read again"
    replaying.sink.refused.clear()
    replaying.run()
    told = f"unreadable line: sink={replaying.sink_id} file={FIRST} line=7 error=no timestamp"
    assert caplog.text.count(told) == 1


def test_a_sink_without_a_unique_key_is_spared(replaying: Replaying, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ChoosySink, "idempotent", False)
    replaying.files(1)
    assert "has no unique key, so a replay would insert existing records again" in replaying.refusal()
    assert replaying.sink.attempts == 0
