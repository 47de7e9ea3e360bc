"""Exit codes of the command, the same for every subcommand."""

from typing import Final

OK: Final = 0
FAILED: Final = 1
"""The agent could not do its work: a port is in use, the disk is full, or the stop was not clean."""
USER_MISTAKE: Final = 2
"""A mistake in the configuration or on the command line; argparse uses the same code."""
INTERRUPTED: Final = 130
"""Ctrl-C, as in shells: 128 + SIGINT."""
