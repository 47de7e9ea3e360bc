"""SourceCheck: lets the sources check their configuration before anything is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agent_core.api import Clock, ConfigError, ConfigProblem, Plannable, PlannedDevice
from agent_core.config.model import AgentConfig
from agent_core.registry.catalog import Catalog
from agent_core.runtime.components import Components


class SourceCheck:
    """Creates the sources and asks those that are ``Plannable``. Uses no network.

    ``problems`` are all that they found, including warnings, with paths from the root of the YAML.
    """

    def __init__(self, config: AgentConfig, catalog: Catalog, clock: Clock) -> None:
        """Raises PluginError."""
        components = Components(config, catalog, clock)
        self._plannable: dict[str, Plannable] = {}
        problems: list[ConfigProblem] = []
        for index, source in enumerate(config.sources):
            try:
                part = components.source(source)
                if isinstance(part, Plannable):
                    self._plannable[source.id] = part
                    problems.extend(below_source(index, part.check()))
            except ConfigError as error:
                problems.extend(below_source(index, error.problems))
        self.problems: Sequence[ConfigProblem] = problems

    def plans(self) -> Mapping[str, Sequence[PlannedDevice]]:
        """The reading plan of each source that can give one, by source id. Raises ConfigError."""
        return {source_id: source.plan() for source_id, source in self._plannable.items()}

    def plan_lines(self) -> Sequence[str]:
        """The reading plans as lines of text. Raises ConfigError."""
        return [line for source in self._plannable.values() for line in source.plan_report()]


def below_source(index: int, problems: Sequence[ConfigProblem]) -> Sequence[ConfigProblem]:
    """The same problems, with paths from the root of the YAML instead of the ``config:`` of a source.

    A problem in another file keeps its place.
    """
    return [
        replace(problem, path=("sources", index, "config", *problem.path)) if problem.file is None else problem
        for problem in problems
    ]
