"""settings: a validated mapping as a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

from agent_core.api import Secret, settings


class Mode(StrEnum):
    FIXED = "fixed"
    HANDSHAKE = "handshake"


@dataclass(frozen=True, slots=True)
class Pool:
    min: int
    max: int = 5


@dataclass(frozen=True, slots=True)
class Group:
    id: str
    mode: Mode
    interval_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    path: Path
    max_size_bytes: int
    timeout: float
    enabled: bool
    token: Secret | None
    constant: str | int | float | None
    pool: Pool
    groups: tuple[Group, ...]
    names: tuple[str, ...]
    extra: Mapping[str, object]


MAPPING: dict[str, object] = {
    "path": Path("/a"),
    "max_size": 64,
    "timeout": 2,
    "enabled": True,
    "constant": 1.5,
    "pool": {"min": 2},
    "groups": ({"id": "G", "mode": "handshake", "interval": 1.0}, {"id": "H", "mode": "fixed"}),
    "names": ["a", "b"],
    "extra": {"unit_id": 1},
    "read_by_a_check_alone": 1,
}


def test_a_mapping_becomes_its_dataclass_all_the_way_down() -> None:
    assert settings(Whole, MAPPING) == Whole(
        path=Path("/a"),
        max_size_bytes=64,
        timeout=2.0,
        enabled=True,
        token=None,
        constant=1.5,
        pool=Pool(2),
        groups=(Group("G", Mode.HANDSHAKE, 1.0), Group("H", Mode.FIXED)),
        names=("a", "b"),
        extra={"unit_id": 1},
    )
    assert isinstance(settings(Whole, MAPPING).timeout, float)


def test_a_secret_stays_a_secret() -> None:
    secret = Secret(lambda: "hunter2")
    assert settings(Whole, MAPPING | {"token": secret}).token is secret


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"timeout": "2s"}, "Whole.timeout is str, not float"),
        ({"timeout": True}, "Whole.timeout is bool, not float"),
        ({"enabled": 1}, "Whole.enabled is int, not bool"),
        ({"max_size": 1.0}, "Whole.max_size_bytes is float, not int"),
        ({"token": "hunter2"}, "Whole.token is str, not Secret"),
        ({"constant": Path("a")}, r"Whole.constant is PosixPath|WindowsPath"),
        ({"pool": {"min": None}}, "Pool.min is NoneType, not int"),
        ({"pool": {}}, "Pool.min: no such key"),
        ({"names": ("a", 1)}, "Whole.names is int, not str"),
        ({"names": "ab"}, "Whole.names is str"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused_without_its_value(change: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message) as caught:
        settings(Whole, MAPPING | change)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_choice_is_refused() -> None:
    with pytest.raises(ValueError, match="sometimes"):
        settings(Group, {"id": "G", "mode": "sometimes"})
