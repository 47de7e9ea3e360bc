"""Exit codes of the command, the same for every subcommand."""

from typing import Final

OK: Final = 0
FAILED: Final = 1
"""The agent could not do its work: a port in use, a disk full, a stop that was not clean."""
USER_MISTAKE: Final = 2
"""The configuration or the command line; argparse uses the same."""
INTERRUPTED: Final = 130
"""Ctrl-C, as shells count it: 128 + SIGINT."""
