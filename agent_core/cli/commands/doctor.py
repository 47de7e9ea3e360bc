"""``tagferry doctor``: check the live environment of a configuration."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from agent_core.api import Clock, ConfigError, Finding, Severity, SystemClock
from agent_core.cli import exit_code
from agent_core.cli.logging.output import logging_to
from agent_core.cli.logging.terminal import TerminalHandler
from agent_core.cli.process_end import end_process_if_held
from agent_core.cli.subcommand import Subcommands, add_file_argument, command_parser
from agent_core.cli.text.duration import duration
from agent_core.cli.text.error_report import report_error
from agent_core.cli.text.terminal import Terminal
from agent_core.config import AgentConfig, Redaction, load_config, place_problems
from agent_core.config.model import LogConfig
from agent_core.registry import Registry

if TYPE_CHECKING:
    from agent_core.runtime.examination.doctor import Patient

LIMIT_SECONDS: Final = 60.0
QUIET_SECONDS: Final = 1.0
"""A check that takes longer than this shows its progress on a terminal."""

LINE_SECONDS: Final = 10.0
"""The same where the line cannot be rewritten in place."""


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "doctor",
        "check devices, database, disk and clock, live",
        "Creates the parts of FILE and lets each of them check: is the device reachable, does the log-in work, do the\n"
        "columns fit, is there room on the disk. Every line that is not ok says what to do next. Leaves nothing\n"
        "behind, so it can be used while an agent runs.",
        "  tagferry doctor\n  tagferry doctor line2.yaml --json\n  tagferry doctor --ddl > create_tables.sql",
        "0 nothing is critical (there may be warnings)   1 something is critical   2 FILE is not valid",
    )
    add_file_argument(parser)
    parser.add_argument(
        "--timeout", type=_time_out, default=LIMIT_SECONDS, metavar="DURATION",
        help="time limit for the checks of one part; default: 60s",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--ddl", action="store_true", help="print the statements that create the tables for FILE; no network"
    )
    parser.set_defaults(command=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    redaction: Redaction = arguments.redaction
    registry = Registry()
    config = load_config(arguments.file, registry, redaction=redaction)
    terminal = Terminal(sys.stderr)
    # Faults are in the findings; the log would only repeat them.
    log = LogConfig("debug" if arguments.debug else "critical", config.log.format, None)
    with logging_to([TerminalHandler(terminal)], log, redaction, registry.names):
        try:
            if arguments.ddl:
                return _print_ddl(config, registry, as_json=arguments.json)
            code = _examine(arguments, config, registry, terminal, redaction.redact)
        except ConfigError as error:
            placed = ConfigError(place_problems(arguments.file, error.problems, redaction))
            code = report_error(placed, debug=arguments.debug, redact=redaction.redact)
        except Exception as error:
            code = report_error(error, debug=arguments.debug, redact=redaction.redact)
        end_process_if_held(code, stopped=True)  # a check that hangs may have threads of its own
        return code


def _examine(
    arguments: argparse.Namespace,
    config: AgentConfig,
    registry: Registry,
    terminal: Terminal,
    redact: Callable[[str], str],
) -> int:
    # Imported here: the other commands do not need the runtime.
    from agent_core.runtime.examination.doctor import Doctor

    clock = SystemClock()
    examining = Doctor(config, registry.catalog, clock, arguments.timeout)
    report = JsonReport(redact) if arguments.json else TextReport(terminal, clock, redact)
    counts = examining.examine(report)
    if isinstance(report, JsonReport):
        print(report.text(counts))
    else:
        print("\n" + ", ".join(f"{counts.get(severity, 0)} {severity}" for severity in Severity))
    return exit_code.FAILED if counts.get(Severity.CRITICAL) else exit_code.OK


class TextReport:
    """Prints findings as they come, under a heading per part, and on a terminal the check that takes long."""

    def __init__(self, terminal: Terminal, clock: Clock, redact: Callable[[str], str]) -> None:
        self._terminal = terminal
        self._clock = clock
        self._redact = redact
        self._due = 0.0

    def began(self, patient: Patient) -> None:
        self._print(str(patient))
        self._put_off()

    def found(self, _: Patient, finding: Finding) -> None:
        self._print(_text(finding))
        self._put_off()

    def waiting(self, patient: Patient, elapsed_seconds: float) -> None:
        if self._clock.monotonic() >= self._due:
            self._terminal.status(f"  checking {patient} ... {elapsed_seconds:.0f} s")
            if not self._terminal.interactive:
                self._put_off()

    def _put_off(self) -> None:
        wait = QUIET_SECONDS if self._terminal.interactive else LINE_SECONDS
        self._due = self._clock.monotonic() + wait

    def _print(self, text: str) -> None:
        if self._terminal.interactive:
            self._terminal.status("")  # standard output may be the same terminal
        print(self._redact(text), flush=True)


class JsonReport:
    """Collects findings for one JSON object. Their texts are redacted, not the JSON: a secret may be a number."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        self._redact = redact
        self._findings: list[dict[str, object]] = []

    def began(self, patient: Patient) -> None: ...

    def found(self, patient: Patient, finding: Finding) -> None:
        self._findings.append(
            {
                "kind": patient.kind,
                "id": patient.id,
                "type": patient.type,
                "severity": str(finding.severity),
                "subject": self._redact(finding.subject),
                "message": self._redact(finding.message),
                "next_step": None if finding.next_step is None else self._redact(finding.next_step),
            }
        )

    def waiting(self, patient: Patient, elapsed_seconds: float) -> None: ...

    def text(self, counts: Mapping[Severity, int]) -> str:
        found = {
            "healthy": not counts.get(Severity.CRITICAL),
            "counts": {str(severity): counts.get(severity, 0) for severity in Severity},
            "findings": self._findings,
        }
        return json.dumps(found, indent=2, ensure_ascii=False)


def _text(finding: Finding) -> str:
    lines = [f"  {finding.severity:<8}  {finding.subject}: {_indented(finding.message)}"]
    if finding.next_step:
        lines.append(f"            next: {_indented(finding.next_step)}")
    return "\n".join(lines)


def _indented(text: str) -> str:
    return text.replace("\n", "\n            ")


def _print_ddl(config: AgentConfig, registry: Registry, *, as_json: bool) -> int:
    from agent_core.runtime.examination.doctor import table_definitions

    statements = table_definitions(config, registry.catalog, SystemClock())
    if as_json:
        print(json.dumps({"ddl": dict(statements)}, indent=2, ensure_ascii=False))
    elif statements:
        types = {sink.id: sink.type for sink in config.sinks}
        print("\n\n".join(f"-- sink {sink} ({types[sink]})\n{text.rstrip()}" for sink, text in statements.items()))
    else:
        print(f"no sink of {config.file.name} needs a table to be created", file=sys.stderr)
    return exit_code.OK


def _time_out(text: str) -> float:
    seconds = duration(text)
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f"must be more than zero, got {text!r}")
    return seconds
