"""What is left in files while the sink is up: the open file, and a backlog that does not become smaller."""

from __future__ import annotations

import threading

import pytest

from agent_core.api import BacklogFile, Diversion, DivertReason, DropReason, RetryableError, SinkState
from agent_core.runtime.replay.replayer import IDLE_LOOK_INTERVAL_SECONDS, LOOK_INTERVAL_SECONDS
from agent_core.runtime.replay.trend import STUCK_SECONDS
from agent_core.testing.fakes import batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import PROBE_SECONDS, MakeRig, Rig
from .watched_backlog import StockedBacklog


class OpenFile(StockedBacklog):
    """What was diverted is in an open file, which is no part of the backlog until it is completed."""

    def __init__(self) -> None:
        super().__init__()
        self.completed = 0

    def backlog(self) -> list[BacklogFile]:
        return super().backlog()[: self.completed]

    def complete(self) -> bool:
        waits = self.completed < len(self.diversions)
        self.completed = len(self.diversions)
        return waits


def look(rig: Rig, backlog: StockedBacklog) -> None:
    """Let the replay look at its backlog once more, and wait until it rests again."""
    looks = backlog.looks
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    backlog.wait_for_looks(looks + 1)
    rig.clock.wait_for_waiters(2)


def test_the_open_file_comes_back_seconds_after_an_outage_although_it_is_not_old(make_rig: MakeRig) -> None:
    backlog = OpenFile()
    rig = make_rig(replayable=backlog, max_retries=0, max_records=1)
    rig.sink.script.append(RetryableError("away"))
    rig.start().accept(batch_of(1))
    rig.observer.wait_for("batch_diverted")
    for _ in range(3):
        look(rig, backlog)
    assert (rig.state(), backlog.completed) == (SinkState.DOWN, 0), "it would be a file every few seconds"
    rig.clock.advance(PROBE_SECONDS)
    rig.accept(batch_of(2, start_ns=10))
    backlog.wait_until(lambda _: backlog.finished == ["backup_0.csv"])  # no look is waited for
    assert len(rig.sink.records) == 2


def test_an_open_file_that_still_grows_is_not_completed(make_rig: MakeRig) -> None:
    backlog = OpenFile()
    rig = make_rig(replayable=backlog, max_records=1)
    rig.start().accept(batch_of(1))
    rig.observer.wait_for("batch_delivered")
    rig.clock.wait_for_a_wait_of(IDLE_LOOK_INTERVAL_SECONDS)  # the first look is over
    for number in range(2, 5):
        rig.delivery.refuse(batch_of(number, start_ns=number), DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR)
        look(rig, backlog)
    assert backlog.completed == 0
    look(rig, backlog)
    backlog.wait_until(lambda _: len(backlog.finished) == 3)


def waiting(rig: Rig) -> int:
    replay = rig.delivery.status().replay
    assert replay is not None
    return replay.waiting_records


def test_a_backlog_that_does_not_shrink_while_the_sink_is_up_is_an_alert(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    backlog = StockedBacklog()
    for number in range(2):
        backlog.divert(batch_of(*range(3), start_ns=10 * number), Diversion(DivertReason.SINK_DOWN, 0))
    backlog.unreadable = {"backup_0.csv", "backup_1.csv"}
    rig = make_rig(replayable=backlog, max_records=1).start()
    rig.delivery.look_at_backlog()
    rig.clock.advance(STUCK_SECONDS - 1)
    rig.delivery.look_at_backlog()
    assert rig.delivery.status().advice == ()
    rig.clock.advance(1)
    rig.delivery.look_at_backlog()
    [advice] = rig.delivery.status().advice
    assert advice.message == "6 records wait in files, no fewer than 10 minutes ago, although the sink is up"
    assert advice.next_step is not None
    assert "backlog not shrinking: sink=sink waiting_records=6 elapsed_seconds=600" in caplog.text
    backlog.unreadable = {"backup_1.csv"}
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS * 100)):  # the other file may have its turn first, more than once
        if backlog.finished and waiting(rig) == 3:
            break
        rig.clock.advance(LOOK_INTERVAL_SECONDS)
        pause.wait(0.01)
    assert backlog.finished == ["backup_0.csv"]
    rig.delivery.look_at_backlog()
    assert rig.delivery.status().advice == ()
    rig.clock.advance(STUCK_SECONDS)
    assert rig.delivery.status().advice, "it stopped to shrink again"
    rig.delivery.pause()
    rig.delivery.look_at_backlog()
    assert rig.delivery.status().advice == (), "nothing can be written back"
    rig.delivery.resume()
