"""Placing: from the path of a problem to the line and column of the file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from agent_core.api import ConfigProblem
from agent_core.api.document import Document, read_document
from agent_core.config.redaction import Redaction


def place_problem(document: Document, problem: ConfigProblem, redaction: Redaction) -> ConfigProblem:
    """A plugin's problem, with its place in the file filled in and without any secret."""
    problem = redacted(problem, redaction)
    if problem.file is not None:
        return problem
    line, column = document.position(problem.path)
    return replace(problem, file=document.file, line=line, column=column)


def redacted(problem: ConfigProblem, redaction: Redaction) -> ConfigProblem:
    """The same without any secret."""
    hint = None if problem.hint is None else redaction.redact(problem.hint)
    return replace(problem, message=redaction.redact(problem.message), hint=hint)


def place_problems(file: Path, problems: Iterable[ConfigProblem], redaction: Redaction) -> Sequence[ConfigProblem]:
    """Problems found after ``file`` was loaded, each once, in the order of the file. Their paths start at its root.

    The file is read again if there are any.
    """
    found = list(problems)
    if not found:
        return ()
    document = read_document(file)
    return in_order(place_problem(document, problem, redaction) for problem in found)


def in_order(problems: Iterable[ConfigProblem]) -> Sequence[ConfigProblem]:
    """Each once, by its place in the file."""
    return sorted(
        dict.fromkeys(problems), key=lambda problem: (problem.file or "", problem.line or 0, problem.column or 0)
    )
