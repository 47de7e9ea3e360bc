"""How rows that left for the fallback come back."""

from pathlib import Path

import pytest

from agent_core.api import (
    AuthenticationError,
    BadLine,
    Batch,
    ConfigurationError,
    Diversion,
    DivertReason,
    Rejection,
    ReplayRefused,
    ReplayStatus,
    RetryableError,
    SinkState,
    UnknownBackupError,
    Whereabouts,
    WriteOutcome,
)
from agent_core.runtime.replay.replayer import BACKLOG_VALID_SECONDS, LOOK_INTERVAL_SECONDS, STRIKES
from agent_core.testing.fakes import FakeSink, batch_of

from ..conftest import PROBE_SECONDS, MakeRig, Rig
from .watched_backlog import StockedBacklog, WatchedBacklog


def with_backlog(
    make_rig: MakeRig,
    *files: int,
    max_records: int = 2,
    sink: FakeSink | None = None,
    probe_seconds: float = PROBE_SECONDS,
    automatic: bool = True,
) -> Rig:
    """A rig whose fallback holds files of so many rows from an earlier run."""
    backlog = WatchedBacklog()
    for n, count in enumerate(files):
        backlog.divert(batch_of(*range(count), start_ns=n * 1000), Diversion(DivertReason.SINK_DOWN, 0))
    return make_rig(
        max_records=max_records, replayable=backlog, sink=sink, probe_seconds=probe_seconds, automatic_replay=automatic
    )


def backlog_of(rig: Rig) -> WatchedBacklog:
    assert isinstance(rig.fallback, WatchedBacklog)
    return rig.fallback


def wait_for_finished(rig: Rig, *files: str) -> None:
    backlog = backlog_of(rig)
    backlog.wait_until(lambda _: backlog.finished == list(files))


def test_a_backlog_of_an_earlier_run_is_written_oldest_first(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 3, 2).start()
    wait_for_finished(rig, "backup_0.csv", "backup_1.csv")
    assert [len(batch) for batch in rig.sink.written] == [2, 1, 2]
    assert len(rig.sink.records) == 5
    delivered = rig.observer.wait_for("batch_delivered", 3)
    assert [event[-1] for event in delivered] == ["backup_0.csv", "backup_0.csv", "backup_1.csv"]


@pytest.mark.parametrize("count", [5, 50])
def test_one_look_at_the_backlog_serves_many_files(make_rig: MakeRig, count: int) -> None:
    """A record costs the same, however many files wait."""
    rig = with_backlog(make_rig, *[1] * count).start()
    wait_for_finished(rig, *(f"backup_{number}.csv" for number in range(count)))
    rig.clock.wait_for_waiters(2)
    assert backlog_of(rig).looks == 2, "and one that finds nothing more"
    assert replay_of(rig).backlog_files == 0


def test_while_many_files_are_replayed_the_backlog_is_looked_at_now_and_then(make_rig: MakeRig) -> None:
    sink = FakeSink()
    rig = with_backlog(make_rig, *[1] * 10, sink=sink)

    def slow(batch: Batch) -> WriteOutcome:
        rig.clock.advance(BACKLOG_VALID_SECONDS / 4)
        return sink.store(batch)

    sink.script.extend([slow] * 10)
    rig.start()
    wait_for_finished(rig, *(f"backup_{number}.csv" for number in range(10)))
    rig.clock.wait_for_waiters(2)
    assert backlog_of(rig).looks == 4


def test_replay_has_its_own_ledger(make_rig: MakeRig) -> None:
    sink = FakeSink()
    sink.store(batch_of(0))
    sink.script.extend([sink.store, lambda _: WriteOutcome(0, 0, (Rejection(0, "ORA-1", "bad"),))])
    rig = with_backlog(make_rig, 3, sink=sink).start()
    wait_for_finished(rig, "backup_0.csv")
    replay = rig.delivery.status().replay
    assert replay is not None
    assert (replay.read, replay.inserted, replay.duplicates, replay.rejected) == (3, 1, 1, 1)
    assert rig.snapshot().collected == 0
    [(rejected, diversion)] = [entry for entry in backlog_of(rig).diversions if entry[1].rejected]
    assert rejected.values == (2,)
    assert diversion.details == ("ORA-1: bad",)


def test_after_an_outage_the_rows_come_back_by_themselves(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig)
    rig.sink.script.extend(RetryableError("away") for _ in range(4))
    rig.start().accept(batch_of(1, 2))
    for attempt, delay in enumerate((1, 2, 4), start=1):
        rig.observer.wait_for("batch_failed", attempt)
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(delay)
    rig.observer.wait_for("batch_diverted")
    assert rig.state() is SinkState.DOWN
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert len(rig.sink.records) == 2
    assert rig.observer.states()[-1] is SinkState.UP, "the replay was the probe: no live data came"


def test_a_failed_write_leaves_the_file_and_goes_on_there_later(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 4)
    rig.sink.script.extend([rig.sink.store, RetryableError("away")])
    rig.start()
    rig.sink.wait_until(lambda sink: sink.attempts == 2)
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert [batch.values for batch in rig.sink.written] == [(0, 1), (2, 3)], "the first two are not written again"


def test_a_restart_goes_on_where_the_last_run_stopped(make_rig: MakeRig) -> None:
    first = with_backlog(make_rig, 4)
    first.sink.script.extend([first.sink.store, AuthenticationError("ORA-28001")])
    first.start()
    first.observer.wait_for("sink_state_changed")
    assert first.state() is SinkState.LOCKED_OUT, "a refused log-in closes the gate for everybody"
    first.stop()
    second = with_backlog(make_rig, 4).start()
    wait_for_finished(second, "backup_0.csv")
    assert [batch.values for batch in second.sink.written] == [(2, 3)]


def test_a_sink_that_cannot_recognise_rows_keeps_its_backlog(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    class NotIdempotent(FakeSink):
        idempotent = False

    rig = with_backlog(make_rig, 2, sink=NotIdempotent()).start()
    rig.sink.wait_until(lambda sink: sink.opens == 1)
    rig.clock.wait_for_waiters(2)
    assert rig.sink.attempts == 0
    assert "--accept-duplicates" in caplog.text


def test_a_backlog_that_another_process_holds_is_left_to_it(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 2)
    backlog_of(rig).open_script.extend([RetryableError("held by process 17"), RetryableError("held by process 17")])
    rig.start()
    rig.clock.wait_for_waiters(2)
    assert rig.sink.attempts == 0
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_0.csv")


def test_unreadable_lines_are_named(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    rig = with_backlog(make_rig, 1)
    backlog_of(rig).bad_lines = (BadLine(7, "no timestamp"),)
    rig.start()
    wait_for_finished(rig, "backup_0.csv")
    assert "unreadable line: sink=sink file=backup_0.csv line=7 error=no timestamp" in caplog.text


def sink_that_opened_and_went_away(make_rig: MakeRig, sink: FakeSink | None = None) -> Rig:
    """State ``open`` after a batch of live data was given up, so that the backlog has a file; nothing live waits."""
    rig = with_backlog(make_rig, sink=sink)
    rig.start().accept(batch_of(1, 2))
    rig.observer.wait_for("batch_delivered")
    rig.sink.script.extend(RetryableError("away") for _ in range(4))
    rig.accept(batch_of(3, 4, start_ns=10))
    for attempt, delay in enumerate((1, 2, 4), start=1):
        rig.observer.wait_for("batch_failed", attempt)
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(delay)
    rig.observer.wait_for("batch_diverted")
    rig.clock.wait_for_waiters(2)
    assert rig.state() is SinkState.DOWN
    return rig


def test_that_the_sink_was_opened_long_ago_does_not_bring_it_up(make_rig: MakeRig) -> None:
    rig = sink_that_opened_and_went_away(make_rig)
    rig.sink.script.append(RetryableError("still away"))
    rig.clock.advance(PROBE_SECONDS)
    rig.sink.wait_until(lambda sink: sink.attempts == 6)
    rig.clock.wait_for_waiters(2)
    assert rig.observer.states() == [SinkState.RETRYING, SinkState.DOWN], "the probe failed, and nothing else was seen"
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert rig.observer.states()[2:] == [SinkState.UP]


def test_a_backlog_that_cannot_be_replayed_makes_no_probe(make_rig: MakeRig) -> None:
    class NotIdempotent(FakeSink):
        idempotent = False

    rig = sink_that_opened_and_went_away(make_rig, NotIdempotent())
    backlog, looks = backlog_of(rig), backlog_of(rig).looks
    for look, seconds in enumerate((PROBE_SECONDS, LOOK_INTERVAL_SECONDS), start=1):
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(seconds)
        backlog.wait_for_looks(looks + look)
    assert rig.state() is SinkState.DOWN, "nothing was written"
    rig.accept(batch_of(5, 6, start_ns=20))
    rig.observer.wait_for("batch_delivered", 2)
    assert rig.state() is SinkState.UP, "the probe was left to live data"


def test_a_full_disk_does_not_stop_the_replay_that_empties_it(
    make_rig: MakeRig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "replay").write_text("where the folder of the positions should be", encoding="utf-8")
    rig = with_backlog(make_rig, 5).start()
    wait_for_finished(rig, "backup_0.csv")
    assert [len(batch) for batch in rig.sink.written] == [2, 2, 1], "each row is written once"
    assert caplog.text.count("replay position not stored") == 1


def test_a_short_probe_interval_is_how_often_the_backlog_is_looked_at(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, probe_seconds=0.1).start()
    backlog_of(rig).divert(batch_of(1), Diversion(DivertReason.SINK_DOWN, 0))
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(0.1)
    wait_for_finished(rig, "backup_0.csv")


def test_a_file_that_fails_while_the_sink_is_up_holds_up_no_other(
    make_rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    class Choosy(FakeSink):
        """Refuses a value for a reason that nobody can pin on a row."""

        refused: int | None = 3

        def write(self, batch: Batch) -> WriteOutcome:
            if self.refused in batch.values:
                self.script.append(RetryableError("ORA-20001 on every row"))
            return super().write(batch)

    sink = Choosy()
    rig = with_backlog(make_rig, 5, 1, 1, sink=sink).start()
    for strike in range(1, STRIKES + 1):
        rig.sink.wait_until(lambda sink, attempts=strike + 1: sink.attempts == attempts)  # type: ignore[misc]
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_1.csv", "backup_2.csv")
    assert "replay failed: sink=sink file=backup_0.csv error=ORA-20001" in caplog.text
    sink.refused = None
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_1.csv", "backup_2.csv", "backup_0.csv")
    assert [batch.values for batch in rig.sink.written] == [(0, 1), (0,), (0,), (2, 3), (4,)], "it went on where it was"


def test_an_outage_that_only_the_replay_sees_leaves_the_oldest_file_first(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 1, 1, 1)
    rig.sink.script.extend(RetryableError("away") for _ in range(STRIKES + 1))
    rig.start()
    for attempt in range(1, STRIKES + 2):
        rig.sink.wait_until(lambda sink, attempts=attempt: sink.attempts == attempts)  # type: ignore[misc]
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_0.csv", "backup_1.csv", "backup_2.csv")


def test_a_log_in_that_is_refused_to_the_replay_locks_the_sink_and_only_a_probe_makes_another(
    make_rig: MakeRig,
) -> None:
    sink = FakeSink()
    sink.open_script.append(AuthenticationError("ORA-01017"))
    rig = with_backlog(make_rig, 1, sink=sink).start()
    rig.observer.wait_for("sink_state_changed")
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    backlog_of(rig).wait_for_looks(2)
    rig.clock.wait_for_waiters(2)
    assert (rig.observer.states(), sink.opens) == ([SinkState.LOCKED_OUT], 1)
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert (rig.observer.states()[-1], sink.opens) == (SinkState.UP, 2)


def test_a_pause_between_two_batches_of_a_file_is_kept(make_rig: MakeRig) -> None:
    sink = FakeSink()
    rig = with_backlog(make_rig, 4, sink=sink)

    def pause(batch: Batch) -> WriteOutcome:
        rig.delivery.pause()
        return sink.store(batch)

    sink.script.append(pause)
    rig.start()
    sink.wait_until(lambda _: len(sink.written) == 1)
    rig.clock.wait_for_waiters(2)
    assert len(sink.written) == 1
    rig.delivery.resume()
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert len(sink.written) == 2


def test_a_file_that_is_refused_as_a_whole_stops_no_live_data(make_rig: MakeRig) -> None:
    class OnConflictFail(FakeSink):
        def write(self, batch: Batch) -> WriteOutcome:
            if 2 in batch.values:
                self.script.append(ConfigurationError("on_conflict: fail"))
            return super().write(batch)

    rig = with_backlog(make_rig, 3, 1, sink=OnConflictFail()).start()
    rig.sink.wait_until(lambda sink: sink.attempts == 2)
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_1.csv")
    assert rig.state() is SinkState.UP
    rig.accept(batch_of(7, start_ns=50))
    rig.clock.wait_for_waiters(1)
    rig.clock.advance(1)
    rig.observer.wait_for("batch_delivered", 3)
    assert rig.observer.states() == []


def test_a_file_that_cannot_be_read_holds_up_no_other(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    rig = with_backlog(make_rig, 2, 2)
    backlog_of(rig).unreadable.add("backup_0.csv")
    rig.start()
    backlog_of(rig).wait_for_looks(1)
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_1.csv")
    assert "replay failed: sink=sink file=backup_0.csv" in caplog.text
    assert "Traceback" not in caplog.text, "nobody has to read the code to mend it"


def test_while_the_sink_is_down_the_oldest_file_stays_first(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 1, 1)
    rig.sink.script.append(AuthenticationError("ORA-28001"))
    rig.start()
    rig.observer.wait_for("sink_state_changed")
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv", "backup_1.csv")


def replay_of(rig: Rig) -> ReplayStatus:
    replay = rig.delivery.status().replay
    assert replay is not None
    return replay


def test_without_automatic_replay_the_backlog_waits_until_somebody_asks(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 3, 2, 1, automatic=False).start()
    rig.clock.wait_for_waiters(2)
    assert rig.sink.opens == 0, "there was nothing to do"
    assert (replay_of(rig).automatic, replay_of(rig).backlog_files) == (False, 3)
    rig.delivery.replay_backup("backup_1.csv")
    wait_for_finished(rig, "backup_1.csv")
    rig.delivery.replay_backup("backup_0.csv")
    wait_for_finished(rig, "backup_1.csv", "backup_0.csv")
    rig.clock.wait_for_waiters(2)
    assert (replay_of(rig).inserted, replay_of(rig).backlog_files) == (5, 1)
    assert replay_of(rig).requested_files == ()


def test_rejected_rows_come_back_when_somebody_asks_and_those_refused_again_are_kept(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig)
    backlog = backlog_of(rig)
    backlog.divert(batch_of(1, 2), Diversion(DivertReason.REJECTED, 0, ("ORA-12899: too long",) * 2))
    rig.sink.script.append(lambda _: WriteOutcome(1, 0, (Rejection(1, "ORA-12899", "still too long"),)))
    rig.start()
    rig.clock.wait_for_waiters(2)
    assert rig.sink.attempts == 0, "they do not come back by themselves"
    rig.delivery.replay_backup("rejected_0.csv")
    wait_for_finished(rig, "rejected_0.csv")
    [_, (kept, why)] = backlog.diversions
    assert (kept.values, why.details) == ((2,), ("ORA-12899: still too long",))
    rig.clock.wait_for_waiters(2)
    assert backlog.finished == ["rejected_0.csv"], "those that were refused again wait for a person again"


def test_what_was_asked_for_waits_for_the_sink_and_goes_first(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 1, 1, 1)
    rig.sink.script.append(AuthenticationError("ORA-28001"))
    rig.start()
    rig.observer.wait_for("sink_state_changed")
    rig.clock.wait_for_waiters(2)
    for _ in range(2):
        rig.delivery.replay_backup("backup_2.csv")
    assert replay_of(rig).requested_files == ("backup_2.csv",), "asking again changes nothing"
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_2.csv", "backup_0.csv", "backup_1.csv")


def test_a_file_that_is_not_there_cannot_be_asked_for(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 1, automatic=False)
    with pytest.raises(UnknownBackupError, match=r"no file called '\.\./x' waits in the fallback of sink"):
        rig.delivery.replay_backup("../x")


def test_a_fallback_that_cannot_be_read_back_replays_nothing(make_rig: MakeRig) -> None:
    with pytest.raises(ReplayRefused, match="no fallback whose records can be read back"):
        make_rig().delivery.replay_backup("backup_0.csv")


def test_a_sink_that_cannot_recognise_rows_is_spared_a_replay(make_rig: MakeRig) -> None:
    class NotIdempotent(FakeSink):
        idempotent = False

    rig = with_backlog(make_rig, 2, sink=NotIdempotent(), automatic=False).start()
    rig.clock.wait_for_waiters(2)
    rig.delivery.replay_backup("backup_0.csv")
    rig.sink.wait_until(lambda sink: sink.opens == 1)
    rig.clock.wait_for_waiters(2)
    assert (rig.sink.attempts, replay_of(rig).requested_files) == (0, ()), "what nobody knew when it was asked for"
    with pytest.raises(ReplayRefused, match="--accept-duplicates") as refused:
        rig.delivery.replay_backup("backup_0.csv")
    assert replay_of(rig).refusal == str(refused.value), "so nobody has to ask to learn it"


def test_a_replayed_file_that_is_put_back_is_replayed_whole(make_rig: MakeRig) -> None:
    first = with_backlog(make_rig, 4).start()
    wait_for_finished(first, "backup_0.csv")
    first.clock.wait_for_waiters(2)  # how far it came is forgotten a moment after the end of the file
    first.stop()
    second = with_backlog(make_rig, 4).start()  # into an empty table, as after a restore of the database
    wait_for_finished(second, "backup_0.csv")
    assert len(second.sink.records) == 4


def test_a_file_that_somebody_edited_meanwhile_is_read_from_its_first_row(make_rig: MakeRig) -> None:
    first = with_backlog(make_rig, 4)
    first.sink.script.extend([first.sink.store, AuthenticationError("ORA-28001")])
    first.start()
    first.observer.wait_for("sink_state_changed")
    first.stop()
    second = with_backlog(make_rig, 5).start()
    wait_for_finished(second, "backup_0.csv")
    assert [batch.values for batch in second.sink.written] == [(0, 1), (2, 3), (4,)]


def test_what_is_known_of_a_file_that_went_away_is_forgotten_with_it(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 4)
    backlog = backlog_of(rig)
    rig.sink.script.extend([rig.sink.store, AuthenticationError("ORA-28001")])
    rig.start()
    rig.observer.wait_for("sink_state_changed")
    rig.clock.wait_for_waiters(2)
    looks = backlog.looks
    backlog.finished.append("backup_0.csv")  # somebody moved it away
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    backlog.wait_for_looks(looks + 1)
    rig.clock.wait_for_waiters(2)
    backlog.finished.clear()  # another file with its name
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert [batch.values for batch in rig.sink.written] == [(0, 1), (0, 1), (2, 3)]


def test_a_file_that_was_asked_for_and_went_away_holds_up_no_other(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 1, 1)
    rig.delivery.pause()
    rig.start()
    rig.clock.wait_for_waiters(2)
    rig.delivery.replay_backup("backup_1.csv")
    backlog_of(rig).finished.append("backup_1.csv")
    rig.delivery.resume()
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_1.csv", "backup_0.csv")
    assert (replay_of(rig).requested_files, replay_of(rig).inserted) == ((), 1)


def test_rejected_records_that_a_full_fallback_does_not_take_are_stored_once_it_does(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 2)
    backlog = backlog_of(rig)

    def reject_second(batch: Batch) -> WriteOutcome:
        stored = rig.sink.store(batch.slice(0, 1))
        return WriteOutcome(stored.inserted, stored.duplicates, (Rejection(1, "ORA-12899", "too long"),))

    rig.sink.script.append(reject_second)
    backlog.script.extend([OSError("disk full")] * 2)
    rig.start()
    for tries in (2, 3):
        backlog.wait_until(lambda backlog, tries=tries: backlog.attempts == tries)  # type: ignore[misc]
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(LOOK_INTERVAL_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    assert [batch.values for batch, why in backlog.diversions if why.rejected] == [(1,)]
    replay = replay_of(rig)
    assert (replay.read, replay.inserted, replay.duplicates, replay.rejected) == (2, 1, 0, 1)
    assert rig.sink.attempts == 1, "what the sink has answered is not asked again, and counted once"


def test_at_every_step_of_an_outage_each_record_is_in_one_place(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig)
    rig.sink.script.extend([RetryableError("away")] * 4)
    rig.start().accept(batch_of(1, 2))
    assert rig.delivery.status().whereabouts == Whereabouts(in_memory=2)
    for attempt, delay in enumerate((1, 2, 4), start=1):
        rig.observer.wait_for("batch_failed", attempt)
        rig.clock.wait_for_waiters(2)
        rig.clock.advance(delay)
    rig.observer.wait_for("batch_diverted")
    assert rig.delivery.status().whereabouts == Whereabouts(in_files=2)
    rig.clock.wait_for_waiters(2)
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    rig.clock.wait_for_waiters(2)
    assert rig.delivery.status().whereabouts == Whereabouts(written=2, written_back=2)


def test_a_file_that_is_written_back_in_part_counts_with_its_rest(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    backlog.divert(batch_of(*range(5)), Diversion(DivertReason.SINK_DOWN, 0))
    rig = make_rig(max_records=2, replayable=backlog)
    rig.sink.script.extend([rig.sink.store, AuthenticationError("ORA-28001")])
    rig.start()
    rig.sink.wait_until(lambda sink: sink.attempts == 2)
    rig.clock.wait_for_waiters(2)
    assert rig.delivery.status().whereabouts == Whereabouts(written=2, written_back=2, in_files=3)
    rig.clock.advance(PROBE_SECONDS)
    wait_for_finished(rig, "backup_0.csv")
    rig.clock.wait_for_waiters(2)
    assert rig.delivery.status().whereabouts == Whereabouts(written=5, written_back=5)


def test_rejected_records_can_be_deleted_and_are_counted_but_good_ones_cannot(make_rig: MakeRig) -> None:
    backlog = StockedBacklog()
    backlog.divert(batch_of(1, 2, 3), Diversion(DivertReason.REJECTED, 0, ("ORA-1", "ORA-1", "ORA-1")))
    backlog.divert(batch_of(4), Diversion(DivertReason.SINK_DOWN, 0))
    rig = make_rig(replayable=backlog, automatic_replay=False)
    with pytest.raises(ReplayRefused, match="good records"):
        rig.delivery.delete_rejected("backup_1.csv")
    with pytest.raises(UnknownBackupError):
        rig.delivery.delete_rejected("rejected_9.csv")
    assert rig.delivery.delete_rejected("rejected_0.csv") == 3
    status = rig.delivery.status()
    assert status.replay is not None
    assert status.replay.deleted == 3
    assert status.whereabouts == Whereabouts(in_files=1)


def test_a_fallback_that_deletes_nothing_says_so(make_rig: MakeRig) -> None:
    rig = with_backlog(make_rig, 1)
    with pytest.raises(ReplayRefused, match="delete the file by hand"):
        rig.delivery.delete_rejected("backup_0.csv")
