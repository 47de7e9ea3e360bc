"""Checks of the configuration that JSON Schema cannot say: references, tag lists, and whether the buffers can keep up.

Pure apart from reading the tag lists that the configuration names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, cast

from agent_core.api import Config, ConfigProblem
from polling_source.config import Mode, PollingSourceConfig
from polling_source.tag import YamlPath
from polling_source.tag_list import TagList

TYPE: Final = "polling_source"
SHORTEST_INTERVAL_SECONDS: Final = 0.01
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
        polling = PollingSourceConfig.from_config(cast(Config, entry["config"]))
        problems.extend(check_structure(polling, path))
        tag_list = TagList.load(polling.groups, path)
        problems.extend(tag_list.problems)
        rates[source_id] = row_rate(polling, tag_list)
        for index, group in enumerate(polling.groups):
            other = groups.setdefault(group.id, source_id)
            if other != source_id:
                message = f"group {group.id} is also a group of source {other}"
                problems.append(
                    ConfigProblem(message, (*path, "groups", index, "id"), "groups are started by their id")
                )
    problems.extend(_check_cover(config, rates))
    return problems


def check_structure(polling: PollingSourceConfig, path: YamlPath = ()) -> Iterator[ConfigProblem]:
    """What is wrong with one source's devices and groups, apart from their tags."""
    devices = [device.id for device in polling.devices]
    for index, device in enumerate(polling.devices):
        if devices.index(device.id) != index:
            yield ConfigProblem(f"device {device.id} appears twice", (*path, "devices", index, "id"))
        if not any(group.device == device.id for group in polling.groups):
            yield ConfigProblem(f"no group polls device {device.id}", (*path, "devices", index), warning=True)
    if len(polling.groups) > polling.max_groups:
        message = f"{len(polling.groups)} groups are more than max_groups: {polling.max_groups}"
        yield ConfigProblem(message, (*path, "groups"), "raise max_groups if they are meant")
    ids = [group.id for group in polling.groups]
    for index, group in enumerate(polling.groups):
        here = (*path, "groups", index)
        if ids.index(group.id) != index:
            yield ConfigProblem(f"group {group.id} appears twice", (*here, "id"))
        if group.device not in devices:
            near = get_close_matches(group.device, devices, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(devices)}"
            yield ConfigProblem(f"group {group.id}: there is no device {group.device!r}", (*here, "device"), hint)
        if group.mode is Mode.HANDSHAKE:
            yield ConfigProblem(f"group {group.id}: handshake groups are not available yet", (*here, "mode"))
        elif group.interval is None:
            yield ConfigProblem(f"group {group.id}: a fixed group needs an interval", here, "interval: 1s")
        elif group.interval < SHORTEST_INTERVAL_SECONDS:
            yield ConfigProblem(f"group {group.id}: the interval is shorter than 10 ms", (*here, "interval"))
    if polling.backoff.initial <= 0:
        yield ConfigProblem("the first retry needs a delay", (*path, "backoff", "initial"), "initial: 1s")
    if polling.backoff.max < polling.backoff.initial:
        yield ConfigProblem("max is shorter than initial", (*path, "backoff", "max"))


def row_rate(polling: PollingSourceConfig, tag_list: TagList) -> float:
    """Rows a second that the fixed groups make."""
    return sum(
        len(tag_list.tags.get(group.id, ())) / group.interval
        for group in polling.groups
        if group.interval and group.mode is Mode.FIXED
    )


def _check_cover(config: Config, rates: Mapping[str, float]) -> Iterator[ConfigProblem]:
    """Warn of a sink whose buffer the configured rows fill in seconds."""
    default = cast(Config, config.get("buffer") or {})
    for number, sink in enumerate(_entries(config, "sinks")):
        inputs = cast("Sequence[str] | None", sink.get("inputs"))
        rate = sum(rows for source, rows in rates.items() if not inputs or source in inputs)
        own = sink.get("buffer")
        settings = cast(Config, cast(Config, own or default).get("config") or {})
        capacity = settings.get("capacity")
        if not rate or not isinstance(capacity, int) or capacity / rate >= LEAST_COVER_SECONDS:
            continue
        path: YamlPath = ("sinks", number, "buffer", "config", "capacity") if own else ("buffer", "config", "capacity")
        yield ConfigProblem(
            f"sink {sink.get('id')}: {rate:,.0f} rows/s fill a buffer of {capacity:,} rows in {capacity / rate:.1f} s",
            path,
            f"{rate * 60:,.0f} would cover a minute without the sink",
            warning=True,
        )


def _entries(config: Config, key: str) -> Sequence[Config]:
    return cast("Sequence[Config]", config.get(key) or ())
