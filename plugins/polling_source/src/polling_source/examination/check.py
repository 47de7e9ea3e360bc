"""The plugin's part of ``tagferry check``: catalogues, and whether the buffers can keep up.

Pure apart from reading the tag lists that the configuration names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from agent_core.api import Config, ConfigProblem
from polling_source.config import PollingSourceConfig
from polling_source.tags.catalog import Catalog
from polling_source.tags.tag import YamlPath

TYPE: Final = "polling_source"
LEAST_COVER_SECONDS: Final = 10.0
"""A buffer that fills faster than this does not outlast the shortest restart of a database."""


def check_config(config: Config) -> list[ConfigProblem]:
    """Everything wrong with the polling sources of a whole configuration."""
    problems: list[ConfigProblem] = []
    rates: dict[str, float] = {}
    groups: dict[str, str] = {}
    for number, entry in enumerate(_entries(config, "sources")):
        if entry.get("type") != TYPE:
            continue
        source_id = str(entry.get("id", number))
        path: YamlPath = ("sources", number, "config")
        catalog = Catalog.load(PollingSourceConfig.from_config(cast(Config, entry["config"])), path)
        problems.extend(catalog.problems)
        rates[source_id] = catalog.row_rate()
        for group in catalog.groups:
            other = groups.setdefault(group.id, source_id)
            if other != source_id:
                message = f"group {group.id} is also a group of source {other}"
                problems.append(catalog.places[group.id].problem(message, "groups are started by their id", key="id"))
    problems.extend(_check_cover(config, rates))
    return problems


def _check_cover(config: Config, rates: Mapping[str, float]) -> Iterator[ConfigProblem]:
    """Warn of a sink whose buffer the configured records fill in seconds."""
    default = cast(Config, config.get("buffer") or {})
    for number, sink in enumerate(_entries(config, "sinks")):
        inputs = cast("Sequence[str] | None", sink.get("inputs"))
        rate = sum(positions for source, positions in rates.items() if not inputs or source in inputs)
        own = sink.get("buffer")
        settings = cast(Config, cast(Config, own or default).get("config") or {})
        capacity = settings.get("capacity")
        if not rate or not isinstance(capacity, int) or capacity / rate >= LEAST_COVER_SECONDS:
            continue
        path: YamlPath = ("sinks", number, "buffer", "config", "capacity") if own else ("buffer", "config", "capacity")
        yield ConfigProblem(
            f"sink {sink.get('id')}: {rate:,.0f} records/s fill a buffer of {capacity:,} records "
            f"in {capacity / rate:.1f} s",
            path,
            f"{rate * 60:,.0f} would cover a minute without the sink",
            warning=True,
        )


def _entries(config: Config, key: str) -> Sequence[Config]:
    return cast("Sequence[Config]", config.get(key) or ())
