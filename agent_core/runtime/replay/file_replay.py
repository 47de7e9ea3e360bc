"""FileReplay: writes one backup file after another into a sink.

The automatic replay and ``tagferry replay`` both use it, so this is where it stands what a replay does::

    read -> write -> store what was rejected -> announce -> store the position ... -> finish

Whatever ends the process, no record is passed over, and at most one portion of the file is written again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass

from agent_core.api import AgentError, BackupChangedError, ReplayRefused, RetryableError, SinkError, WriteOutcome
from agent_core.runtime.delivery.fallback import FallbackFailed
from agent_core.runtime.delivery.flight import NOTHING_WRITTEN, Flight
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.replay.file import FileLedger, ReplayFile
from agent_core.runtime.replay.portion import Portion, portions
from agent_core.runtime.replay.record_filter import Choose
from agent_core.runtime.replay.rejected import RejectedRecords
from agent_core.runtime.replay.suspects import Suspects

CHANGES_ALLOWED = 3
"""How often in one try a file that was changed while it was read is begun again."""

NO_UNIQUE_KEY = "has no unique key, so a replay would insert existing records again"
"""Why nothing is replayed into a sink that is not idempotent; it follows the sink's id."""


class ReplayInterrupted(AgentError):
    """Somebody asked the replay to stop."""


class ReplayStopped(AgentError):
    """The sink takes no records now, whatever file they come from; its cause, if it has one, says why."""


class WriteFailed(AgentError):
    """The sink did not take a batch, as its cause says; it may take the records of another file."""


Write = Callable[[Flight], None]
"""Return once the flight has its outcome and every failed attempt is announced.

Raises WriteFailed, ReplayStopped, ReplayInterrupted or ReplayRefused.
"""

Sleep = Callable[[float], bool]
"""Wait so many seconds; False when the replay is to stop."""


@dataclass(frozen=True, slots=True)
class ReplayRules:
    """``choose`` picks the records of a batch that are to be written, by default all of them.

    ``begin_again``: a file that was changed while it was read is read again from its first record. That needs a sink
    that recognises what it has.
    """

    max_records: int
    records_per_second: float = math.inf
    choose: Choose = lambda batch: batch
    begin_again: bool = True


class FileReplay:
    """Used from one thread.

    A batch keeps its flight until its rejected records are stored, in whatever try of the file: attempts count on, and
    a write that has returned is not repeated.
    """

    def __init__(
        self,
        context: SinkContext,
        write: Write,
        sleep: Sleep,
        rejected: RejectedRecords,
        suspects: Suspects,
        rules: ReplayRules,
    ) -> None:
        self._context = context
        self._write = write
        self._sleep = sleep
        self._rejected = rejected
        self._suspects = suspects
        self._rules = rules
        self._log = context.log
        self._flights: dict[str, tuple[int, Flight]] = {}
        """By the file's key: the record where the batch begins, and what was tried with it."""

    def run(self, file: ReplayFile, ledger: FileLedger, passed: Callable[[WriteOutcome], None]) -> None:
        """Write ``file`` from the ledger's ``next_record`` to its end and finish it; ``passed`` is told of each write.

        Raises ReplayInterrupted, ReplayStopped or ReplayRefused when no file can go in now. Whatever else it raises is
        about this one: others may pass. Failures are logged.
        """
        try:
            self._run_unchanged(file, ledger, passed)
        except (ReplayInterrupted, ReplayRefused, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._judge(file, error)
            raise

    def _run_unchanged(self, file: ReplayFile, ledger: FileLedger, passed: Callable[[WriteOutcome], None]) -> None:
        """Begin a file again that somebody has changed; one that is changed all the time lets the others pass."""
        tries = CHANGES_ALLOWED if self._rules.begin_again else 0
        while True:
            try:
                self._run(file, ledger, passed)
            except BackupChangedError:
                file.end()
                self._flights.pop(file.key, None)
                ledger.begin_again()
                if not tries:
                    raise
                tries -= 1
                self._log.warning(
                    "backup file changed",
                    sink=self._context.sink_id,
                    file=file.name,
                    next_step="nothing: it is read again from its first record; do not edit files that wait for replay",
                    every="changed",
                )
            else:
                return

    def forget_all_but(self, keys: Collection[str]) -> None:
        """Only files with these keys are there any more."""
        self._suspects.keep_only(keys)
        self._flights = {key: flight for key, flight in self._flights.items() if key in keys}

    def _judge(self, file: ReplayFile, error: BaseException) -> None:
        """Log a failure. Raises ReplayStopped when it seems to be the sink's."""
        cause = error.__cause__ if isinstance(error, (ReplayStopped, WriteFailed)) else error
        if isinstance(cause, SinkError):
            self._log.warning("replay failed", sink=self._context.sink_id, file=file.name, error=cause, every="sink")
        elif cause is not None:
            defect = None if isinstance(cause, (AgentError, FallbackFailed, OSError)) else cause
            self._log.error(
                "replay failed", sink=self._context.sink_id, file=file.name, error=cause, every="file", exc_info=defect
            )
        if isinstance(error, ReplayStopped):
            return
        unclear = isinstance(error, WriteFailed) and isinstance(cause, RetryableError)
        if not self._suspects.add(file.key, unclear=unclear):
            raise ReplayStopped(str(error)) from error

    def _run(self, file: ReplayFile, ledger: FileLedger, passed: Callable[[WriteOutcome], None]) -> None:
        sink_id, clock, start = self._context.sink_id, self._context.clock, ledger.next_record
        rules = self._rules
        self._log.info("replay started", sink=sink_id, file=file.name, from_record=start, every="started")
        for portion in portions(file.read(start, rules.max_records), start, rules.choose, rules.max_records):
            began = clock.monotonic()
            outcome = self._deliver(file, portion)
            if self._store_position(file, portion.stop):
                ledger.next_record = portion.stop
            for bad in portion.bad_lines:  # now that it is not read again, so that each is told once
                self._log.error(
                    "unreadable line", sink=sink_id, file=file.name, line=bad.line, error=bad.message, every="line"
                )
            ledger.add(portion.read, outcome, len(portion.bad_lines))
            passed(outcome)
            if not self._sleep(max(0.0, outcome.total / rules.records_per_second - (clock.monotonic() - began))):
                raise ReplayInterrupted("stopped between two writes")
        ledger.complete()
        if file.finish is not None and (not file.filtered or (start == 0 and not ledger.skipped)):
            file.finish()
            ledger.moved = True
            file.end()
        self._log.info(
            "replay finished",
            sink=sink_id,
            file=file.name,
            records=ledger.read,
            inserted=ledger.inserted,
            duplicates=ledger.duplicates,
            rejected=ledger.rejected,
            every="finished",
        )

    def _deliver(self, file: ReplayFile, portion: Portion) -> WriteOutcome:
        if not portion.batches:
            return NOTHING_WRITTEN
        start, flight = self._flights.get(file.key, (-1, None))
        if flight is None or start != portion.start:
            flight = Flight(portion.batch())
            self._flights[file.key] = portion.start, flight
        if flight.outcome is NOTHING_WRITTEN:
            self._write(flight)
            self._suspects.written()
        self._rejected.store(flight)
        del self._flights[file.key]
        self._context.announce_delivery(flight, file.name)
        return flight.outcome

    def _store_position(self, file: ReplayFile, next_record: int) -> bool:
        """False when it could not be stored. That costs time later; a full disk must not stop what empties it."""
        try:
            file.position.keep(file.key, next_record)
        except OSError as error:
            self._log.warning("replay position not stored", sink=self._context.sink_id, error=error, every="position")
            return False
        return True
