"""``tagferry run``: run a configuration until it is asked to stop."""

from __future__ import annotations

import argparse
import logging
import queue
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from typing import Final, Protocol

from agent_core.api import AgentStatus, Clock, ConfigError, Log, SystemClock
from agent_core.cli import exit_code
from agent_core.cli.logging.background import BackgroundHandler
from agent_core.cli.logging.file import LogFile
from agent_core.cli.logging.output import logging_to
from agent_core.cli.logging.terminal import TerminalHandler
from agent_core.cli.process_end import end_process, held_by_threads
from agent_core.cli.signals import signal_handlers
from agent_core.cli.streams.proxy import drained
from agent_core.cli.streams.standard import streams_in_background
from agent_core.cli.subcommand import Subcommands, add_file_argument, command_parser
from agent_core.cli.text.duration import interval
from agent_core.cli.text.error_report import report_error
from agent_core.cli.text.problem_report import problem_line
from agent_core.cli.text.status_text import StatusLine, ledger_lines, waiting_text
from agent_core.cli.text.terminal import Terminal
from agent_core.config import LogFormat, Redaction, load_config, place_problems
from agent_core.registry import Registry

_log = Log(__name__)

TERMINAL_INTERVAL_SECONDS: Final = 1.0
LOG_INTERVAL_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 0.25
"""On Windows, Ctrl-C does not interrupt a wait, so no wait is longer than this."""

STATUS_SECONDS: Final = 2.0
"""How long the ledger waits for the parts that have stopped."""

LINE_SECONDS: Final = 0.2
"""How long the stop waits for a line that is just being made."""


class Runnable(Protocol):
    """What this command needs from an Agent."""

    def start(self) -> None: ...
    def wait(self, timeout_seconds: float) -> bool: ...
    def request_stop(self, reason: str) -> None: ...
    def shutdown(self) -> bool: ...
    @property
    def stop_problems(self) -> Sequence[str]: ...
    def status(self) -> AgentStatus: ...


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "run",
        "collect and deliver until stopped",
        "Runs FILE until Ctrl-C or SIGTERM. Then it stops in order: sources stop collecting, the buffers are drained,\n"
        "and a ledger shows what became of every record.",
        "  tagferry run\n  tagferry run line2.yaml\n  tagferry run --status-every 5s",
        "0 stopped in order   1 could not run, or the stop was not clean   2 mistake in the configuration",
    )
    add_file_argument(parser)
    parser.add_argument(
        "--status-every",
        type=interval,
        metavar="DURATION",
        help="how often to print a status line; default: 1s on a terminal, otherwise a log line every minute",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Nothing here waits for whoever reads the output: neither the agent, nor the end of the process."""
    clock = SystemClock()
    with streams_in_background(clock):
        try:
            code, held = _run(arguments, clock)
        except KeyboardInterrupt:  # before the agent answers signals itself
            print("\ninterrupted", file=sys.stderr)
            code, held = exit_code.INTERRUPTED, False
        except Exception as error:
            code = report_error(error, debug=arguments.debug, redact=arguments.redaction.redact)
            held = False
    if held:
        end_process(code)
    return code


def _run(arguments: argparse.Namespace, clock: Clock) -> tuple[int, bool]:
    """The exit code, and whether something would keep the process from exiting."""
    # Imported here: the other commands do not need the runtime.
    from agent_core.runtime.agent import Agent

    redaction: Redaction = arguments.redaction
    registry = Registry()
    config = load_config(arguments.file, registry, redaction=redaction)
    terminal = Terminal(sys.stderr)
    handlers: list[logging.Handler] = [TerminalHandler(terminal)]
    file = None
    if config.log.file is not None:
        try:
            file = BackgroundHandler("log file", partial(LogFile, config.log.file, clock), clock)
        except ConfigError as error:
            raise ConfigError(place_problems(arguments.file, error.problems, redaction)) from error
        handlers.append(file)
    with logging_to(handlers, config.log, redaction, registry.names):
        if file is not None and not file.opened:
            _log.error(
                "log file not open yet",
                next_step="check the disk or share of log.file.path; lines wait for it, the agent runs",
            )
        for warning in config.warnings:
            _log.warning("configuration warning", problem=problem_line(warning))
        try:
            agent = Agent(config, registry.catalog, registry.events, clock, redaction.redact)
            foreground = Run(
                agent,
                terminal,
                clock,
                arguments.status_every,
                config.shutdown_timeout_seconds,
                as_log=config.log.format is LogFormat.JSON,
            )
            code = foreground.until_stopped(last=arguments.alone)
            stopped = code == exit_code.OK
        except ConfigError as error:
            placed = ConfigError(place_problems(arguments.file, error.problems, redaction))
            code = report_error(placed, debug=arguments.debug, redact=redaction.redact)
            stopped = True
        except Exception as error:
            code = report_error(error, debug=arguments.debug, redact=redaction.redact)
            stopped = True
        held = held_by_threads(stopped=stopped)
    return code, held or (file is not None and file.stuck)


class Run:
    """One run in the foreground.

    ``status_seconds`` None means the default for this kind of terminal. With ``as_log`` the status is part of the log
    instead of separate lines, so that a program that reads the log as JSON finds nothing else.
    """

    def __init__(
        self,
        agent: Runnable,
        terminal: Terminal,
        clock: Clock,
        status_seconds: float | None,
        shutdown_timeout_seconds: float,
        *,
        as_log: bool = False,
    ) -> None:
        self._agent = agent
        self._terminal = terminal
        self._clock = clock
        self._as_log = as_log or (status_seconds is None and not terminal.interactive)
        self._interval = status_seconds or (LOG_INTERVAL_SECONDS if self._as_log else TERMINAL_INTERVAL_SECONDS)
        self._shutdown_timeout = shutdown_timeout_seconds
        self._status_line = StatusLine()
        # SimpleQueue.put is reentrant, which a signal handler needs; None ends the narrator.
        self._impatience: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._watched = threading.Event()
        self._started = False
        self._stopping = False

    def until_stopped(self, *, last: bool = False) -> int:
        """Start, run, stop, print the ledger; the exit code. ``last``: the end of the process follows."""
        with (
            signal_handlers(self._stop, last=last),
            # Of its own, because the main thread is busy stopping when a second Ctrl-C asks for an answer.
            _companion("narrator", self._narrate, lambda: self._impatience.put(None)),
        ):
            self._agent.start()
            self._started = True
            try:
                # Of its own, because a part that hangs when it is asked for its status must not hold up a stop.
                with _companion("status lines", self._show_statuses, self._watched.set):
                    while not self._agent.wait(WAIT_SECONDS):
                        pass
            finally:
                self._stopping = True
                self._terminal.end_status()
                clean = self._agent.shutdown()
        drained(sys.stderr)  # the log comes before the ledger where both go to one place
        status = self._last_status()
        if status is None:
            print("error: there is no ledger: a part did not answer; see the log", file=sys.stderr)
            return exit_code.FAILED
        print("\n".join(ledger_lines(status)), flush=True)
        if not drained(sys.stdout):
            _log_ledger(status)
        if clean:
            return exit_code.OK
        balanced = all(sink.ledger.balanced for sink in status.sinks)
        reason = "; ".join(self._agent.stop_problems) or "a part did not stop in time"
        if not balanced:
            reason = "the ledger does not balance: this is a defect"
        print(f"error: the stop was not clean: {reason}; see the log", file=sys.stderr)
        return exit_code.FAILED

    def _last_status(self) -> AgentStatus | None:
        """None when a part raises, or says nothing."""
        answer: Future[AgentStatus] = Future()

        def ask() -> None:
            try:
                answer.set_result(self._agent.status())
            except BaseException as error:
                answer.set_exception(error)

        try:
            threading.Thread(target=ask, name="ledger", daemon=True).start()
        except (RuntimeError, MemoryError):  # the machine has no thread left
            ask()
        try:
            return answer.result(STATUS_SECONDS)
        except Exception as error:
            waited = None if answer.done() else STATUS_SECONDS
            _log.error("ledger not available", error=repr(error), waited_seconds=waited, exc_info=error)
            return None

    def _show_statuses(self) -> None:
        due = self._clock.monotonic() + self._interval
        while not self._watched.wait(max(0.0, due - self._clock.monotonic())):
            due = max(due + self._interval, self._clock.monotonic())
            try:
                self._show_status(self._agent.status())
            except Exception as error:  # a part's own defect: the data does not need the line
                _log.error("status failed", error=error, exc_info=error, every="status")

    def _show_status(self, status: AgentStatus) -> None:
        text = self._status_line.text(status)
        if not self._as_log:
            self._terminal.status(text)
            return
        places = status.whereabouts
        _log.info(
            "status",
            collected=sum(source.collected for source in status.sources),
            written=places.written,
            in_memory=places.in_memory,
            in_files=places.in_files,
            rejected=places.rejected,
            lost=places.lost,
            summary=text,
        )

    def _stop(self, reason: str) -> None:
        """Called from a signal handler: takes no lock."""
        if self._stopping:
            self._impatience.put(reason)
        self._stopping = True
        self._agent.request_stop(reason)

    def _narrate(self) -> None:
        while self._impatience.get() is not None:
            if self._started:
                bound = f"the stop ends at most {self._shutdown_timeout:g} s after the first signal"
                self._terminal.line(f"still stopping: {self._waiting()}; {bound}")
            else:
                self._terminal.line("still starting: the parts that are open are being closed")

    def _waiting(self) -> str:
        try:
            return waiting_text(self._agent.status())
        except Exception:  # a part's own defect, in the middle of its stop
            return "waiting for the parts to close"


@contextmanager
def _companion(name: str, work: Callable[[], None], end: Callable[[], None]) -> Iterator[None]:
    """Do ``work`` in a thread while the block runs; ``end`` makes it return."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    with suppress(RuntimeError, MemoryError):  # the machine has no thread left: the agent runs without
        thread.start()
    try:
        yield
    finally:
        end()
        if thread.ident is not None:
            thread.join(LINE_SECONDS)


def _log_ledger(status: AgentStatus) -> None:
    """Where standard output takes no ledger, the log has it."""
    for sink in status.sinks:
        ledger = sink.ledger
        _log.warning(
            "ledger not printed",
            sink=sink.sink_id,
            collected=ledger.collected,
            recovered=ledger.recovered,
            filtered=ledger.filtered,
            delivered=ledger.delivered,
            duplicates=ledger.duplicates,
            rejected=ledger.rejected,
            diverted=ledger.diverted,
            dropped=ledger.dropped,
            pending=ledger.pending,
            in_files=sink.whereabouts.in_files,
            balanced=ledger.balanced,
        )
