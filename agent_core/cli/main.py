"""``tagferry``: the entry point of the command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from agent_core.cli import exit_code


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Raises nothing, and prints a traceback only with --debug."""
    try:
        # The imports take longer than a small command itself, and Ctrl-C may come during them.
        from agent_core.cli.command_line import run_command

        return run_command(argv)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return exit_code.INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (`tagferry plugins | head`). Python would complain again when it flushes at exit.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exit_code.OK


if __name__ == "__main__":
    sys.exit(main())
