"""OfflineIndex: what can be installed without a network, and what a requirement brings with it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

BUILD: Final = Path(__file__).parents[2] / ".ci" / "build.py"
OURS: Final = "tagferry"
"""How the names of this repository's distributions begin."""


class OfflineIndex:
    """The wheels of ``folder/wheels``, which are ours, and the third parties that are installed next to this test."""

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder / "wheels"
        wheels = sorted(self.folder.glob("*.whl"))
        self.wheels: Final[Mapping[str, Path]] = {canonicalize_name(file.name.split("-")[0]): file for file in wheels}
        self._known: dict[str, Distribution] = {canonicalize_name(found.name): found for found in distributions()}
        self._known = {name: found for name, found in self._known.items() if not name.startswith(OURS)}
        for name, file in self.wheels.items():
            [self._known[name]] = distributions(path=[str(folder / "unpacked" / file.stem)])

    @classmethod
    def build(cls, folder: Path) -> OfflineIndex:
        """Build every wheel and unpack each into a folder of its own."""
        wheels = folder / "wheels"
        subprocess.run([sys.executable, str(BUILD), "dist", str(wheels)], check=True, timeout=600)
        for file in wheels.glob("*.whl"):
            with zipfile.ZipFile(file) as wheel:
                wheel.extractall(folder / "unpacked" / file.stem)
        return cls(folder)

    def distribution(self, name: str) -> Distribution:
        """What is known under this name."""
        return self._known[name]

    def resolve(self, requirement: str) -> frozenset[str]:
        """The names of all that it brings, itself included. AssertionError: what is required is not there."""
        brought: dict[str, set[str]] = {}
        self._bring(Requirement(requirement), brought)
        return frozenset(brought)

    def _bring(self, requirement: Requirement, brought: dict[str, set[str]]) -> None:
        name = canonicalize_name(requirement.name)
        found = self._known.get(name)
        assert found is not None, f"no distribution is called {name}"
        assert requirement.specifier.contains(found.version, prereleases=True), (
            f"{requirement}: there is {found.version}"
        )
        extras = {"", *requirement.extras} - brought.get(name, set())
        brought.setdefault(name, set()).update(extras)
        for required in map(Requirement, found.requires or ()):
            if any(required.marker is None or required.marker.evaluate({"extra": extra}) for extra in extras):
                self._bring(required, brought)
