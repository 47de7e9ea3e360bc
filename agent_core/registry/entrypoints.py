"""InstalledPlugin: one name in the entry-point group, and the distributions that claim it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from agent_core.api.plugin.markers import PROJECT

CORE: Final = "tagferry"
"""The core's distribution, which every plugin requires."""


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """A name under which a plugin is installed; nothing of it is imported yet.

    More than one entry point means a clash: Python itself would silently take whichever comes first on sys.path.
    """

    name: str
    entry_points: tuple[EntryPoint, ...]

    @property
    def distribution(self) -> str:
        """The distribution's name; every one, joined by ``and``, on a clash."""
        return " and ".join(dict.fromkeys(_distribution(entry) for entry in self.entry_points))

    @property
    def version(self) -> str:
        """The distribution's version, or ``?``."""
        distribution = self.entry_points[0].dist
        return "?" if distribution is None else str(distribution.version)

    @property
    def summary(self) -> str:
        """The distribution's own one-line summary, or nothing."""
        distribution = self.entry_points[0].dist
        if distribution is None or "Summary" not in distribution.metadata:
            return ""
        return str(distribution.metadata["Summary"])

    @property
    def built_for(self) -> str:
        """The versions of the core that the distribution asks for, such as ``>=0.2,<0.3``; empty when any will do."""
        return ",".join(sorted(map(str, self._versions), reverse=True))

    def fits(self, version: str) -> bool:
        """Whether the distribution allows this version of the core; a pre-release counts as what it leads to."""
        return self._versions.contains(Version(version).base_version)

    @property
    def _versions(self) -> SpecifierSet:
        distribution = self.entry_points[0].dist
        versions = SpecifierSet()
        for line in (distribution.requires if distribution is not None else None) or ():
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                continue  # an installer's concern, not ours
            applies = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
            if applies and canonicalize_name(requirement.name) == CORE:
                versions &= requirement.specifier
        return versions


def installed_plugins() -> Mapping[str, InstalledPlugin]:
    """Every plugin on ``sys.path`` by its name, sorted. Reads metadata only."""
    found: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=PROJECT):
        known = found.setdefault(entry.name, [])
        if not any(_same(entry, other) for other in known):
            known.append(entry)
    return {name: InstalledPlugin(name, tuple(found[name])) for name in sorted(found)}


def _same(one: EntryPoint, other: EntryPoint) -> bool:
    return one.value == other.value and _distribution(one) == _distribution(other)


def _distribution(entry: EntryPoint) -> str:
    return "an unknown distribution" if entry.dist is None else str(entry.dist.name)
