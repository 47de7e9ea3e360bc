"""Errors that end a command: one line for people, an exit code for scripts, a traceback only with --debug."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

from agent_core.api import AgentError, ConfigError, PluginError, ReplayRefused
from agent_core.cli import exit_code
from agent_core.cli.text.problem_report import print_problems, summary_line


def report_error(error: Exception, *, debug: bool, redact: Callable[[str], str] = str) -> int:
    """Print ``error`` to standard error, passed through ``redact``; the exit code."""
    if isinstance(error, ConfigError):
        print_problems(error.problems, sys.stderr, redact)
        print(summary_line(error.problems), file=sys.stderr)
    else:
        print(f"error: {redact(_one_line(error))}", file=sys.stderr)
        if not _expected(error) and not debug:
            print("this is a defect of the agent or of a plugin; tagferry --debug shows where", file=sys.stderr)
    if debug:
        print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
    return exit_code.USER_MISTAKE if isinstance(error, (ConfigError, PluginError, ReplayRefused)) else exit_code.FAILED


def _expected(error: Exception) -> bool:
    return isinstance(error, (AgentError, OSError))


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return text if _expected(error) else f"{type(error).__name__}: {text}"
