"""What ``tagferry check`` finds without a network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType

import pytest
from polling_source.config import NO_PACE
from polling_source.plugin import agent_check_config

from agent_core.api import ConfigProblem

TAG: dict[str, object] = {"name": "A", "address": "hr:1", "data_type": "WORD"}


def whole(*sources: dict[str, object], sinks: object = (), buffer: object = None) -> dict[str, object]:
    return {"sources": sources, "sinks": sinks, "buffer": buffer}


def source(
    id_: str = "line1", changes: Mapping[str, object] = MappingProxyType({}), **more: object
) -> dict[str, object]:
    config: dict[str, object] = {
        "devices": [
            {"id": "PLC01", "driver": "modbus_driver", "allow_writes": False, "connections": 1, **asdict(NO_PACE)}
        ],
        "groups": [{"id": "G", "device": "PLC01", "mode": "fixed", "interval": 1.0, "tags": [TAG]}],
        "wrong_tags": "refuse",
        "bad_records": "on_change",
        "backoff": {"initial": 1.0, "max": 30.0},
        "refused_retry": 60.0,
        "max_groups": 10,
        **changes,
        **more,
    }
    return {"id": id_, "type": "polling_source", "config": config}


def group(**changes: object) -> dict[str, object]:
    return {"id": "G", "device": "PLC01", "mode": "fixed", "interval": 1.0, "tags": [TAG], **changes}


def problems(*sources: dict[str, object], **more: object) -> list[str]:
    return [str(problem) for problem in agent_check_config(whole(*sources, **more))]


def test_a_sound_configuration_and_other_sources_have_no_problems() -> None:
    assert problems(source(), {"id": "other", "type": "opcua_source", "config": {}}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"groups": [group(device="PLC1")]},
            [
                "sources[0].config.devices[0]: no group polls device PLC01",
                "sources[0].config.groups[0].device: group G: there is no device 'PLC1' (did you mean PLC01?)",
            ],
        ),
        (
            {"groups": [group(), group(tags=[{**TAG, "name": "B"}])]},
            ["sources[0].config.groups[1].id: group G appears twice"],
        ),
        ({"groups": [group(interval=None)]}, ["sources[0].config.groups[0]: group G: a fixed group needs an interval"]),
        (
            {"groups": [group(interval=0.001)]},
            ["sources[0].config.groups[0].interval: group G: the interval is shorter than 10 ms"],
        ),
        (
            {
                "devices": [{"id": "PLC01", "driver": "d", "allow_writes": False, "connections": 1, **asdict(NO_PACE)}]
                * 2
            },
            ["sources[0].config.devices[1].id: device PLC01 appears twice"],
        ),
        (
            {"max_groups": 1, "groups": [group(), group(id="H", tags=[{**TAG, "name": "B"}])]},
            ["sources[0].config.max_groups: 2 groups are more than max_groups: 1 (raise max_groups if they are meant)"],
        ),
        ({"backoff": {"initial": 2.0, "max": 1.0}}, ["sources[0].config.backoff.max: max is shorter than initial"]),
        (
            {"backoff": {"initial": 0.0, "max": 1.0}},
            ["sources[0].config.backoff.initial: the first retry needs a delay (initial: 1s)"],
        ),
        (
            {"groups": [group(tags=[{**TAG, "data_type": "WORX"}])]},
            ["sources[0].config.groups[0].tags[0]: column data_type: unknown data type 'WORX'"],
        ),
    ],
)
def test_each_mistake_is_named_with_its_path(changes: dict[str, object], expected: list[str]) -> None:
    found = problems(source(changes=changes))
    assert len(found) == len(expected)
    for text, start in zip(found, expected, strict=True):
        assert text.startswith(start)


def test_a_group_is_unique_in_the_agent() -> None:
    found = problems(source("line1"), source("line2"))
    assert found == [
        "sources[1].config.groups[0].id: group G is also a group of source line1 (groups are started by their id)"
    ]


def test_rows_of_a_tag_list_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("name,address,data_type\nA,hr:1,WORD\nB,,WORD\n", encoding="utf-8")
    assert problems(source(groups=[group(tags=None, tags_from=file)])) == [f"{file}:3: column address: is empty"]


def many_tags(count: int) -> list[dict[str, object]]:
    return [{**TAG, "name": f"T{number}"} for number in range(count)]


def cover(found: list[ConfigProblem]) -> list[str]:
    assert all(problem.warning for problem in found)
    return [str(problem) for problem in found]


def test_a_buffer_that_the_rows_fill_in_seconds_is_a_warning() -> None:
    small, large = ({"type": "memory_buffer", "config": {"capacity": capacity}} for capacity in (10_000, 100_000))
    sinks = [
        {"id": "default"},
        {"id": "own", "buffer": large},
        {"id": "elsewhere", "inputs": ["line2"]},
        {"id": "here", "inputs": ["line1"], "buffer": small},
        {"id": "no_limit", "buffer": {"type": "disk_buffer", "config": {}}},
    ]
    groups = [group(tags=many_tags(3491)), group(id="SLOW", interval=10.0, tags=[{**TAG, "name": "X"}])]
    found = agent_check_config(whole(source(groups=groups), sinks=sinks, buffer=small))
    text = "3,491 records/s fill a buffer of 10,000 records in 2.9 s (209,466 would cover a minute without the sink)"
    assert cover(list(found)) == [
        f"buffer.config.capacity: sink default: {text}",
        f"sinks[3].buffer.config.capacity: sink here: {text}",
    ]
