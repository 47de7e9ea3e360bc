"""Replayer: writes the backlog of a sink's fallback back into the sink, next to live data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from agent_core.api import (
    AgentError,
    AuthenticationError,
    BacklogFile,
    Completing,
    Discarding,
    Finding,
    Replayable,
    ReplayRefused,
    ReplayStatus,
    RetryableError,
    Severity,
    SinkState,
    Stock,
    Stocked,
    UnknownBackupError,
    WriteOutcome,
)
from agent_core.config.model import Replay, SinkConfig
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import WRITABLE, ProbeIntervals, SinkGate
from agent_core.runtime.error_words import repr_of, text_of
from agent_core.runtime.replay.file import FileLedger, ReplayFile, backlog_key
from agent_core.runtime.replay.file_replay import (
    NO_UNIQUE_KEY,
    FileReplay,
    ReplayInterrupted,
    ReplayRules,
    ReplayStopped,
    WriteFailed,
)
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.rejected import RejectedRecords
from agent_core.runtime.replay.suspects import Suspects
from agent_core.runtime.replay.trend import Trend

LOOK_INTERVAL_SECONDS = 5.0
"""How often the backlog is looked at while records wait, or every probe interval where that is shorter."""

IDLE_LOOK_INTERVAL_SECONDS = 60.0
"""The same while it has no good records to be written back: only others can put files there unnoticed."""

BACKLOG_VALID_SECONDS = 30.0
"""How long the files that one look has found are replayed before the next look. The oldest come first, so what has come
since can wait; what somebody asks for is looked for at once."""

STUCK_NEXT_STEP = (
    "look for replay failed in the log and fix what it says; if there is none, records come faster than they are "
    "written back: raise replay_rate of the fallback, or the number of workers"
)

STRIKES = 3
"""After so many failures while the sink is up it is the file, not the sink."""


class Replayer:
    """One thread per sink: files that somebody asked for, then the oldest. Rejected records only on request.

    While the sink is down it probes like any worker, if there is something to replay. While it is up, a file that fails
    lets the others pass.

    It has a ledger of its own, ``read = inserted + duplicates + rejected + remaining``: the records were counted as
    diverted.
    """

    def __init__(
        self,
        context: SinkContext,
        config: SinkConfig,
        sink: SharedSink,
        fallback: Fallback,
        replayable: Replayable,
        gate: SinkGate,
        intervals: ProbeIntervals,
        position: ReplayPosition,
    ) -> None:
        """``replayable`` is the sink of ``fallback``, which the configuration names."""
        assert config.fallback is not None
        self._context = context
        self._clock = context.clock
        self._sink = sink
        self._fallback = fallback
        self._replayable = replayable
        self._gate = gate
        self._intervals = intervals
        self._position = position
        self._suspects = Suspects(STRIKES)
        self._replay = FileReplay(
            context,
            self._write,
            gate.sleep,
            RejectedRecords(context, [fallback]),
            self._suspects,
            ReplayRules(config.batch.max_records, config.fallback.replay_rate),
        )
        self._look_seconds = min(LOOK_INTERVAL_SECONDS, intervals.normal)
        self._stopped = False
        self._idle = False
        """Whether the last look found nothing to do, now or later."""
        self._diverted = 0
        self._trend = Trend(context.clock)
        # Under the gate's lock:
        self._requested: list[str] = []
        """Files that somebody asked for, the first first."""
        self._woken = False
        self._used_at: float | None = None
        """When the fallback was first given something after the last look began; it may have begun a file in vain."""
        fallback.used = self._note_use
        self._status = ReplayStatus(automatic=config.fallback.replay is Replay.AUTOMATIC)
        self._taken: dict[str, tuple[bool, int]] = {}
        """By the key of a file that is still in the backlog: whether it is a rejected one; its records written back."""
        self._retried = 0
        """Records read from files of rejected ones."""

    def status(self) -> ReplayStatus:
        """A snapshot."""
        with self._gate.changed:
            stock = self._waiting()
            return replace(
                self._status,
                requested_files=tuple(self._requested),
                refusal=self._refusal(),
                waiting_records=max(0, stock.backup_records),
                rejected_records=max(0, stock.rejected_records),
                counted=stock.counted,
            )

    def look(self) -> None:
        """See whether the backlog shrinks; called about once a second, whatever the replay does."""
        status, sink_id = self.status(), self._context.sink_id
        may_shrink = status.automatic and status.refusal is None and self._gate.state is SinkState.UP
        self._trend.see(status.waiting_records, may_shrink=may_shrink)
        if seconds := self._trend.stuck_seconds():
            self._context.log.warning(
                "backlog not shrinking",
                sink=sink_id,
                waiting_records=status.waiting_records,
                elapsed_seconds=seconds,
                next_step=STUCK_NEXT_STEP,
                every=f"stuck {sink_id}",
            )

    def advice(self) -> Sequence[Finding]:
        """That the backlog does not shrink although the sink is up."""
        if not (seconds := self._trend.stuck_seconds()):
            return ()
        waiting = self.status().waiting_records
        what = "1 record waits" if waiting == 1 else f"{waiting:,} records wait"
        message = f"{what} in files, no fewer than {seconds / 60:.0f} minutes ago, although the sink is up"
        return (Finding(Severity.WARNING, "backlog", message, STUCK_NEXT_STEP),)

    def _waiting(self) -> Stock:
        """What lies in the fallback, without what was written back of the files that are still in it.

        Of a fallback that does not know what it holds: what this process gave it and did not take back.
        """
        if isinstance(self._replayable, Stocked):
            try:
                stock = self._replayable.stock()
            except BaseException as error:  # a fallback's defect must not blind the status
                sink_id = self._context.sink_id
                self._context.log.error(
                    "stock unknown", sink=sink_id, error=repr_of(error), every="stock", exc_info=error
                )
            else:
                taken = self._taken.values()
                return replace(
                    stock,
                    backup_records=stock.backup_records - sum(count for rejected, count in taken if not rejected),
                    rejected_records=stock.rejected_records - sum(count for rejected, count in taken if rejected),
                )
        ledger, status = self._context.ledger.snapshot(self._context.sink_id), self._status
        return Stock(
            backup_records=ledger.diverted - (status.read - self._retried),
            rejected_records=ledger.rejected + status.rejected - self._retried,
        )

    def backlog(self) -> Sequence[BacklogFile]:
        """The files that wait, those of rejected records included; reads the disk."""
        return self._replayable.backlog()

    def request(self, file: str) -> None:
        """Replay ``file`` next; from any thread. Raises UnknownBackupError, ReplayRefused or OSError."""
        if (refusal := self._refusal()) is not None:
            raise ReplayRefused(refusal)
        if file not in {waiting.name for waiting in self._replayable.backlog()}:
            raise UnknownBackupError(f"no file called {file!r} waits in the fallback of {self._context.sink_id}")
        with self._gate.changed:
            if file not in self._requested:
                self._requested.append(file)
            self._woken = True
            self._gate.changed.notify_all()

    def delete_rejected(self, file: str) -> int:
        """Delete a file of rejected records; from any thread; how many records it held.

        Raises UnknownBackupError, ReplayRefused, SinkError or OSError.
        """
        sink_id, replayable = self._context.sink_id, self._replayable
        if not isinstance(replayable, Discarding):
            raise ReplayRefused(f"the fallback of {sink_id} deletes nothing; delete the file by hand")
        found = next((waiting for waiting in replayable.backlog() if waiting.name == file), None)
        if found is None:
            raise UnknownBackupError(f"no file called {file!r} waits in the fallback of {sink_id}")
        if not found.rejected:
            raise ReplayRefused(f"{file} holds good records: they are written back, not deleted")
        with self._gate.changed:
            if self._status.current_file == file:
                raise ReplayRefused(f"{file} is being replayed now")
            self._requested = [name for name in self._requested if name != file]
        records = replayable.discard(file)
        with self._gate.changed:
            _, written_back = self._taken.pop(backlog_key(found), (True, 0))
            records = max(0, records - written_back)
            self._status = replace(self._status, deleted=self._status.deleted + records)
        self._context.log.warning("rejected records deleted", sink=sink_id, file=file, records=records)
        return records

    def _refusal(self) -> str | None:
        if self._sink.idempotent is not False:
            return None
        return (
            f"{self._context.sink_id} {NO_UNIQUE_KEY}; "
            "if that is acceptable, stop the agent and run: tagferry replay --accept-duplicates"
        )

    def stop(self) -> None:
        """Begin no further batch: the rest of the shutdown's time belongs to live data."""
        self._stopped = True

    def run(self) -> None:
        """Replay until stopped; the body of the replay thread."""
        while not self._stopped:
            try:
                self._catch_up()
            except BaseException as error:
                defect = None if isinstance(error, (AgentError, OSError)) else error
                self._context.log.warning(
                    "backlog unavailable", sink=self._context.sink_id, error=error, every="backlog", exc_info=defect
                )
            finally:
                self._gate.give_back(self)
            if not self._rest():
                return

    def _rest(self) -> bool:
        """Wait until it is time to look again; False once the gate is closed.

        That is at once when somebody asks for a file, or the sink for which files wait can be written to again; and
        soon after the fallback was given something.
        """
        until = self._clock.monotonic() + (IDLE_LOOK_INTERVAL_SECONDS if self._idle else self._look_seconds)
        with self._gate.changed:
            was_writable = self._gate.locked_state() in WRITABLE
            while not self._gate.locked_closed() and not self._woken:
                if self._idle and self._used_at is not None:
                    self._idle, until = False, min(until, self._used_at + self._look_seconds)
                if not self._idle and not was_writable and self._gate.locked_state() in WRITABLE:
                    break
                if (left := until - self._clock.monotonic()) <= 0:
                    break
                self._clock.wait(self._gate.changed, left)
            self._woken = False
            return not self._gate.locked_closed()

    def _note_use(self) -> None:
        """The fallback was given something; from any thread."""
        with self._gate.changed:
            if self._used_at is None:
                self._used_at = self._clock.monotonic()
            if self._idle:
                self._gate.changed.notify_all()

    def _catch_up(self) -> None:
        self._idle = False
        self._fallback.open()
        while not self._stopped and self._replay_what_waits():
            pass

    def _replay_what_waits(self) -> bool:
        """Look at the backlog and replay it file after file; True when it is worth while to look again at once.

        One look serves many files, so that a record costs the same however many files wait.
        """
        with self._gate.changed:
            self._woken, self._used_at = False, None
        backlog = self._replayable.backlog()
        look_again_at = self._clock.monotonic() + BACKLOG_VALID_SECONDS
        files = {backlog_key(file): file for file in backlog}
        self._position.keep_only(files)
        self._replay.forget_all_but(files)
        self._set_waiting(sum(not file.rejected for file in backlog))
        with self._gate.changed:
            self._taken = {key: (files[key].rejected, count) for key, count in self._position.all().items()}
        wanted = self._wanted(backlog)
        for index in self._suspects.order([backlog_key(file) for file in wanted]):
            file = wanted[index]
            if self._stopped or not self._ready() or not self._try(file):
                return False
            if not file.rejected:
                self._set_waiting(self._status.backlog_files - 1)
            if self._woken or self._clock.monotonic() >= look_again_at:
                return True
        if wanted or self._complete_open_file(backlog):
            return True
        self._idle = self._holds_only(backlog)
        return False

    def _holds_only(self, backlog: Sequence[BacklogFile]) -> bool:
        """Whether the fallback has all its good records in these files, and no open one that is to be completed.

        Rejected records are for the operator, whose look at the files completes theirs.
        """
        if not isinstance(self._replayable, Stocked):
            return False
        stock = self._replayable.stock()
        return stock.counted and stock.backup_records == sum(file.records or 0 for file in backlog if not file.rejected)

    def _complete_open_file(self, backlog: Sequence[BacklogFile]) -> bool:
        """When the sink is up and no record has come since the last look, the open file need not become old first."""
        diverted = self._context.ledger.snapshot(self._context.sink_id).diverted
        unchanged, self._diverted = diverted == self._diverted, diverted
        idle = unchanged and self._status.automatic and not any(not file.rejected for file in backlog)
        if not idle or not self._sink.idempotent or self._gate.state is not SinkState.UP or self._stopped:
            return False
        return isinstance(self._replayable, Completing) and self._replayable.complete()

    def _set_waiting(self, files: int) -> None:
        with self._gate.changed:
            self._status = replace(self._status, backlog_files=files)

    def _wanted(self, backlog: Sequence[BacklogFile]) -> list[BacklogFile]:
        """Files to replay: those asked for in the order of asking, then those that are replayed automatically."""
        by_name = {file.name: file for file in backlog}
        with self._gate.changed:
            self._requested = [name for name in self._requested if name in by_name]
            requested = [by_name.pop(name) for name in self._requested]
        if self._status.automatic:
            requested += [file for file in by_name.values() if not file.rejected]
        return requested

    def _ready(self) -> bool:
        """True when the sink is open, may be written to, and recognises records that it already has.

        A sink that was open before shows nothing: whether it is up again is for the write to find.
        """
        if self._sink.idempotent is not False:
            if not self._admitted() or not self._sink.open(self, self._failed_to_open):
                return False
            if self._sink.idempotent:
                return True
            self._gate.up(self, "the sink opened")
        with self._gate.changed:
            self._requested.clear()
        self._context.log.warning("backlog kept", sink=self._context.sink_id, error=self._refusal(), every="backlog")
        return False

    def _try(self, file: BacklogFile) -> bool:
        """Replay a file; False when it was not replayed to its end: then it is time to rest."""
        self._set_current(file.name)
        try:
            replayed = ReplayFile.of_backlog(file, self._replayable, self._position)
            ledger = FileLedger(file.name, next_record=replayed.next_record())
            self._replay.run(replayed, ledger, partial(self._count, replayed, ledger, self._status.repeated))
            with self._gate.changed:
                self._taken.pop(replayed.key, None)
        except BaseException:  # the log has it
            return False
        finally:
            self._set_current(None)
        return True

    def _set_current(self, file: str | None) -> None:
        with self._gate.changed:
            self._status = replace(self._status, current_file=file)

    def _count(self, file: ReplayFile, ledger: FileLedger, repeated_before: int, outcome: WriteOutcome) -> None:
        with self._gate.changed:
            self._status = replace(self._status.plus(outcome), repeated=repeated_before + ledger.repeated)
            self._taken[file.key] = file.rejected, ledger.next_record
            self._retried += outcome.total * file.rejected

    def _write(self, flight: Flight) -> None:
        """One attempt, if the gate admits it; the next one is made when it is the file's turn again."""
        if self._stopped:
            raise ReplayInterrupted("the agent stops")
        if not self._admitted():
            raise ReplayStopped("the sink may not be written to now")
        failures: list[BaseException] = []
        if self._sink.attempt(self, flight, failures.append):
            self._gate.up(self, "a replayed write returned")
            return
        [error] = failures
        # A batch may be refused as a whole for what is in the file, such as a conflict with `on_conflict: fail`. Live
        # data must not stop for that.
        self._close_gate(error, SinkState.LOCKED_OUT, SinkState.THROTTLED)
        retry_in = max(self._look_seconds, self._gate.next_probe_seconds() or 0.0)
        self._context.announce_failure(flight, error, retry_in)
        if isinstance(error, AuthenticationError) or (isinstance(error, RetryableError) and not self._gate.writable):
            raise ReplayStopped(text_of(error)) from error
        raise WriteFailed(text_of(error)) from error

    def _failed_to_open(self, error: BaseException) -> None:
        self._close_gate(error, SinkState.LOCKED_OUT, SinkState.THROTTLED, SinkState.MISCONFIGURED)
        self._context.log.warning("sink not opened", sink=self._context.sink_id, error=error, every="open")

    def _admitted(self) -> bool:
        with self._gate.changed:
            return self._gate.locked_state() in WRITABLE or self._gate.locked_claim_probe(self)

    def _close_gate(self, error: BaseException, *concern_live_data: SinkState) -> None:
        """After a failed probe, or one of these. A plain outage is for the live workers to find."""
        state, probe_in = self._intervals.after(error)
        with self._gate.changed:
            probing = self._gate.locked_is_prober(self)
        if probing or state in concern_live_data:
            self._gate.down(self, state, error, probe_in)
