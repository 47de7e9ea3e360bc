"""Contents: what a catalogue of groups and tags says, whatever its form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polling_source.config import GroupConfig
from polling_source.tags.tag import PlacedTag


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """A device as far as the catalogue knows it; empty texts for what it does not say."""

    id: str
    driver: str = ""
    address: str = ""
    network_no: str = ""
    station_no: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """``tags`` by group id."""

    devices: Sequence[ListedDevice]
    groups: Sequence[GroupConfig]
    tags: Mapping[str, Sequence[PlacedTag]]

    @property
    def tag_count(self) -> int:
        """Tags of all groups."""
        return sum(map(len, self.tags.values()))
