"""Replayer: writes the backlog of a sink's fallback back into the sink, beside live data."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent_core.api import (
    AuthenticationError,
    BacklogFile,
    Batch,
    RateLimit,
    Replayable,
    ReplayRefused,
    ReplayStatus,
    RetryableError,
    SinkError,
    SinkState,
    UnknownBackupError,
)
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import WRITABLE, ProbeIntervals, SinkGate
from agent_core.runtime.replay.position import ReplayPosition, position_key

LOOK_INTERVAL_SECONDS = 5.0
"""How often the backlog is looked at, or every probe interval where that is shorter; listing a folder is cheap."""

STRIKES = 3
"""After so many failures while the sink is up it is the file, not the sink."""


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """``records_per_second`` bounds the replay, so that live data keeps its share of the sink.

    ``automatic`` False: only files that somebody asks for are written back.
    """

    max_records: int
    records_per_second: float
    probe_intervals: ProbeIntervals
    automatic: bool


class Replayer:
    """One thread per sink: files that somebody asked for, then the oldest. Rejected rows only when asked for.

    While the sink is down it probes like any worker, if there is something to replay. A file that fails while the sink
    is up lets the others pass: rows that the database refuses for a reason that nobody can pin on a row, or a file that
    cannot be read, hold up no other.

    Its ledger is its own: ``read = inserted + duplicates + rejected + remaining``; the rows were counted as diverted.
    """

    def __init__(
        self,
        context: SinkContext,
        sink: SharedSink,
        replayable: Replayable,
        diverter: Diverter,
        gate: SinkGate,
        position: ReplayPosition,
        settings: ReplaySettings,
    ) -> None:
        self._context = context
        self._clock = context.clock
        self._sink = sink
        self._replayable = replayable
        self._diverter = diverter
        self._gate = gate
        self._position = position
        self._settings = settings
        self._log = context.log.logger
        self._faults = RateLimit(context.clock)
        self._look_seconds = min(LOOK_INTERVAL_SECONDS, settings.probe_intervals.normal)
        self._stopped = False
        self._tries = 0
        self._failed_tries: dict[str, int] = {}
        """Files that failed while the sink was up, with the number of the try."""
        self._strikes: Counter[str] = Counter()
        """Failures of each file that may be an outage's, too."""
        self._blamed = False
        self._returned = True
        """Whether a write of the replay has returned since a file was blamed."""
        self._file = ""
        self._requested: list[str] = []
        """Files that somebody asked for, the first first; under the gate's lock."""
        self._woken = False
        self._lock = threading.Lock()
        self._status = ReplayStatus(automatic=settings.automatic)

    def status(self) -> ReplayStatus:
        """A snapshot."""
        with self._gate.changed:
            requested = tuple(self._requested)
        with self._lock:
            return replace(self._status, requested_files=requested, refusal=self._refusal())

    def backlog(self) -> Sequence[BacklogFile]:
        """The files that wait, rejected rows included; reads the disk."""
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

    def _refusal(self) -> str | None:
        if self._sink.idempotent is not False:
            return None
        return (
            f"{self._context.sink_id} cannot recognise rows that it has, so a replay might double some; "
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
                if (repeats := self._faults.allow("defect")) is not None:
                    defect = None if isinstance(error, (OSError, SinkError)) else error
                    self._log.error(
                        "replay failed and goes on: sink=%s file=%s error=%r%s",
                        self._context.sink_id,
                        self._file,
                        error,
                        repeats,
                        exc_info=defect,
                    )
            finally:
                self._gate.give_back(self)
            if not self._rest():
                return

    def _rest(self) -> bool:
        """Wait until it is time to look again, or somebody asks for a file; False once the gate is closed."""
        until = self._clock.monotonic() + self._look_seconds
        with self._gate.changed:
            while not self._gate.locked_closed() and not self._woken and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._gate.changed, left)
            self._woken = False
            return not self._gate.locked_closed()

    def _catch_up(self) -> None:
        while not self._stopped and self._diverter.ready():
            backlog = self._replayable.backlog()
            self._position.keep_only([position_key(file) for file in backlog])
            with self._lock:
                self._status = replace(self._status, backlog_files=sum(not file.rejected for file in backlog))
            wanted = self._wanted(backlog)
            if not wanted or not self._ready() or not self._try(self._next(wanted)):
                return

    def _wanted(self, backlog: Sequence[BacklogFile]) -> list[BacklogFile]:
        """Files to replay: those asked for in the order of asking, then those that come back by themselves."""
        by_name = {file.name: file for file in backlog}
        with self._gate.changed:
            self._requested = [name for name in self._requested if name in by_name]
            requested = [by_name.pop(name) for name in self._requested]
        if self._settings.automatic:
            requested += [file for file in by_name.values() if not file.rejected]
        return requested

    def _next(self, wanted: Sequence[BacklogFile]) -> BacklogFile:
        """The first file that has not failed, else the one whose failure is the longest ago."""
        names = {file.name for file in wanted}
        self._failed_tries = {name: number for name, number in self._failed_tries.items() if name in names}
        self._strikes = Counter({name: count for name, count in self._strikes.items() if name in names})
        return min(wanted, key=lambda file: self._failed_tries.get(file.name, 0))

    def _try(self, file: BacklogFile) -> bool:
        """Replay one file; False when it was not replayed to its end."""
        self._tries += 1
        self._file = file.name
        self._blamed = False
        with self._lock:
            self._status = replace(self._status, current_file=file.name)
        try:
            complete = self._replay(file)
        except BaseException:
            self._blamed = True
            raise
        finally:
            with self._lock:
                self._status = replace(self._status, current_file=None)
            if self._blamed:
                self._failed_tries[file.name] = self._tries
        if complete:
            self._strikes.pop(file.name, None)
        return complete

    def _ready(self) -> bool:
        """True when the sink is open, may be written to, and recognises rows that it already has.

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
        if (repeats := self._faults.allow("idempotent")) is not None:
            self._log.warning(
                "backlog kept: sink=%s%s; it cannot recognise rows it has, so a replay might double some; "
                "run: tagferry replay --accept-duplicates",
                self._context.sink_id,
                repeats,
            )
        return False

    def _admitted(self) -> bool:
        with self._gate.changed:
            return self._gate.locked_state() in WRITABLE or self._gate.locked_claim_probe(self)

    def _replay(self, file: BacklogFile) -> bool:
        """One whole file; False when the sink or the fallback stopped it, and it goes on there later."""
        start = self._position.next_record(position_key(file))
        if (repeats := self._faults.allow("began")) is not None:
            self._log.info(
                "replay began: sink=%s file=%s from_record=%d%s", self._context.sink_id, file.name, start, repeats
            )
        for read in self._replayable.read(file.name, start, self._settings.max_records):
            began = self._clock.monotonic()
            if self._stopped or (read.batch and not self._write(read.batch)):
                return False
            for line in read.bad_lines:  # after the write, so that each is named once
                if (repeats := self._faults.allow("line")) is not None:
                    self._log.error(
                        "line found unreadable: sink=%s file=%s line=%d error=%s%s",
                        self._context.sink_id,
                        file.name,
                        line.line,
                        line.message,
                        repeats,
                    )
            self._keep_position(position_key(file), read.next_record)
            took = self._clock.monotonic() - began
            if not self._gate.sleep(max(0.0, len(read.batch) / self._settings.records_per_second - took)):
                return False
        self._replayable.finish(file.name)
        self._position.drop(position_key(file))
        if (repeats := self._faults.allow("finished")) is not None:
            self._log.info("replay finished: sink=%s file=%s%s", self._context.sink_id, file.name, repeats)
        return True

    def _keep_position(self, file: str, next_record: int) -> None:
        try:
            self._position.keep(file, next_record)
        except OSError as error:
            if (repeats := self._faults.allow("position")) is not None:
                self._log.warning(
                    "replay position not kept: sink=%s error=%s%s; a restart would begin the file anew",
                    self._context.sink_id,
                    error,
                    repeats,
                )

    def _write(self, batch: Batch) -> bool:
        if not self._admitted():
            return False
        flight = Flight(batch)
        if not self._sink.attempt(self, flight, self._failed):
            return False
        self._gate.up(self, "a replayed write returned")
        self._returned = True
        outcome = flight.outcome
        if outcome.rejected and self._diverter.store_rejected(flight) is None:
            self._blamed = True  # others may have no rows to reject
            return False
        with self._lock:
            self._status = self._status.plus(outcome)
        self._context.events.batch_delivered(
            self._context.sink_id, batch, outcome, flight.attempts, flight.elapsed_seconds, replayed_file=self._file
        )
        return True

    def _blame(self, error: BaseException) -> None:
        """Decide whether the file is to let others pass: oldest first, unless this one cannot go in."""
        if not isinstance(error, RetryableError):
            self._blamed = not isinstance(error, AuthenticationError)
        elif self._gate.state in WRITABLE:  # a lost connection, or rows that nobody could tell from the good ones
            if self._failed_tries and not self._returned:
                self._failed_tries.clear()  # the next file fails as well: it is the sink, and the oldest is first again
                self._strikes.clear()
            self._strikes[self._file] += 1
            self._blamed = self._strikes[self._file] % STRIKES == 0
        if self._blamed:
            self._returned = False

    def _failed(self, error: BaseException) -> None:
        """A write failed. What is refused as a whole may be so because of what is in the file, such as a conflict with
        ``on_conflict: fail``: live data must not stop for that.
        """
        self._close_gate(error, SinkState.LOCKED_OUT, SinkState.THROTTLED)
        self._blame(error)
        self._tell(error)

    def _failed_to_open(self, error: BaseException) -> None:
        self._close_gate(error, SinkState.LOCKED_OUT, SinkState.THROTTLED, SinkState.MISCONFIGURED)
        self._tell(error)

    def _close_gate(self, error: BaseException, *concern_live_data: SinkState) -> None:
        """After a failed probe, or one of these. A plain outage is for the live workers to find."""
        state, probe_in = self._settings.probe_intervals.after(error)
        with self._gate.changed:
            probing = self._gate.locked_is_prober(self)
        if probing or state in concern_live_data:
            self._gate.down(self, state, error, probe_in)

    def _tell(self, error: BaseException) -> None:
        if (repeats := self._faults.allow("write")) is not None:
            defect = None if isinstance(error, SinkError) else error
            self._log.warning(
                "replay stopped for now: sink=%s file=%s error=%s%s",
                self._context.sink_id,
                self._file,
                error,
                repeats,
                exc_info=defect,
            )
