"""Problems of a configuration, for people and for scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TextIO

from agent_core.api import ConfigProblem
from agent_core.cli.text.amount import amount

_MOST_LINES: Final = 1000


def print_problems(problems: Sequence[ConfigProblem], out: TextIO, redact: Callable[[str], str] = str) -> None:
    """One line each: ``file:line:column: path: message (hint)``; a thousand at most."""
    for problem in problems[:_MOST_LINES]:
        print(redact(problem_line(problem)), file=out)
    if len(problems) > _MOST_LINES:
        print(f"... and {len(problems) - _MOST_LINES} more", file=out)


def problem_line(problem: ConfigProblem) -> str:
    """The place comes first, as in compilers. Always one line, whatever the name of a key."""
    text = str(replace(problem, message=f"warning: {problem.message}") if problem.warning else problem)
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "backslashreplace").decode("ascii")
        for letter in text
    )


def summary_line(problems: Sequence[ConfigProblem]) -> str:
    """``3 problems and 1 warning``."""
    warnings = sum(problem.warning for problem in problems)
    counts = ((len(problems) - warnings, "problem"), (warnings, "warning"))
    return " and ".join(amount(number, noun) for number, noun in counts if number) or "no problems"


def problem_json(problem: ConfigProblem) -> dict[str, object]:
    """The same as a JSON object."""
    return {
        "severity": "warning" if problem.warning else "error",
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "path": list(problem.path),
        "message": problem.message,
        "hint": problem.hint,
    }
