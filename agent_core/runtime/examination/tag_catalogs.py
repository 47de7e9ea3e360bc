"""TagCatalogs: finds the installed sources that convert lists of tags, and the configured source that has them."""

from __future__ import annotations

from collections.abc import Mapping

from agent_core.api import CatalogConverter, Config, PluginError
from agent_core.config.model import AgentConfig
from agent_core.registry.catalog import Catalog


class TagCatalogs:
    """The converters of the installed sources, by type of source."""

    def __init__(self, catalog: Catalog) -> None:
        self._converters: Mapping[str, CatalogConverter] = {
            type_: converter
            for type_ in catalog.types("source")
            if (converter := catalog.source(type_).catalog) is not None
        }

    def converter(self, type_: str | None) -> CatalogConverter:
        """The converter of that type, or the only one there is. Raises PluginError."""
        known = ", ".join(self._converters)
        if type_ is None and len(self._converters) == 1:
            return next(iter(self._converters.values()))
        if not known:
            raise PluginError("no installed source converts lists of tags")
        if type_ is None:
            raise PluginError(f"say with --type whose lists they are: {known}")
        if type_ not in self._converters:
            raise PluginError(f"no source {type_!r} converts lists of tags; known: {known}")
        return self._converters[type_]

    def of_source(self, config: AgentConfig, source_id: str | None) -> tuple[CatalogConverter, Config]:
        """The converter and the settings of the source with that id, or of the only source that has lists of tags.

        Raises PluginError.
        """
        fitting = {source.id: source for source in config.sources if source.type in self._converters}
        if source_id is None and len(fitting) == 1:
            source_id = next(iter(fitting))
        if source_id is None:
            raise PluginError(
                f"say with --source which one: {', '.join(fitting)}" if fitting else "no source has lists of tags"
            )
        if source_id not in fitting:
            known = ", ".join(fitting) or "none"
            raise PluginError(f"no source {source_id!r} has lists of tags; known: {known}")
        source = fitting[source_id]
        return self._converters[source.type], source.config
