"""The command line: the list of commands, and how one is run."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from typing import TextIO

from agent_core import __version__
from agent_core.cli import exit_code
from agent_core.cli.commands import catalog, check, doctor, plugins, replay, run, schema, status, top, trigger, try_sink
from agent_core.cli.logging.mask import masked_records
from agent_core.cli.parser import CommandLineParser
from agent_core.cli.streams.proxy import Proxy
from agent_core.cli.text.error_report import report_error
from agent_core.config import Redaction

_DESCRIPTION = """\
Collects records from PLCs and delivers them to a database, without losing or duplicating one.

A YAML file lists the sources that collect, the buffers that hold, and the sinks that write. Every part is a plugin."""

_EPILOG = """\
before the first run:
  tagferry plugins                 which plugins are installed
  tagferry check                   validate ./agent.yaml; no network
  tagferry doctor                  check devices, database and disk, live
  tagferry schema -o agent.schema.json
                                   completion and validation in your editor

run:
  tagferry run                     run ./agent.yaml; Ctrl-C stops it in order
  tagferry run line2.yaml --status-every 5s

while it runs:
  tagferry status                  one report, with an exit code for monitoring
  tagferry top                     live view in the terminal
  tagferry trigger ORDER_START     poll a handshake group now
  tagferry try warehouse           try a sink that is down now

after an outage:
  tagferry replay --preview        what waits in the backup files
  tagferry replay                  write it into the sink

`tagferry COMMAND --help` explains a command, with examples.

exit codes:
  0    success
  1    failed while running
  2    mistake in the configuration or on the command line
  130  interrupted by Ctrl-C
  `tagferry status` has its own: 0 ok, 1 warning, 2 critical, 3 unknown"""


def run_command(argv: Sequence[str] | None) -> int:
    """Parse and run; the exit code. Raises KeyboardInterrupt, nothing else.

    ``arguments.redaction`` holds the secrets that nothing may show; a command adds those that it learns.
    ``arguments.alone`` is True when the process ends with this command.
    """
    debug, redaction = False, Redaction()
    try:
        _never_fail_on_a_character()
        arguments = build_parser().parse_args(argv, argparse.Namespace(redaction=redaction, alone=argv is None))
        debug = arguments.debug
        with masked_records(redaction):
            code = int(arguments.command(arguments))
        return code or _flushed()
    except SystemExit as stop:  # argparse: --help, --version, or a mistake that it has already printed
        return stop.code if isinstance(stop.code, int) else exit_code.OK
    except Exception as error:
        return report_error(error, debug=debug, redact=redaction.redact)


def build_parser() -> argparse.ArgumentParser:
    parser = CommandLineParser(
        prog="tagferry",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tagferry {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (check, doctor, run, status, top, trigger, try_sink, replay, catalog, plugins, schema):
        command.add_parser(commands)
    return parser


def _flushed() -> int:
    """The exit code of a command that has done its work: its output is part of it."""
    try:
        sys.stdout.flush()
    except OSError as error:
        print(f"error: standard output: {error.strerror or error}", file=sys.stderr)
        return exit_code.FAILED
    return exit_code.OK


def _never_fail_on_a_character() -> None:
    """A Windows console or a C locale cannot show every letter: show an escape instead of failing."""
    streams: list[TextIO | Proxy] = [sys.stdout, sys.stderr]
    for stream in streams:
        under = stream.stream if isinstance(stream, Proxy) else stream
        if isinstance(under, io.TextIOWrapper):
            under.reconfigure(errors="backslashreplace")
