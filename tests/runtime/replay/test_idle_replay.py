"""When the replay looks at its backlog: for what has happened, and seldom for what others may have done."""

from __future__ import annotations

from dataclasses import replace

from agent_core.api import Diversion, DivertReason, DropReason, RetryableError, SinkState, Stock
from agent_core.runtime.replay.replayer import IDLE_LOOK_INTERVAL_SECONDS, LOOK_INTERVAL_SECONDS
from agent_core.testing.fakes import FakeBacklog, batch_of

from ..conftest import PROBE_SECONDS, MakeRig, Rig
from .watched_backlog import StockedBacklog, WatchedBacklog

OUTAGE = Diversion(DivertReason.SINK_DOWN, 0)


def idle_rig(make_rig: MakeRig, backlog: StockedBacklog) -> Rig:
    """A sink that has written, and a replay that has nothing to do."""
    rig = make_rig(replayable=backlog, max_retries=0, max_records=1)
    rig.start().accept(batch_of(1))
    rig.observer.wait_for("batch_delivered")
    rig.clock.wait_for_a_wait_of(IDLE_LOOK_INTERVAL_SECONDS)
    return rig


class OpenRejectedFile(StockedBacklog):
    """One more rejected record, in a file that is still open."""

    def stock(self) -> Stock:
        return replace(super().stock(), rejected_records=1)


def finished(backlog: FakeBacklog, *names: str) -> None:
    backlog.wait_until(lambda _: backlog.finished == list(names))


def test_an_idle_replay_looks_seldom_and_finds_what_others_have_put_there(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    rig = idle_rig(make_rig, backlog)
    backlog.divert(batch_of(2), OUTAGE)  # by somebody else: the agent's fallback does not know
    for _ in range(11):
        rig.clock.advance(LOOK_INTERVAL_SECONDS)
    rig.clock.wait_for_a_wait_of(LOOK_INTERVAL_SECONDS)
    assert backlog.looks == 1
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    finished(backlog, "backup_0.csv")


def test_what_the_fallback_has_just_stored_is_looked_for_as_soon_as_ever(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    rig = idle_rig(make_rig, backlog)
    rig.delivery.refuse(batch_of(2), DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    finished(backlog, "backup_0.csv")
    rig.clock.wait_for_a_wait_of(IDLE_LOOK_INTERVAL_SECONDS)


def test_rejected_records_in_an_open_file_are_nothing_to_look_for(make_rig: MakeRig) -> None:
    idle_rig(make_rig, OpenRejectedFile())


def test_a_file_that_somebody_asks_for_does_not_wait_for_a_look(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    backlog.divert(batch_of(2), Diversion(DivertReason.REJECTED, 0))
    rig = idle_rig(make_rig, backlog)
    rig.delivery.replay_backup("rejected_0.csv")
    finished(backlog, "rejected_0.csv")


def test_a_sink_that_is_up_again_gets_its_files_at_once(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    rig = idle_rig(make_rig, backlog)
    rig.sink.script.append(RetryableError("away"))
    rig.accept(batch_of(2, start_ns=10))
    rig.observer.wait_for("batch_diverted")
    rig.clock.wait_for_waiters(2)
    rig.delivery.pause()
    rig.clock.advance(PROBE_SECONDS)
    backlog.wait_for_looks(2)
    rig.clock.wait_for_a_wait_of(LOOK_INTERVAL_SECONDS)
    rig.delivery.resume()
    assert rig.state() is SinkState.DOWN
    rig.accept(batch_of(3, start_ns=20))  # the probe; no time passes
    finished(backlog, "backup_0.csv")


def test_a_fallback_that_does_not_know_what_it_holds_is_looked_at_all_the_time(make_rig: MakeRig) -> None:
    backlog = WatchedBacklog()
    rig = make_rig(replayable=backlog).start()
    for look in range(1, 4):
        backlog.wait_for_looks(look)
        rig.clock.wait_for_a_wait_of(LOOK_INTERVAL_SECONDS)
        rig.clock.advance(LOOK_INTERVAL_SECONDS)


def test_what_the_fallback_could_not_store_is_looked_after_too(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    rig = idle_rig(make_rig, backlog)
    backlog.script.append(OSError("disk full"))  # and it has left an empty file
    rig.delivery.refuse(batch_of(2), DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR)
    rig.clock.wait_for_a_wait_of(LOOK_INTERVAL_SECONDS)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    backlog.wait_for_looks(2)
