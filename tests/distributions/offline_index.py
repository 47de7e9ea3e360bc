"""OfflineIndex: what can be installed without a network, and what a requirement brings with it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

OURS: Final = "tagferry"
"""How the names of this repository's distributions begin."""


class OfflineIndex:
    """The wheels of a folder, which are ours, and the third parties that are installed beside this test."""

    def __init__(self, wheels: Path) -> None:
        self.folder: Final = wheels
        self.wheels: Final[Mapping[str, Path]] = {_named(_in(file)): file for file in sorted(wheels.glob("*.whl"))}
        self._known = {_named(found): found for found in distributions() if not _named(found).startswith(OURS)}
        self._known |= {name: _in(file) for name, file in self.wheels.items()}

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


def _in(wheel: Path) -> Distribution:
    [found] = distributions(path=[str(wheel)])
    return found


def _named(distribution: Distribution) -> str:
    return canonicalize_name(distribution.name)
