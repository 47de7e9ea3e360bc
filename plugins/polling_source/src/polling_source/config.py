"""PollingSourceConfig: the source's ``config:`` mapping, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, cast

from agent_core.api import Config, GroupMode, settings

PACE_KEYS: Final = ("close_after_poll", "pause_between_requests", "reconnect_delay")
DEVICE_KEYS: Final = ("id", "driver", "allow_writes", "connections", *PACE_KEYS)
"""What the engine reads of a device's entry; the rest is the driver's."""


class BadRecords(StrEnum):
    """Which records are emitted for tags that cannot be read."""

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
class PaceConfig:
    """How a device wants to be treated. Times are in seconds."""

    close_after_poll: bool
    pause_between_requests: float
    reconnect_delay: float


NO_PACE: Final = PaceConfig(close_after_poll=False, pause_between_requests=0.0, reconnect_delay=0.0)


@dataclass(frozen=True, slots=True)
class DeviceConfig:
    """One device. ``settings`` are the driver's own keys."""

    id: str
    driver: str
    allow_writes: bool
    connections: int
    settings: Config
    pace: PaceConfig = NO_PACE


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
    bad_records: BadRecords
    backoff: BackoffConfig
    refused_retry: float
    max_groups: int

    @classmethod
    def from_config(cls, config: Config) -> PollingSourceConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        devices = [
            {
                **{key: entry[key] for key in DEVICE_KEYS if key not in PACE_KEYS},
                "pace": {key: entry[key] for key in PACE_KEYS},
                "settings": {key: value for key, value in entry.items() if key not in DEVICE_KEYS},
            }
            for entry in cast(Sequence[Config], config["devices"])
        ]
        return settings(cls, {**config, "devices": devices})
