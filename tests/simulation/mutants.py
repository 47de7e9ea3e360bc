"""Mutants: planted bugs. Each must be found within its budget of seeds; if not, the simulation is blind there."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType


@dataclass(frozen=True, slots=True)
class Mutant:
    """In a function of ``module``, ``before``, which stands there once, becomes ``after``.

    ``seeds``: within so many histories it must be found; ``lines``: with threads that may switch at every line of
    the module.
    """

    name: str
    module: str
    before: str
    after: str
    seeds: int = 400
    lines: bool = False


class MutantGone(Exception):
    """The text that a mutant changes is not in its module, or not once: the code has changed since."""


def check(mutant: Mutant) -> Path:
    """The file that it changes. Raises MutantGone."""
    spec = importlib.util.find_spec(mutant.module)
    there = 0 if spec is None or spec.origin is None else Path(spec.origin).read_text().count(mutant.before)
    if there != 1:
        raise MutantGone(
            f"mutant {mutant.name}: its text is in {mutant.module} {there} times, not once; "
            f"change the mutant as the code was changed:\n{mutant.before}"
        )
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def mutated(mutant: Mutant) -> dict[str, CodeType]:
    """The functions of its module by qualified name, with the bug. Raises MutantGone."""
    file = check(mutant)
    text = file.read_text().replace(mutant.before, mutant.after)
    return {code.co_qualname: code for code in _functions(compile(text, str(file), "exec", dont_inherit=True))}


def plant(mutant: Mutant) -> None:
    """Give the functions of its module, which is imported, the bug for the rest of this process. Raises MutantGone."""
    codes, file = mutated(mutant), importlib.import_module(mutant.module).__file__
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__code__.co_filename == file:
            function.__code__ = codes.get(function.__code__.co_qualname, function.__code__)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Those of a module and its classes; one that is made in another comes with it."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_flags & inspect.CO_NEWLOCALS:  # no class
                yield inner
            else:
                yield from _functions(inner)
