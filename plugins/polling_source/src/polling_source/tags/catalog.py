"""Catalog: all groups of a source and their tags, wherever they are written: in the YAML, in CSV files, in SQLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from agent_core.api import ConfigProblem, GroupMode, did_you_mean
from polling_source.config import DeviceConfig, GroupConfig, PollingSourceConfig, WrongTags
from polling_source.tags.sqlite_catalog import Plc, SqliteCatalog
from polling_source.tags.tag import Place, PlacedTag, YamlPath
from polling_source.tags.tag_list import TagList

SHORTEST_INTERVAL_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True)
class Catalog:
    """``tags`` by group id, the good ones; ``places`` of the groups; ``problems``: everything wrong, warnings too.

    Tags whose row is wrong are among the warnings when they are to be left out.
    """

    groups: tuple[GroupConfig, ...]
    tags: Mapping[str, tuple[PlacedTag, ...]]
    places: Mapping[str, Place]
    problems: tuple[ConfigProblem, ...]

    @classmethod
    def load(cls, polling: PollingSourceConfig, path: YamlPath = ()) -> Catalog:
        """Read everything that the configuration names. ``path`` leads to the source's ``config:``."""
        found = SqliteCatalog() if polling.catalog is None else SqliteCatalog.read(polling.catalog)
        written = TagList.load(polling.groups, path)
        groups = (*polling.groups, *found.groups)
        placed = [(group, Place((*path, "groups", index))) for index, group in enumerate(polling.groups)]
        placed += [(group, found.places[group.id]) for group in found.groups]
        tags = {**written.tags, **{group: tuple(placed) for group, placed in found.tags.items()}}
        places = {group.id: place for group, place in reversed(placed)}
        leave_out = polling.wrong_tags is WrongTags.LEAVE_OUT
        taken = list(_find_taken_names(tags))
        if leave_out:
            tags = _without(tags, {(group, id(tag)) for group, tag, _ in taken})
        wrong = (*written.tag_problems, *found.tag_problems, *(problem for _, _, problem in taken))
        problems = [
            *_check_devices(polling, {group.device for group in groups}, path),
            *_check_groups(polling, placed, found.plcs, path),
            *written.problems,
            *found.problems,
            *(replace(problem, warning=leave_out) for problem in wrong),
        ]
        return cls(groups, tags, places, tuple(problems))

    @property
    def errors(self) -> list[ConfigProblem]:
        """The problems that stop the start."""
        return [problem for problem in self.problems if not problem.warning]

    def row_rate(self) -> float:
        """Rows a second that the fixed groups make at most."""
        return sum(
            len(self.tags.get(group.id, ())) / group.interval
            for group in self.groups
            if group.interval and group.mode is GroupMode.FIXED
        )


def _check_devices(polling: PollingSourceConfig, polled: set[str], path: YamlPath) -> Iterator[ConfigProblem]:
    ids = [device.id for device in polling.devices]
    for index, device in enumerate(polling.devices):
        if ids.index(device.id) != index:
            yield ConfigProblem(f"device {device.id} appears twice", (*path, "devices", index, "id"))
        if device.id not in polled:
            yield ConfigProblem(f"no group polls device {device.id}", (*path, "devices", index), warning=True)
    if polling.backoff.initial <= 0:
        yield ConfigProblem("the first retry needs a delay", (*path, "backoff", "initial"), "initial: 1s")
    if polling.backoff.max < polling.backoff.initial:
        yield ConfigProblem("max is shorter than initial", (*path, "backoff", "max"))


def _check_groups(
    polling: PollingSourceConfig,
    groups: list[tuple[GroupConfig, Place]],
    plcs: Mapping[str, Plc],
    path: YamlPath,
) -> Iterator[ConfigProblem]:
    if not groups and polling.catalog is None:
        yield ConfigProblem("there are no groups", path, "write groups, or catalog: {sqlite: FILE}")
    if len(groups) > polling.max_groups:
        message = f"{len(groups)} groups are more than max_groups: {polling.max_groups}"
        yield ConfigProblem(message, (*path, "max_groups"), "raise max_groups if they are meant")
    devices = {device.id: device for device in polling.devices}
    seen: set[str] = set()
    for group, place in groups:
        if group.id in seen:
            yield place.problem(f"group {group.id} appears twice", key="id")
        seen.add(group.id)
        device = devices.get(group.device)
        if device is None:
            yield _unknown_device(group, place, list(devices), plcs)
        for key, message, hint in _check_mode(group, device):
            yield place.problem(f"group {group.id}: {message}", hint, key=key)


def _unknown_device(group: GroupConfig, place: Place, devices: list[str], plcs: Mapping[str, Plc]) -> ConfigProblem:
    hint = did_you_mean(group.device, devices) or f"known: {', '.join(devices)}"
    if group.device in plcs and not place.path:
        hint = f'add to devices: {{id: {group.device}, driver: ..., address: "{plcs[group.device].address}"}}'
    return place.problem(f"group {group.id}: there is no device {group.device!r}", hint, key="device")


def _check_mode(group: GroupConfig, device: DeviceConfig | None) -> Iterator[tuple[str | None, str, str | None]]:
    """The key, what is wrong with it, and how to mend it."""
    if group.mode is GroupMode.FIXED:
        if group.interval is None:
            yield None, "a fixed group needs an interval", "interval: 1s"
        if group.trigger is not None:
            yield "trigger", "a fixed group has no trigger", "mode: handshake"
    elif group.trigger is None:
        if group.interval is not None:
            yield "interval", "it says how often the trigger bit is read, and there is none", "trigger: {address: ...}"
    else:
        if group.interval is None:
            yield None, "interval must say how often the trigger bit is read", "interval: 200ms"
        if group.trigger.reset and device is not None and not device.allow_writes:
            message = f"resetting the trigger bit writes to device {device.id}, which does not allow it"
            yield "trigger", message, "allow_writes: true"
    if group.interval is not None and group.interval < SHORTEST_INTERVAL_SECONDS:
        yield "interval", "the interval is shorter than 10 ms", None
    if group.stale_after is not None and group.interval is not None and group.stale_after < group.interval:
        yield "stale_after", "it is shorter than the interval", None


def _find_taken_names(
    tags: Mapping[str, tuple[PlacedTag, ...]],
) -> Iterator[tuple[str, PlacedTag, ConfigProblem]]:
    """A tag name is unique in its source: the tags whose name an earlier one has, with their group."""
    first: dict[str, tuple[str, PlacedTag]] = {}
    for group, placed in tags.items():
        for tag in placed:
            other, earlier = first.setdefault(tag.spec.name, (group, tag))
            if earlier is not tag or other != group:
                message = f"tag {tag.spec.name} of group {group} is already in group {other}, {earlier.place}"
                yield group, tag, tag.place.problem(message, hint="a tag name is unique in its source")


def _without(
    tags: Mapping[str, tuple[PlacedTag, ...]], left_out: set[tuple[str, int]]
) -> dict[str, tuple[PlacedTag, ...]]:
    return {group: tuple(tag for tag in placed if (group, id(tag)) not in left_out) for group, placed in tags.items()}
