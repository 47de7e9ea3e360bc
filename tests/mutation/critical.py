"""Critical files: groups of files with the tests that hold them, and their judged survivors.

``critical/<group>.toml``::

    files = ["plugins/csv_sink/src/csv_sink/files/*.py"]
    tests = ["plugins/csv_sink/tests"]

    [judged."plugins/csv_sink/src/csv_sink/files/part.py"]
    'Part.append: if left > 0: ==> if left >= 0:' = "equivalent: an empty write changes nothing"
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mutation.line_map import ROOT
from mutation.mutants import Mutant, mutants_of

FOLDER: Final = Path(__file__).parent / "critical"


@dataclass(frozen=True, slots=True)
class Group:
    """``files`` by path from the root; ``judged``: file, key of the mutant, why it may survive."""

    name: str
    files: list[str]
    tests: list[str]
    judged: dict[str, dict[str, str]]

    def why(self, mutant: Mutant) -> str | None:
        return self.judged.get(mutant.file, {}).get(mutant.key)

    def judged_in_vain(self) -> list[str]:
        """The entries that name a mutant which there is not, or not any more."""
        return [
            f"{file}: {key}"
            for file, entries in self.judged.items()
            for key in sorted(set(entries) - {mutant.key for mutant in mutants_in(file)})
        ]


def groups() -> list[Group]:
    return [_group(path) for path in sorted(FOLDER.glob("*.toml"))]


def _group(path: Path) -> Group:
    written = tomllib.loads(path.read_text())
    files = sorted({found.relative_to(ROOT).as_posix() for name in written["files"] for found in ROOT.glob(name)})
    return Group(path.stem, files, written["tests"], written.get("judged", {}))


def mutants_in(file: str) -> list[Mutant]:
    path = ROOT / file
    return mutants_of(file, path.read_text()) if path.exists() else []


def as_entries(survivors: Iterable[Mutant]) -> str:
    """To be copied to the group's file, with a reason each."""
    lines: list[str] = []
    for mutant in survivors:
        if (header := f'[judged."{mutant.file}"]') not in lines:
            lines.append(header)
        key = json.dumps(mutant.key, ensure_ascii=False) if "'" in mutant.key else f"'{mutant.key}'"
        lines.append(f'{key} = ""')
    return "\n".join(lines)
