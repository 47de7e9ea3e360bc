"""``agent``: the command line. Parsing and printing only; each subcommand is a module of its own."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Sequence

from agent_core import __version__
from agent_core.cli import check, exit_code, plugins, run, schema
from agent_core.cli.error_report import report_error

_DESCRIPTION = """\
Collects values from PLCs and delivers each of them once.

A YAML file says what is collected (sources), where it waits (buffer) and where it goes (sinks).
Every part is a plugin; `agent plugins` lists what is installed."""

_EPILOG = """\
examples:
  agent check                   validate ./agent.yaml without touching the network
  agent run                     run ./agent.yaml; Ctrl-C ends it in order
  agent run line2.yaml --status-every 5s
  agent plugins                 what is installed, and what is broken
  agent schema -o agent.schema.json
                                completion and checks while you type, in any editor that knows JSON Schema

exit codes:
  0 done   1 failed while running   2 mistake in the file or on the command line   130 interrupted by Ctrl-C"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Never raises, never prints a traceback unless --debug asks for it."""
    debug = False
    try:
        _never_fail_on_a_character()
        arguments = _parser().parse_args(argv)
        debug = arguments.debug
        return int(arguments.command(arguments))
    except SystemExit as stop:  # argparse: --help, --version, or a mistake that it has already printed
        return stop.code if isinstance(stop.code, int) else exit_code.OK
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return exit_code.INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`agent plugins | head`). Python would complain again at exit.
        with contextlib.suppress(OSError, ValueError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code.OK
    except Exception as error:
        return report_error(error, debug=debug)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="agent",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"agent {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (run, check, plugins, schema):
        command.add_parser(commands)
    return parser


def _never_fail_on_a_character() -> None:
    """A Windows console or a C locale has not every letter; show an escape rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
