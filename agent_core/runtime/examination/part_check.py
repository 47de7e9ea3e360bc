"""PartCheck: what the parts of a configuration say of it before anything is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from agent_core.api import Clock, ConfigError, ConfigProblem, Plannable, PlannedDevice
from agent_core.config.model import AgentConfig
from agent_core.registry.catalog import Catalog
from agent_core.runtime.components import Components, below
from agent_core.runtime.error_words import typed_text_of


class PartCheck:
    """Creates every part, which is pure, and asks the sources that are Plannable. No network.

    ``problems`` holds everything that is wrong, warnings included, with paths from the root of the YAML: what a part's
    ``create`` raised, what it returned that is not such a part, and what the sources find.
    """

    def __init__(self, config: AgentConfig, catalog: Catalog, clock: Clock) -> None:
        """Raises PluginError."""
        components = Components(config, catalog, clock)
        self._plannable: dict[str, Plannable] = {}
        problems: list[ConfigProblem] = []
        for index, source in enumerate(config.sources):
            try:
                part = components.source(source)
            except ConfigError as error:
                problems.extend(error.problems)
                continue
            if isinstance(part, Plannable):
                self._plannable[source.id] = part
                problems.extend(_checked(part, source.type, ("sources", index)))
        for create in _parts_of_others(config, components):
            try:
                create()
            except ConfigError as error:
                problems.extend(error.problems)
        self.problems: Sequence[ConfigProblem] = list(dict.fromkeys(problems))

    def plans(self) -> Mapping[str, Sequence[PlannedDevice]]:
        """How each source that can tell will read, by source id. Raises ConfigError."""
        return {source_id: source.plan() for source_id, source in self._plannable.items()}

    def plan_lines(self) -> Sequence[str]:
        """The same for a person. Raises ConfigError."""
        return [line for source in self._plannable.values() for line in source.plan_report()]


def _checked(part: Plannable, plugin: str, path: tuple[str | int, ...]) -> Sequence[ConfigProblem]:
    try:
        return below(path, part.check())
    except ConfigError as error:
        return below(path, error.problems)
    except Exception as error:
        return [ConfigProblem(f"{plugin} raised in check: {typed_text_of(error)}", (*path, "type"))]


def _parts_of_others(config: AgentConfig, components: Components) -> Iterator[Callable[[], object]]:
    for source in config.sources:
        for transform in source.transforms:
            yield partial(components.transform, source.id, transform)
    for sink in config.sinks:
        yield partial(components.buffer, sink.id, sink.buffer)
        yield partial(components.sink, sink)
        if sink.fallback is not None:
            yield partial(components.fallback, sink.id, sink.fallback)
    for extension in config.extensions:
        yield partial(components.extension, extension)
