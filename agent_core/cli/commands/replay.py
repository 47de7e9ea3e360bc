"""``tagferry replay``: write CSV backups into a sink."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from agent_core.api import Clock, ReplayRefused, SystemClock
from agent_core.cli import exit_code
from agent_core.cli.logging.output import logging_to
from agent_core.cli.process_end import end_process_if_held
from agent_core.cli.signals import signal_handlers
from agent_core.cli.subcommand import DEFAULT_FILE, Subcommands, command_parser
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
from agent_core.cli.text.terminal import Terminal, TerminalHandler
from agent_core.config import AgentConfig, Redaction, load_config
from agent_core.registry import Registry

if TYPE_CHECKING:
    from agent_core.runtime.replay.manual_replay import ManualReplay, ReplayRequest, Watch
    from agent_core.runtime.replay.report import ReplayPreview, ReplayProgress, ReplayResult

T = TypeVar("T")

_logger = logging.getLogger("agent_core.replay")

TERMINAL_INTERVAL_SECONDS: Final = 0.5
LOG_INTERVAL_SECONDS: Final = 10.0
RATE_SECONDS: Final = 20.0
"""The rate shown is that of the last so many seconds."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_YAML: Final = (".yaml", ".yml")
_GLOB: Final = frozenset("*?[")


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "replay",
        "write CSV backups into a sink",
        "Writes the backlog of a sink's fallback, or the CSV files that are named, into the sink: shows first what\n"
        "there is and asks. Rows that the sink has already are recognised, so it can be stopped (Ctrl-C, or worse)\n"
        "and repeated at any time; the same command goes on where it ended. Files from elsewhere are only read.",
        "  tagferry replay                                   the backlog of the only sink of ./agent.yaml\n"
        "  tagferry replay --preview                         only show what waits\n"
        "  tagferry replay agent.yaml old/*.csv --sink warehouse\n"
        "  tagferry replay --from 2026-01-01T06:00 --to 2026-01-01T07:00 --tag 'LINE1_*'\n"
        "  tagferry replay --rejected --yes --json           no question, a summary for scripts",
    )
    parser.add_argument(
        "files", nargs="*", metavar="FILE", help="FILE.yaml (default: ./agent.yaml), then any backup files"
    )
    parser.add_argument("--sink", metavar="ID", help="the sink to write into; needed when there are several")
    parser.add_argument("--preview", action="store_true", help="show what would be written, and end")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--from", dest="start", type=_time, metavar="TIME", help="rows from this time on; UTC")
    parser.add_argument("--to", dest="stop", type=_time, metavar="TIME", help="rows before this time; UTC")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="NAME", help="rows of this tag or pattern (LINE1_*); repeatable"
    )
    parser.add_argument(
        "--not-older-than", type=duration, metavar="DURATION",
        help="no rows older than this (30d): those that the table's retention has removed stay removed",
    )  # fmt: skip
    parser.add_argument(
        "--rejected",
        action="store_true",
        help="rows refused for their content, too, once the cause is mended",
    )
    parser.add_argument(
        "--accept-duplicates", action="store_true", help="write into a sink that cannot recognise rows it has"
    )
    parser.add_argument("--rate", type=_rate, metavar="ROWS", help="at most so many rows a second")
    parser.add_argument("--restart", action="store_true", help="forget how far an interrupted replay came")
    parser.add_argument("--json", action="store_true", help="print one JSON object; needs --yes or --preview")
    parser.set_defaults(command=replay)


def replay(arguments: argparse.Namespace) -> int:
    # Here, not above: the other commands need nothing that moves.
    from agent_core.runtime.replay.writer import ReplayInterrupted

    if arguments.json and not (arguments.yes or arguments.preview):
        return _mistake("--json asks no question: add --yes or --preview")
    redaction: Redaction = arguments.redaction
    registry = Registry()
    try:
        file, paths = _files(arguments.files)
        config = load_config(file, registry, redaction=redaction)
    except ReplayRefused as error:
        return _mistake(str(error))
    terminal = Terminal(sys.stderr)
    with logging_to([TerminalHandler(terminal)], config.log, redaction, registry.names):
        try:
            code = _replay(arguments, config, registry, paths, terminal, redaction.redact)
        except ReplayRefused as error:
            code = _mistake(redaction.redact(str(error)))
        except ReplayInterrupted as error:
            print(f"interrupted: {error}", file=sys.stderr)
            code = exit_code.INTERRUPTED
        except Exception as error:
            code = report_error(error, debug=arguments.debug, redact=redaction.redact)
        end_process_if_held(code, stopped=True)  # a sink that hangs in close may have threads of its own
        return code


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
    with ManualReplay(config, registry, request, SystemClock()) as replaying:
        preview = _watched(replaying, terminal, replaying.preview)
        shown = {"preview": preview_json(preview), "result": None}
        if not arguments.json:
            print("\n".join([_target(preview), *preview_lines(preview, filtered=request.rows.active)]), flush=True)
        if arguments.preview or not preview.files:
            if arguments.json:
                print(json.dumps(shown, indent=2, ensure_ascii=False))
            return exit_code.OK
        if not arguments.yes:
            if not sys.stdin.isatty():
                return _mistake("nothing was written: there is no terminal to ask on; add --yes")
            if not _confirmed(preview):
                print("nothing was written", file=sys.stderr)
                return exit_code.FAILED
        result = _watched(replaying, terminal, lambda watch: replaying.run(preview, watch))
    if arguments.json:
        print(redact(json.dumps({**shown, "result": result_json(result)}, indent=2, ensure_ascii=False)))
    else:
        print("\n".join(result_lines(result)), flush=True)
    return _code(result, redact)


def _code(result: ReplayResult, redact: Callable[[str], str]) -> int:
    from agent_core.runtime.replay.report import ReplayEnd

    if result.error is not None:
        print(f"error: {redact(' '.join(result.error.split()))}", file=sys.stderr)
    if not balanced(result):
        print("error: the ledger does not balance: this is a defect", file=sys.stderr)
        return exit_code.FAILED
    if result.end is ReplayEnd.INTERRUPTED:
        return exit_code.INTERRUPTED
    complete = result.end is ReplayEnd.COMPLETE and not result.total.bad_lines
    return exit_code.OK if complete else exit_code.FAILED


def _request(arguments: argparse.Namespace, paths: tuple[Path, ...]) -> ReplayRequest:
    from agent_core.runtime.replay.manual_replay import ReplayRequest
    from agent_core.runtime.replay.record_filter import RowFilter

    return ReplayRequest(
        rows=RowFilter(arguments.start, arguments.stop, tuple(arguments.tag), arguments.not_older_than),
        sink_id=arguments.sink,
        paths=paths,
        rejected=arguments.rejected,
        accept_duplicates=arguments.accept_duplicates,
        restart=arguments.restart,
        records_per_second=arguments.rate,
        preview_only=arguments.preview,
    )


def _files(names: Sequence[str]) -> tuple[Path, tuple[Path, ...]]:
    """The YAML file, and the backup files: patterns are spelt out, since not every shell does that."""

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
            raise ReplayRefused(f"no file is called {name}")
    return Path(yaml[0]) if yaml else DEFAULT_FILE, tuple(paths)


def _confirmed(preview: ReplayPreview) -> bool:
    print(f"write {preview.wanted:,} rows {_target(preview)} [y/N] ", end="", file=sys.stderr, flush=True)
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
            with suppress(OSError):  # straight to the screen: a signal may come in the middle of a write to sys.stderr
                os.write(2, b"\nstopping after the batch that is being written; once more ends it at once\n")

    with signal_handlers(stop):
        try:
            return work(Meter(terminal, SystemClock()))
        finally:
            terminal.end_status()


class Meter:
    """Shows progress now and then: one line that is rewritten on a terminal, a log entry elsewhere."""

    def __init__(self, terminal: Terminal, clock: Clock) -> None:
        self._terminal = terminal
        self._clock = clock
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
            _logger.info("replay progressed: rows=%d progress=%s", progress.rows, text)

    def _rate(self, progress: ReplayProgress) -> float | None:
        while len(self._samples) > 1 and self._samples[1][0] < progress.elapsed_seconds - RATE_SECONDS:
            self._samples.popleft()
        began, rows = self._samples[0]
        self._samples.append((progress.elapsed_seconds, progress.rows))
        elapsed = progress.elapsed_seconds - began
        return (progress.rows - rows) / elapsed if elapsed > 0 else None


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
        raise argparse.ArgumentTypeError(f"expected a number of rows above 0, got {text!r}")
    return rate
