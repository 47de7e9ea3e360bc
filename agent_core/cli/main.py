"""``tagferry``: the entry point of the command."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from typing import Final

from agent_core.cli import exit_code

EXIT_SECONDS: Final = 5.0
"""How long Python may take to exit after everything is done."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Raises nothing, and prints a traceback only with --debug.

    Without ``argv`` the process is this command's alone. Then a standard stream that is closed or that nobody reads is
    no fault, and when the command has ended, no signal and nothing that hangs at exit changes its exit code.
    """
    alone = argv is None
    try:
        # The imports take longer than a small command itself, and Ctrl-C may come during them.
        from agent_core.cli.streams.standard import make_streams_safe

        if alone:
            make_streams_safe()
        from agent_core.cli.command_line import run_command

        code = run_command(argv)
        if alone:
            _settle(code)
    except KeyboardInterrupt:
        code = exit_code.INTERRUPTED
        with suppress(KeyboardInterrupt):
            _say_interrupted(alone=alone)
        if alone:
            _settle(code, wanted=False)
    return code


def _say_interrupted(*, alone: bool) -> None:
    from agent_core.api import SystemClock
    from agent_core.cli.streams.standard import streams_in_background

    # A write to standard error may be what was interrupted, because nobody reads it.
    with streams_in_background(SystemClock(), "stderr") if alone else nullcontext():
        print("\ninterrupted", file=sys.stderr)


def _settle(code: int, *, wanted: bool = True) -> None:
    """The code is known: let nothing change it. What is not ``wanted`` any more is not written."""
    from agent_core.cli.signals import ignore_signals
    from agent_core.cli.streams.standard import end_streams

    finished = end_streams(wanted=wanted)
    ignore_signals()
    if not finished:
        os._exit(code)
    # With signals ignored, somebody has to end a process whose exit hangs in a library.
    watchdog = threading.Timer(EXIT_SECONDS, os._exit, (code,))
    watchdog.daemon = True
    with suppress(RuntimeError, MemoryError):  # no thread left
        watchdog.start()


if __name__ == "__main__":
    sys.exit(main())
