"""InstalledPlugin: one name in the entry-point group, and every distribution that claims it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from agent_core.api.markers import PROJECT


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
