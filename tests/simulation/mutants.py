"""Mutants: planted bugs. Each must be found within its budget of seeds; if not, the simulation is blind there."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """In ``module``, ``before``, which stands there once, becomes ``after``.

    ``seeds``: within so many histories it must be found; ``lines``: with threads that may switch at every line of
    the module.
    """

    name: str
    module: str
    before: str
    after: str
    seeds: int = 120
    lines: bool = False


class MutantGone(Exception):
    """The text that a mutant changes is not in its module, or not once: the code has changed since."""


def check(mutant: Mutant) -> None:
    """Raises MutantGone."""
    spec = importlib.util.find_spec(mutant.module)
    there = 0 if spec is None or spec.origin is None else Path(spec.origin).read_text().count(mutant.before)
    if there != 1:
        raise MutantGone(
            f"mutant {mutant.name}: its text is in {mutant.module} {there} times, not once; "
            f"change the mutant as the code was changed:\n{mutant.before}"
        )


def plant(mutant: Mutant) -> None:
    """Let the module be imported with its bug. Before anything of the agent is imported. Raises MutantGone."""
    check(mutant)
    sys.meta_path.insert(0, _Planter(mutant))


class _Planter(MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._mutant.module:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        sys.meta_path.insert(0, self)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Mutated(name, spec.origin, self._mutant)
        return spec


class _Mutated(SourceFileLoader):
    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        mutated = self.get_data(self.path).decode().replace(self._mutant.before, self._mutant.after)
        return compile(mutated, self.path, "exec", dont_inherit=True)
