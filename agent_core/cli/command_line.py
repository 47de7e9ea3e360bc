"""The command line as a whole: which commands there are, and how one is run."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from agent_core import __version__
from agent_core.cli import exit_code
from agent_core.cli.commands import catalog, check, doctor, plugins, replay, run, schema, status, top, trigger
from agent_core.cli.logging.mask import masked_records
from agent_core.cli.text.error_report import report_error
from agent_core.config import Redaction

_DESCRIPTION = """\
Collects values from PLCs and delivers each of them once.

A YAML file says what is collected (sources), where it waits (buffer) and where it goes (sinks).
Every part is a plugin; `tagferry plugins` lists what is installed."""

_EPILOG = """\
examples:
  tagferry check                   validate ./agent.yaml without touching the network
  tagferry run                     run ./agent.yaml; Ctrl-C ends it in order
  tagferry run line2.yaml --status-every 5s
  tagferry status                  how the running agent is; exit codes for monitoring
  tagferry plugins                 what is installed, and what is broken
  tagferry schema -o agent.schema.json
                                   completion and checks while you type, in any editor that knows JSON Schema

exit codes:
  0 done   1 failed while running   2 mistake in the file or on the command line   130 interrupted by Ctrl-C"""


def run_command(argv: Sequence[str] | None) -> int:
    """Parse and run; the exit code. Raises KeyboardInterrupt and BrokenPipeError, no other.

    A command finds the secrets that nothing may show in ``arguments.redaction``, and adds those that it learns.
    """
    debug, redaction = False, Redaction()
    try:
        _never_fail_on_a_character()
        arguments = build_parser().parse_args(argv, argparse.Namespace(redaction=redaction))
        debug = arguments.debug
        with masked_records(redaction):
            code = int(arguments.command(arguments))
        sys.stdout.flush()  # here, so that a reader who has left is noticed here
    except SystemExit as stop:  # argparse: --help, --version, or a mistake that it has already printed
        return stop.code if isinstance(stop.code, int) else exit_code.OK
    except BrokenPipeError:
        raise
    except Exception as error:
        return report_error(error, debug=debug, redact=redaction.redact)
    return code


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tagferry",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"tagferry {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (run, check, doctor, replay, status, top, trigger, catalog, plugins, schema):
        command.add_parser(commands)
    return parser


def _never_fail_on_a_character() -> None:
    """A Windows console or a C locale has not every letter; show an escape rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
