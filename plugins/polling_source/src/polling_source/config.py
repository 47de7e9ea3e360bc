"""PollingSourceConfig: the source's ``config:`` mapping, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, cast

from agent_core.api import Config, GroupMode

DEVICE_KEYS: Final = ("id", "driver", "allow_writes", "connections")
"""What the engine reads of a device's entry; the rest is the driver's."""


class BadRows(StrEnum):
    """Which rows are made for tags that cannot be read."""

    ON_CHANGE = "on_change"
    EVERY_POLL = "every_poll"
    NONE = "none"


class WrongTags(StrEnum):
    """What becomes of a tag whose row in the YAML, a CSV file or a catalogue is wrong."""

    REFUSE = "refuse"
    LEAVE_OUT = "leave_out"


@dataclass(frozen=True, slots=True)
class BackoffConfig:
    """Seconds before a device that does not answer is tried again: the first time, and at most."""

    initial: float
    max: float


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device. ``settings`` are the driver's own keys."""

    id: str
    driver: str
    allow_writes: bool
    connections: int
    settings: Config


@dataclass(frozen=True, slots=True)
class TriggerConfig:
    """The bit that triggers a handshake group, and whether it is reset afterwards."""

    address: str
    reset: bool


@dataclass(frozen=True, slots=True)
class GroupConfig:
    """One group. Times are in seconds, None where the YAML gives none; ``tags`` are as the YAML gives them."""

    id: str
    device: str
    mode: GroupMode
    interval: float | None
    trigger: TriggerConfig | None = None
    stale_after: float | None = None
    resend: float | None = None
    tags: Sequence[Mapping[str, object]] | None = None
    tags_from: Path | None = None


@dataclass(frozen=True, slots=True)
class CatalogConfig:
    """A plant's own catalogue. ``string_length`` is in bytes, None when the catalogue has to say it."""

    sqlite: Path
    string_length: int | None
    encoding: str


@dataclass(frozen=True, slots=True)
class PollingSourceConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. ``refused_retry`` is in seconds."""

    devices: tuple[DeviceConfig, ...]
    groups: tuple[GroupConfig, ...]
    catalog: CatalogConfig | None
    wrong_tags: WrongTags
    bad_rows: BadRows
    backoff: BackoffConfig
    refused_retry: float
    max_groups: int

    @classmethod
    def from_config(cls, config: Config) -> PollingSourceConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        backoff = cast(Mapping[str, float], config["backoff"])
        return cls(
            devices=tuple(_device(entry) for entry in cast(Sequence[Config], config["devices"])),
            groups=tuple(_group(entry) for entry in cast(Sequence[Config], config["groups"])),
            catalog=_catalog(cast("Config | None", config.get("catalog"))),
            wrong_tags=WrongTags(cast(str, config["wrong_tags"])),
            bad_rows=BadRows(cast(str, config["bad_rows"])),
            backoff=BackoffConfig(backoff["initial"], backoff["max"]),
            refused_retry=cast(float, config["refused_retry"]),
            max_groups=cast(int, config["max_groups"]),
        )


def _device(entry: Config) -> DeviceConfig:
    return DeviceConfig(
        id=cast(str, entry["id"]),
        driver=cast(str, entry["driver"]),
        allow_writes=cast(bool, entry["allow_writes"]),
        connections=cast(int, entry["connections"]),
        settings={key: value for key, value in entry.items() if key not in DEVICE_KEYS},
    )


def _group(entry: Config) -> GroupConfig:
    trigger = cast("Config | None", entry.get("trigger"))
    return GroupConfig(
        id=cast(str, entry["id"]),
        device=cast(str, entry["device"]),
        mode=GroupMode(cast(str, entry["mode"])),
        interval=cast("float | None", entry.get("interval")),
        trigger=None if trigger is None else TriggerConfig(cast(str, trigger["address"]), cast(bool, trigger["reset"])),
        stale_after=cast("float | None", entry.get("stale_after")),
        resend=cast("float | None", entry.get("resend")),
        tags=cast("Sequence[Mapping[str, object]] | None", entry.get("tags")),
        tags_from=cast("Path | None", entry.get("tags_from")),
    )


def _catalog(entry: Config | None) -> CatalogConfig | None:
    if entry is None:
        return None
    return CatalogConfig(
        sqlite=cast(Path, entry["sqlite"]),
        string_length=cast("int | None", entry.get("string_length")),
        encoding=cast(str, entry["encoding"]),
    )
