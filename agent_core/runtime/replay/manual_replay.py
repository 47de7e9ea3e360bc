"""ManualReplay: writes backup files into a sink when somebody asks for it; can be stopped and gone on with."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from agent_core.api import EMPTY, Batch, Clock, RateLimit, ReplayRefused, SinkError
from agent_core.config.model import AgentConfig
from agent_core.registry import Registry
from agent_core.runtime.components import Components
from agent_core.runtime.deadline import run_until
from agent_core.runtime.delivery.fallback import Fallback, FallbackFailed
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.replay.file import FilePreview
from agent_core.runtime.replay.record_filter import RowFilter
from agent_core.runtime.replay.rejected import RejectedRows
from agent_core.runtime.replay.report import FileLedger, ReplayEnd, ReplayPreview, ReplayProgress, ReplayResult
from agent_core.runtime.replay.selection import BackupSelection, replay_target
from agent_core.runtime.replay.writer import ReplayInterrupted, ReplayStopped, ReplayWriter

BESIDE_SUFFIX = ".replay"
"""Rejected rows go to a fallback with the sink's id and this, while a running agent holds the sink's own."""

PREVIEW_RECORDS = 5000
CLOSE_SECONDS = 10.0
WAIT_SECONDS = 0.25
"""On Windows a wait is not interrupted by Ctrl-C, so none is longer than this."""

SKIPPED_AT_ONCE = 100_000
"""Rows passed over, after which the position is kept although nothing was written."""

Watch = Callable[[ReplayProgress], None]
"""Told of each step, hundreds of times a second."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is asked for. ``sink_id`` None: the only sink there is. No ``paths``: the sink's own backlog.

    ``rejected``: files of rejected rows, too. ``restart``: forget how far an interrupted replay came. At most
    ``records_per_second`` are written, None for as many as the sink takes. ``preview_only``: nothing will be written,
    so nothing need be locked.
    """

    rows: RowFilter
    sink_id: str | None = None
    paths: tuple[Path, ...] = ()
    rejected: bool = False
    accept_duplicates: bool = False
    restart: bool = False
    records_per_second: float | None = None
    preview_only: bool = False


@dataclass(slots=True)
class _Pending:
    """Rows read and not yet written: at most one write's worth, and what was passed over between them."""

    batches: list[Batch] = field(default_factory=list)
    wanted: int = 0
    read: int = 0
    next_record: int = 0

    def add(self, chosen: Batch, read: int, next_record: int) -> None:
        if chosen:
            self.batches.append(chosen)
        self.wanted += len(chosen)
        self.read += read
        self.next_record = next_record


class ManualReplay:
    """One replay, to be used as a context manager, from one thread but for ``request_stop``.

    ``preview`` contacts no sink; ``run`` writes what it showed. Whatever ends the process, the same replay goes on
    after the last batch that was written; an idempotent sink recognises the one that was being written.
    """

    def __init__(self, config: AgentConfig, registry: Registry, request: ReplayRequest, clock: Clock) -> None:
        """Raises ReplayRefused, ConfigError or PluginError."""
        self._request = request
        self._clock = clock
        self._sink = sink = replay_target(config, request.sink_id, bool(request.paths))
        self._log = logging.getLogger("agent_core.replay")
        self._limit = RateLimit(clock)
        self._changed = threading.Condition()
        self._stop_requested = False
        components = Components(config, registry.catalog, clock)
        self._fallbacks: dict[str, Fallback] = {}
        if sink.fallback is not None:
            for component_id in (sink.id, sink.id + BESIDE_SUFFIX):
                made = components.fallback(component_id, sink.fallback)
                self._fallbacks[component_id] = Fallback(sink.fallback.type, made)
        self._rejected = RejectedRows(list(self._fallbacks.values()))
        self._writer = ReplayWriter(
            sink.id, components.sink(sink), Backoff.of(sink.retry), request.accept_duplicates,
            registry.events, clock, self._sleep, self._log,
        )  # fmt: skip
        own = self._fallbacks.get(sink.id)
        self._selection = BackupSelection(config, sink, own, registry, request.rows)
        self._rows = request.rows.at(clock.time_ns())
        self._folder = config.state_dir / "replay"
        self._lock = FileLock(self._folder / f"{sink.id}.lock")

    def __enter__(self) -> ManualReplay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_fallbacks()
        self._close({"sink": self._writer.close})
        self._lock.release()

    def request_stop(self) -> None:
        """End after the batch that is being written; from any thread, and from a signal handler."""
        self._stop_requested = True

    def preview(self, watch: Watch) -> ReplayPreview:
        """Read every file to its end. Raises ReplayRefused, ReplayInterrupted or OSError."""
        request = self._request
        if not request.preview_only:
            self._take_lock()
        files = self._selection.files(request.paths, rejected=request.rejected, preview_only=request.preview_only)
        began, before = self._clock.monotonic(), 0
        found: list[FilePreview] = []
        for number, file in enumerate(files, 1):
            tell = self._teller(watch, file.name, number, len(files), before, None, began)
            start = 0 if request.restart else file.next_record()
            found.append(FilePreview.of(file, start, self._rows, PREVIEW_RECORDS, tell))
            before += found[-1].rows
        return ReplayPreview(self._sink.id, self._sink.type, tuple(found), self._selection.left_out)

    def run(self, preview: ReplayPreview, watch: Watch) -> ReplayResult:
        """Write the rows that ``preview`` found, file after file.

        Raises ReplayRefused before anything was written; whatever comes later is in the result.
        """
        began, before = self._clock.monotonic(), 0
        ledgers = [
            FileLedger(
                file.file.name, file.file.finish is not None,
                read=file.rows, remaining=file.rows, next_record=file.start,
            )
            for file in preview.files
        ]  # fmt: skip
        end, error = ReplayEnd.COMPLETE, None
        try:
            for number, (file, ledger) in enumerate(zip(preview.files, ledgers, strict=True), 1):
                tell = self._teller(watch, ledger.file, number, len(ledgers), before, preview.rows, began)
                self._replay(file, ledger, tell)
                before += ledger.read
            for file in preview.files:
                file.file.end()
        except ReplayInterrupted:
            end = ReplayEnd.INTERRUPTED
        except (ReplayStopped, FallbackFailed, SinkError, OSError) as stopped:
            end, error = ReplayEnd.STOPPED, _reason(stopped)
        elapsed = self._clock.monotonic() - began
        self._close_fallbacks()
        codes, files = dict(self._rejected.codes), self._rejected.files()
        return ReplayResult(self._sink.id, end, tuple(ledgers), elapsed, codes, files, error)

    def _replay(self, preview: FilePreview, ledger: FileLedger, tell: Callable[[int], None]) -> None:
        if preview.wanted:
            self._write_rows(preview, ledger, tell)
        else:
            ledger.skipped, ledger.remaining, ledger.bad_lines = preview.rows, 0, preview.bad_line_count
            ledger.next_record = preview.stop
        file = preview.file
        everything = not file.filtered or (preview.start == 0 and not ledger.skipped)
        if file.finish is not None and everything:
            file.finish()
            ledger.moved = True
            file.position.drop(file.key)
        if (repeats := self._limit.allow("file replayed")) is not None:
            self._log.info("file replayed: sink=%s file=%s rows=%d%s", self._sink.id, file.name, ledger.read, repeats)
        tell(ledger.read)

    def _write_rows(self, preview: FilePreview, ledger: FileLedger, tell: Callable[[int], None]) -> None:
        file, max_records = preview.file, self._sink.batch.max_records
        pending, read = _Pending(), 0
        for part in file.read(preview.start, max_records):
            chosen = self._rows.of(part.batch)
            if pending.wanted + len(chosen) > max_records or pending.read >= SKIPPED_AT_ONCE:
                self._flush(pending, preview, ledger)
                pending = _Pending()
                tell(ledger.read - ledger.remaining)
            pending.add(chosen, len(part.batch), part.next_record)
            read += len(part.batch)
            ledger.bad_lines += len(part.bad_lines)
        self._flush(pending, preview, ledger)
        if read != preview.rows and (repeats := self._limit.allow("file changed")) is not None:
            self._log.warning(
                "file changed meanwhile: file=%s rows=%d before=%d%s", file.name, read, preview.rows, repeats
            )
        ledger.read, ledger.remaining = read, 0

    def _flush(self, pending: _Pending, preview: FilePreview, ledger: FileLedger) -> None:
        """Write what is pending, then remember how far it came: in this order, so that nothing is passed over."""
        self._check_stop()
        began = self._clock.monotonic()
        batch = Batch.join(pending.batches) if pending.batches else EMPTY
        if batch:
            written = self._writer.write(batch, preview.file.name)
            self._rejected.keep(batch, written.outcome, written.attempted_at_ns)
            ledger.inserted += written.outcome.inserted
            ledger.duplicates += written.outcome.duplicates
            ledger.rejected += len(written.outcome.rejected)
        ledger.skipped += pending.read - len(batch)
        ledger.remaining -= pending.read
        ledger.next_record = pending.next_record
        preview.file.keep(pending.next_record)
        rate = self._request.records_per_second
        if rate is not None:
            self._sleep(len(batch) / rate - (self._clock.monotonic() - began))

    def _teller(
        self, watch: Watch, file: str, number: int, files: int, before: int, total: int | None, began: float
    ) -> Callable[[int], None]:
        """What tells ``watch`` of so many rows of one file; raises ReplayInterrupted once a stop is requested."""

        def tell(rows: int) -> None:
            self._check_stop()
            watch(ReplayProgress(file, number, files, before + rows, total, self._clock.monotonic() - began))

        return tell

    def _check_stop(self) -> None:
        if self._stop_requested:
            raise ReplayInterrupted("nothing was written")

    def _sleep(self, seconds: float) -> bool:
        until = self._clock.monotonic() + seconds
        with self._changed:
            while not self._stop_requested and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, min(left, WAIT_SECONDS))
        return not self._stop_requested

    def _take_lock(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ReplayRefused(f"another replay into {self._sink.id} is under way; wait until it has ended") from None

    def _close_fallbacks(self) -> None:
        self._close({f"fallback {key}": fallback.close for key, fallback in self._fallbacks.items()})

    def _close(self, calls: dict[str, Callable[[], None]]) -> None:
        for name, problem in run_until(self._clock.monotonic() + CLOSE_SECONDS, calls, self._clock).items():
            self._log.error("part not closed cleanly: sink=%s part=%s problem=%s", self._sink.id, name, problem)


def _reason(error: Exception) -> str:
    if isinstance(error, FallbackFailed):
        return f"rows that the sink rejected could not be kept: {error}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)
