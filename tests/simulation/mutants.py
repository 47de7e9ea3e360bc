"""Mutants: planted bugs. Each must be found within its budget of seeds; if not, the simulation is blind there."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import CodeType, ModuleType


@dataclass(frozen=True, slots=True)
class Mutant:
    """In ``module``, ``before``, which stands there once, becomes ``after``. ``lines``: found only with every line."""

    name: str
    module: str
    before: str
    after: str
    seeds: int = 60
    lines: bool = False


MUTANTS: tuple[Mutant, ...] = (
    Mutant("no_fsync", "csv_sink.files.part", "            os.fsync(self._file.fileno())\n", "            pass\n"),
)


def plant(mutant: Mutant) -> None:
    """Let the module be imported with its bug. Before anything of the agent is imported."""
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
        source = self.get_data(self.path).decode()
        if source.count(self._mutant.before) < 1:
            raise ImportError(f"mutant {self._mutant.name}: its text is not in {fullname}")
        mutated = source.replace(self._mutant.before, self._mutant.after, 1)
        return compile(mutated, self.path, "exec", dont_inherit=True)
