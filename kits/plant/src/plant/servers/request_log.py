"""RequestLog: what a plant served, one line a request, and how a table compares with it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from agent_core.api import Value
from plant.servers.catalogue import Catalogue


class Outcome(StrEnum):
    """What became of a request."""

    SERVED = "served"
    REFUSED = "refused"
    HUNG = "hung"
    WRITTEN = "written"


class Request(NamedTuple):
    """One line. ``group`` is empty outside the groups' registers; ``scan`` is the group's scan that was served."""

    sequence: int
    time_ns: int
    group: str
    scan: int
    function: int
    address: int
    units: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rows against what was served, each as ``(tag name, value) -> how many``.

    ``missing``: served more often than found. ``unexpected``: found more often than served (repeated, or never served).
    """

    served: int
    found: int
    missing: Counter[tuple[str, Value]]
    unexpected: Counter[tuple[str, Value]]

    @property
    def equal(self) -> bool:
        """Every served value is there exactly once, and nothing else."""
        return not self.missing and not self.unexpected


class RequestLog:
    """The log file of one plant, which may still be running. It is flushed with each line."""

    def __init__(self, file: Path, catalogue: Catalogue) -> None:
        self._file = file
        self._catalogue = catalogue

    def requests(self) -> Iterator[Request]:
        """All complete lines, oldest first."""
        with self._file.open(encoding="utf-8", newline="") as stream:
            lines = stream.read().rpartition("\n")[0].splitlines()
        for sequence, time_ns, group, scan, function, address, units, outcome in csv.reader(lines[1:]):
            yield Request(
                int(sequence),
                int(time_ns),
                group,
                int(scan),
                int(function),
                int(address),
                int(units),
                Outcome(outcome),
            )

    def served(self) -> Counter[tuple[str, Value]]:
        """Each value that was in an answer, by tag name, with how often it was served."""
        served: Counter[tuple[str, Value]] = Counter()
        for request in self.requests():
            if request.outcome is Outcome.SERVED and request.group:
                group = self._catalogue.group(request.group)
                for tag in group.covered(request.address, request.units):
                    served[tag.name, tag.value(request.scan)] += 1
        return served

    def compare(self, rows: Iterable[tuple[str, Value]]) -> Comparison:
        """Compare ``(tag name, value)`` rows, types included, with all that was served."""
        served, found = self.served(), Counter(rows)
        return Comparison(served.total(), found.total(), served - found, found - served)
