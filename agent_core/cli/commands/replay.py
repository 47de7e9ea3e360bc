"""``tagferry replay``: write backup files into a sink."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from agent_core.api import Clock, Log, ReplayRefused, SystemClock
from agent_core.cli import exit_code
from agent_core.cli.logging.output import logging_to
from agent_core.cli.logging.terminal import TerminalHandler
from agent_core.cli.process_end import end_process, held_by_threads
from agent_core.cli.signals import signal_handlers
from agent_core.cli.streams.proxy import drained
from agent_core.cli.streams.standard import streams_in_background
from agent_core.cli.subcommand import DEFAULT_FILE, Subcommands, command_parser
from agent_core.cli.text.amount import amount
from agent_core.cli.text.duration import duration
from agent_core.cli.text.error_report import report_error
from agent_core.cli.text.replay_text import (
    balanced,
    preview_json,
    preview_lines,
    progress_text,
    result_json,
    result_lines,
)
from agent_core.cli.text.terminal import Terminal
from agent_core.config import AgentConfig, Redaction, load_config
from agent_core.registry import Registry

if TYPE_CHECKING:
    from agent_core.runtime.replay.manual_replay import ManualReplay, ReplayRequest, Watch
    from agent_core.runtime.replay.report import ReplayPreview, ReplayProgress, ReplayResult

T = TypeVar("T")

TERMINAL_INTERVAL_SECONDS: Final = 0.5
LOG_INTERVAL_SECONDS: Final = 10.0
RATE_SECONDS: Final = 20.0
"""The rate shown is that of the last so many seconds."""

ERRORS_SHOWN: Final = 20
"""Files that failed are named one by one up to here."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YAML: Final = (".yaml", ".yml")
_GLOB: Final = frozenset("*?[")


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "replay",
        "write CSV backups into a sink",
        "Writes the backlog of a sink's fallback, or the files you name, into the sink. Shows what it found and asks\n"
        "before it writes. The sink recognises records that it already has, so you can interrupt the replay at any\n"
        "time; run the same command to resume. Files outside the backlog are read and left as they are.",
        "  tagferry replay                                   the backlog of the only sink in ./agent.yaml\n"
        "  tagferry replay --preview                         only show what is waiting\n"
        "  tagferry replay agent.yaml old/*.csv --sink warehouse\n"
        "  tagferry replay --from 2026-01-01T06:00 --to 2026-01-01T07:00 --tag 'LINE1_*'\n"
        "  tagferry replay --delivered --from 2026-01-01T06:00   after a fail-over that lost records\n"
        "  tagferry replay --rejected --yes --json           without asking, with a summary for scripts",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="FILE.yaml (default: ./agent.yaml) and any backup files"
    )
    parser.add_argument("--sink", metavar="ID", help="sink to write into; required if there are several")
    parser.add_argument("--preview", action="store_true", help="show what would be written, then exit")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--from", dest="start", type=_time, metavar="TIME", help="records from this time on (UTC)")
    parser.add_argument("--to", dest="stop", type=_time, metavar="TIME", help="records before this time (UTC)")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        metavar="NAME",
        help="records of this tag or pattern (LINE1_*); can be repeated",
    )
    parser.add_argument(
        "--not-older-than", type=duration, metavar="DURATION",
        help="skip records older than this (30d), so that what the table's retention has removed stays removed",
    )  # fmt: skip
    parser.add_argument("--rejected", action="store_true", help="also replay rejected records (fix the cause first)")
    parser.add_argument(
        "--delivered",
        action="store_true",
        help="write what was delivered before again, where the sink no longer has it (keep_done; after a fail-over)",
    )
    parser.add_argument(
        "--accept-duplicates",
        action="store_true",
        help="write even if the sink has no unique key and would store existing records again",
    )
    parser.add_argument(
        "--rate", type=_rate, default=math.inf, metavar="RECORDS", help="write at most this many records per second"
    )
    parser.add_argument("--restart", action="store_true", help="start every file at its first record")
    parser.add_argument("--json", action="store_true", help="print one JSON object; requires --yes or --preview")
    parser.set_defaults(command=replay)


def replay(arguments: argparse.Namespace) -> int:
    """Log and progress wait for nobody who reads them; the result on standard output does, as with any tool."""
    with streams_in_background(SystemClock(), "stderr"):
        try:
            code, held = _configured(arguments)
        except Exception as error:
            code = report_error(error, debug=arguments.debug, redact=arguments.redaction.redact)
            held = False
    if held:
        end_process(code)
    return code


def _configured(arguments: argparse.Namespace) -> tuple[int, bool]:
    """The exit code, and whether a thread would keep the process from exiting."""
    # Here, not above: the other commands need nothing that moves.
    from agent_core.runtime.replay.file_replay import ReplayInterrupted

    if arguments.json and not (arguments.yes or arguments.preview):
        return _mistake("--json cannot ask: add --yes or --preview"), False
    redaction: Redaction = arguments.redaction
    registry = Registry()
    file, paths = _files(arguments.files)
    if paths and arguments.delivered:
        return _mistake("--delivered reads the copies of the sink's fallback: name no files"), False
    config = load_config(file, registry, redaction=redaction)
    terminal = Terminal(sys.stderr)
    with logging_to([TerminalHandler(terminal)], config.log, redaction, registry.names):
        try:
            code = _replay(arguments, config, registry, paths, terminal, redaction.redact)
        except ReplayInterrupted as error:
            print(f"interrupted: {error}", file=sys.stderr)
            code = exit_code.INTERRUPTED
        except Exception as error:
            code = report_error(error, debug=arguments.debug, redact=redaction.redact)
        return code, held_by_threads(stopped=True)  # a sink that hangs in close may have threads of its own


def _replay(
    arguments: argparse.Namespace,
    config: AgentConfig,
    registry: Registry,
    paths: tuple[Path, ...],
    terminal: Terminal,
    redact: Callable[[str], str],
) -> int:
    from agent_core.runtime.replay.manual_replay import ManualReplay

    request = _request(arguments, paths)
    with closing(ManualReplay(config, registry, request, SystemClock(), redact)) as replaying:
        preview = _watched(replaying, terminal, replaying.preview)
        shown = {"preview": preview_json(preview), "result": None}
        if not arguments.json:
            lines = [_target(preview), *preview_lines(preview, filtered=request.records.active)]
            print(redact("\n".join(lines)), flush=True)
        if arguments.preview or not preview.files:
            if arguments.json:
                _print_json(shown, redact)
            return exit_code.OK
        if not arguments.yes:
            if not sys.stdin.isatty():
                return _mistake("nothing was written: there is no terminal to ask on; add --yes")
            if not _confirmed(preview):
                print("nothing was written", file=sys.stderr)
                return exit_code.FAILED
        result = _watched(replaying, terminal, lambda watch: replaying.run(preview, watch))
    if arguments.json:
        _print_json({**shown, "result": result_json(result)}, redact)
    else:
        print(redact("\n".join(result_lines(result))), flush=True)
    return _code(result, redact)


def _print_json(shown: object, redact: Callable[[str], str]) -> None:
    """Redacts the texts in it, not the JSON: a secret may be a number."""

    def redacted(value: object) -> object:
        if isinstance(value, str):
            return redact(value)
        if isinstance(value, Mapping):
            return {key: redacted(inner) for key, inner in value.items()}
        return list(map(redacted, value)) if isinstance(value, (list, tuple)) else value

    print(json.dumps(redacted(shown), indent=2, ensure_ascii=False))


def _code(result: ReplayResult, redact: Callable[[str], str]) -> int:
    from agent_core.runtime.replay.report import ReplayEnd

    failed = [(file.file, file.error) for file in result.files if file.error is not None]
    for name, error in failed[:ERRORS_SHOWN]:
        print(f"error: {name}: {redact(' '.join(error.split()))}", file=sys.stderr)
    if len(failed) > ERRORS_SHOWN:
        print(f"error: {len(failed) - ERRORS_SHOWN:,} more files: see --json", file=sys.stderr)
    if not balanced(result):
        print("error: the ledger does not balance; this is a defect", file=sys.stderr)
        return exit_code.FAILED
    if result.end is ReplayEnd.INTERRUPTED:
        return exit_code.INTERRUPTED
    complete = result.end is ReplayEnd.COMPLETE and not result.total.bad_lines
    return exit_code.OK if complete else exit_code.FAILED


def _request(arguments: argparse.Namespace, paths: tuple[Path, ...]) -> ReplayRequest:
    from agent_core.runtime.replay.manual_replay import ReplayRequest
    from agent_core.runtime.replay.record_filter import RecordFilter

    return ReplayRequest(
        records=RecordFilter(arguments.start, arguments.stop, tuple(arguments.tag), arguments.not_older_than),
        sink_id=arguments.sink,
        paths=paths,
        rejected=arguments.rejected,
        delivered=arguments.delivered,
        accept_duplicates=arguments.accept_duplicates,
        restart=arguments.restart,
        records_per_second=arguments.rate,
        preview_only=arguments.preview,
    )


def _files(names: Sequence[str]) -> tuple[Path, tuple[Path, ...]]:
    """The YAML file and the backup files; patterns are expanded here, because not every shell does it."""
    yaml = [name for name in names if name.lower().endswith(_YAML)]
    if len(yaml) > 1:
        raise ReplayRefused(f"more than one configuration: {', '.join(yaml)}")
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if name in yaml:
            continue
        if _GLOB.isdisjoint(path.name) or path.exists():
            paths.append(path)
        elif found := sorted(path.parent.glob(path.name)):
            paths += found
        else:
            raise ReplayRefused(f"no file matches {name}")
    return Path(yaml[0]) if yaml else DEFAULT_FILE, tuple(paths)


def _confirmed(preview: ReplayPreview) -> bool:
    print(f"write {amount(preview.wanted, 'record')} {_target(preview)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _target(preview: ReplayPreview) -> str:
    nothing = "" if preview.files else ": nothing to replay"
    return f"into {preview.sink_id} ({preview.sink_type}){nothing}"


def _mistake(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return exit_code.USER_MISTAKE


def _watched(replaying: ManualReplay, terminal: Terminal, work: Callable[[Watch], T]) -> T:
    """Do ``work`` with its progress on the terminal; the first signal ends it in order, the second at once."""
    stopping = False

    def stop(_: str) -> None:
        nonlocal stopping
        if stopping:
            raise KeyboardInterrupt
        stopping = True
        replaying.request_stop()
        if terminal.interactive:
            terminal.line("stopping after the current batch; press again to stop at once")

    with signal_handlers(stop):
        try:
            return work(Meter(terminal, SystemClock()))
        finally:
            terminal.end_status()
            drained(sys.stderr)  # what comes next is on standard output, perhaps on the same terminal


class Meter:
    """Shows progress now and then: on one line of a terminal, elsewhere in the log."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
        self._log = Log("agent_core.replay", clock)
        self._interval = TERMINAL_INTERVAL_SECONDS if terminal.interactive else LOG_INTERVAL_SECONDS
        self._due = clock.monotonic() + (0.0 if terminal.interactive else self._interval)
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])

    def __call__(self, progress: ReplayProgress) -> None:
        now = self._clock.monotonic()
        if now < self._due:
            return
        self._due = now + self._interval
        text = progress_text(progress, self._rate(progress))
        if self._terminal.interactive:
            self._terminal.status(text)
        else:
            self._log.info("replay progress", records=progress.records, progress=text)

    def _rate(self, progress: ReplayProgress) -> float | None:
        while len(self._samples) > 1 and self._samples[1][0] < progress.elapsed_seconds - RATE_SECONDS:
            self._samples.popleft()
        began, records = self._samples[0]
        self._samples.append((progress.elapsed_seconds, progress.records))
        elapsed = progress.elapsed_seconds - began
        return (progress.records - records) / elapsed if elapsed > 0 else None


def _time(text: str) -> int:
    """UTC nanoseconds of an ISO 8601 time; without a zone it is UTC, as in the files."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a time such as 2026-01-01T06:00, got {text!r}") from None
    aware = time.replace(tzinfo=UTC) if time.tzinfo is None else time
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1e9:
        raise argparse.ArgumentTypeError(f"expected a number of records above 0, got {text!r}")
    return rate
