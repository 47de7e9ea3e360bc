"""The FILE argument, the same for every command that reads a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

DEFAULT_FILE: Final = Path("agent.yaml")

EXIT_CODES: Final = "0 success   1 failed   2 mistake in the configuration or on the command line   130 interrupted"

Subcommands = argparse._SubParsersAction  # argparse gives this type no public name


def add_file_argument(parser: argparse.ArgumentParser) -> None:
    """``[FILE]``, by default ``agent.yaml`` in the current folder."""
    parser.add_argument(
        "file", nargs="?", type=Path, default=DEFAULT_FILE, metavar="FILE", help="default: ./agent.yaml"
    )


def command_parser(
    commands: Subcommands[argparse.ArgumentParser],
    name: str,
    summary: str,
    description: str,
    examples: str,
    exit_codes: str = EXIT_CODES,
) -> argparse.ArgumentParser:
    """A parser whose help ends in examples and exit codes, with their line breaks."""
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}\n\nexit codes:\n  {exit_codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
