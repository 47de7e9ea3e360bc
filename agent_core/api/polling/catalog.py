"""Tag catalogues: lists of polling groups and their tags in files of several forms, turned into one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent_core.api.components import Config
from agent_core.api.errors import ConfigProblem


@dataclass(frozen=True, slots=True)
class ConversionOptions:
    """What some forms of a catalogue leave unsaid, and what to do with rows that are wrong.

    ``device`` and ``interval_seconds`` are for forms that only list tags; ``driver`` for those that know the address
    of a device and not its driver; ``string_length`` (bytes) and ``encoding`` for STRING tags without their own.
    ``leave_out``: continue with the good rows. ``replace``: write over files that exist.
    """

    device: str = "PLC01"
    driver: str | None = None
    interval_seconds: float = 1.0
    string_length: int | None = None
    encoding: str = "utf-8"
    leave_out: bool = False
    replace: bool = False


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted. ``problems`` are warnings, including the rows of a catalogue that were left out."""

    groups: int
    tags: int
    problems: tuple[ConfigProblem, ...]
    written: tuple[Path, ...]


class CatalogConverter(Protocol):
    """Optional on a source's factory: ``tagferry catalog`` is its command."""

    @property
    def forms(self) -> Mapping[str, str]:
        """What a file is by the end of its name: ``.csv`` -> ``a tag list``."""

    def convert(self, origin: Path | Config, targets: Sequence[Path], options: ConversionOptions) -> Conversion:
        """Write the groups and tags of ``origin`` (a file, or a source's validated config) into each target.

        The name of a file says its form. Each target is written whole or not at all. Raises ConfigError with every
        problem when something is wrong, and OSError when a file cannot be written.
        """
