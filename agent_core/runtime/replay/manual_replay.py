"""ManualReplay: writes backup files into a sink on request; can be interrupted and resumed."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from agent_core.api import Clock, Log, ReplayRefused, WriteOutcome
from agent_core.api.files.private import PRIVATE_FILE, make_private_folder
from agent_core.config.model import AgentConfig
from agent_core.registry import Registry
from agent_core.runtime.components import Components
from agent_core.runtime.deadline import run_until
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.error_words import text_of
from agent_core.runtime.replay.file import FileLedger
from agent_core.runtime.replay.file_replay import FileReplay, ReplayInterrupted, ReplayRules, ReplayStopped
from agent_core.runtime.replay.record_filter import RecordFilter
from agent_core.runtime.replay.rejected import RejectedRecords
from agent_core.runtime.replay.report import FilePreview, ReplayEnd, ReplayPreview, ReplayProgress, ReplayResult
from agent_core.runtime.replay.selection import BackupSelection, replay_target
from agent_core.runtime.replay.suspects import Suspects
from agent_core.runtime.replay.writer import RetryingWriter

ASIDE_SUFFIX = ".replay"
"""Rejected records go to a fallback with the sink's id and this, while a running agent holds the sink's own."""

PREVIEW_RECORDS = 5000
CLOSE_SECONDS = 10.0
WAIT_SECONDS = 0.25
"""On Windows a wait is not interrupted by Ctrl-C, so none is longer than this."""

Watch = Callable[[ReplayProgress], None]
"""Told of each step, hundreds of times a second."""


@dataclass(frozen=True, slots=True)
class ReplayRequest:
    """What is asked for. ``sink_id`` None: the only sink there is. No ``paths``: the sink's own backlog.

    ``rejected``: files of rejected records, too. ``delivered``: instead of the backlog, what the sink has had before.
    ``restart``: forget how far an interrupted replay came.
    ``preview_only``: nothing will be written, so nothing need be locked.
    """

    records: RecordFilter
    sink_id: str | None = None
    paths: tuple[Path, ...] = ()
    rejected: bool = False
    delivered: bool = False
    accept_duplicates: bool = False
    restart: bool = False
    records_per_second: float = math.inf
    preview_only: bool = False


class ManualReplay:
    """One replay, to be used from one thread but for ``request_stop``, and closed in the end.

    ``preview`` contacts no sink; ``run`` writes what it showed. Whatever ends the process, the same replay resumes
    after the last batch that was written; an idempotent sink recognises the one that was being written.
    """

    def __init__(
        self,
        config: AgentConfig,
        registry: Registry,
        request: ReplayRequest,
        clock: Clock,
        redact: Callable[[str], str] = str,
    ) -> None:
        """``redact`` takes the secrets out of what is kept with a rejected record.

        Raises ReplayRefused, ConfigError or PluginError.
        """
        self._request = request
        self._clock = clock
        self._sink = sink = replay_target(config, request.sink_id, bool(request.paths))
        self._log = Log("agent_core.replay", clock)
        self._changed = threading.Condition()
        self._stop_requested = False
        components = Components(config, registry.catalog, clock, redact)
        self._fallbacks: dict[str, Fallback] = {}
        if sink.fallback is not None:
            for component_id in (sink.id, sink.id + ASIDE_SUFFIX):
                made = components.fallback(component_id, sink.fallback)
                self._fallbacks[component_id] = Fallback(sink.fallback.type, made)
        self._selection = BackupSelection(config, sink, self._fallbacks.get(sink.id), registry, request.records)
        self._choose = request.records.at(clock.time_ns())
        context = SinkContext(sink.id, Ledger([sink.id]), registry.events, clock, self._log, redact)
        self._writer = RetryingWriter(
            context, components.sink(sink), sink.retry, self._sleep, accept_duplicates=request.accept_duplicates
        )
        self._rejected = RejectedRecords(context, list(self._fallbacks.values()))
        self._replay = FileReplay(
            context,
            self._writer.write,
            self._sleep,
            self._rejected,
            Suspects(strikes=1),  # the writer has tried again already
            ReplayRules(
                sink.batch.max_records,
                request.records_per_second,
                self._choose,
                begin_again=not request.accept_duplicates,
            ),
        )
        self._folder = config.state_dir / "replay"
        self._lock = FileLock(self._folder / f"{sink.id}.lock", mode=PRIVATE_FILE)

    def close(self) -> None:
        """Close everything, whatever has happened."""
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
        files = self._selection.files(
            request.paths,
            rejected=request.rejected,
            delivered=request.delivered,
            preview_only=request.preview_only,
        )
        began, before = self._clock.monotonic(), 0
        found: list[FilePreview] = []
        for number, file in enumerate(files, 1):
            tell = self._teller(watch, file.name, number, len(files), before, None, began)
            start = 0 if request.restart else file.next_record()
            found.append(FilePreview.of(file, start, self._choose, PREVIEW_RECORDS, tell))
            before += found[-1].records
        return ReplayPreview(self._sink.id, self._sink.type, tuple(found), self._selection.left_out)

    def run(self, preview: ReplayPreview, watch: Watch) -> ReplayResult:
        """Write the records that ``preview`` found, file after file; one that fails lets the others pass.

        Raises ReplayRefused before anything was written; whatever comes later is in the result.
        """
        began, before = self._clock.monotonic(), 0
        ledgers = tuple(file.ledger() for file in preview.files)
        end = ReplayEnd.COMPLETE
        for number, (file, ledger) in enumerate(zip(preview.files, ledgers, strict=True), 1):
            tell = self._teller(watch, ledger.file, number, len(ledgers), before, preview.records, began)
            try:
                self._replay.run(file.file, ledger, partial(_tell_done, tell, ledger))
            except ReplayInterrupted:
                end = ReplayEnd.INTERRUPTED
                break
            except (ReplayRefused, KeyboardInterrupt):
                raise
            except BaseException as error:
                end = ReplayEnd.STOPPED
                ledger.error = error.strerror if isinstance(error, OSError) and error.strerror else text_of(error)
                if isinstance(error, ReplayStopped):
                    break
            else:
                if ledger.read != file.records:
                    self._log.warning(
                        "file changed since the preview", file=ledger.file, records=ledger.read, every="changed"
                    )
            before += file.records
        if end is ReplayEnd.COMPLETE:
            for file in preview.files:
                file.file.end()
        elapsed = self._clock.monotonic() - began
        self._close_fallbacks()
        codes, files = dict(self._rejected.codes), self._rejected.files()
        return ReplayResult(self._sink.id, end, ledgers, elapsed, codes, files)

    def _teller(
        self, watch: Watch, file: str, number: int, files: int, before: int, total: int | None, began: float
    ) -> Callable[[int], None]:
        """Tells ``watch`` of so many records of one file; raises ReplayInterrupted once a stop is requested."""

        def tell(records: int) -> None:
            watch(ReplayProgress(file, number, files, before + records, total, self._clock.monotonic() - began))
            if self._stop_requested:
                raise ReplayInterrupted("nothing was written")

        return tell

    def _sleep(self, seconds: float) -> bool:
        until = self._clock.monotonic() + seconds
        with self._changed:
            while not self._stop_requested and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, min(left, WAIT_SECONDS))
        return not self._stop_requested

    def _take_lock(self) -> None:
        make_private_folder(self._folder)
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise ReplayRefused(f"another replay into {self._sink.id} is running; wait until it has ended") from None

    def _close_fallbacks(self) -> None:
        self._close({f"fallback {key}": fallback.close for key, fallback in self._fallbacks.items()})

    def _close(self, calls: dict[str, Callable[[], None]]) -> None:
        for name, problem in run_until(self._clock.monotonic() + CLOSE_SECONDS, calls, self._clock).items():
            self._log.error("part not closed cleanly", sink=self._sink.id, part=name, problem=problem)


def _tell_done(tell: Callable[[int], None], ledger: FileLedger, _: WriteOutcome) -> None:
    tell(ledger.read - ledger.remaining)
