"""Tally: where the rows of counting_source are, number by number."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, NamedTuple

import oracledb
from oracle_standin.process import Standin
from runs.counting.counting_source import Numbering, number_at

EPOCH: Final = datetime(1970, 1, 1)
CONFLICT: Final = "CONFLICT"


class Found(NamedTuple):
    """A row as it was found. ``reason`` is empty in the table."""

    number: int
    name: str
    text: str
    reason: str = ""


def rows_in_table(server: Standin) -> Iterator[Found]:
    """Every committed row, through the real driver."""
    with (
        oracledb.connect(user=server.user, password=server.password, dsn=server.dsn) as connection,
        connection.cursor() as cursor,
    ):
        cursor.arraysize = 10_000
        cursor.execute("SELECT tag_name, tag_value, timestamp FROM TAG_DATA")
        for name, value, stamp in cursor:
            yield Found(number_at((stamp - EPOCH) // timedelta(microseconds=1)), name, str(value))


def rows_in_files(files: Iterable[Path]) -> Iterator[Found]:
    """Every row of backup files, read without the plugin that wrote them."""
    for file in files:
        with file.open(encoding="utf-8", newline="") as stream:
            for line in csv.DictReader(stream):
                stamp = datetime.fromisoformat(line["timestamp"][:26])
                number = number_at((stamp - EPOCH) // timedelta(microseconds=1))
                yield Found(number, line["tag_name"], line["tag_value"], line["reason"])


@dataclass
class Tally:
    """What was found of numbers 0 to ``emitted`` - 1; ``problems`` is what should not be, empty when all is well."""

    numbering: Numbering
    emitted: int
    in_table: int = 0
    rejected: int = 0
    problems: list[str] = field(default_factory=list)

    def check(self, table: Iterable[Found], rejected: Iterable[Found]) -> None:
        """Each good number once in the table; each poison once among the rejected, with its code; of a contested
        number one row in the table and the other among the rejected."""
        times = bytearray(self.emitted)
        held: dict[int, str] = {}
        for row in table:
            self.in_table += 1
            if self._is_ours(row, "the table") and times[row.number] < 255:
                times[row.number] += 1
                if self.numbering.contested(row.number):
                    held[row.number] = row.text
        refused: dict[int, list[Found]] = {}
        for row in rejected:
            self.rejected += 1
            if self._is_ours(row, "a rejected file"):
                refused.setdefault(row.number, []).append(row)
        for count, first, last in self._runs_of_wrong(times):
            self._problem(f"numbers {first} to {last} are in the table {count} times")
        expected = self._expected_refusals(held)
        for number in expected.keys() | refused.keys():
            found = [(row.text, row.reason) for row in refused.get(number, [])]
            if number not in expected:
                self._problem(f"number {number} was rejected: {found}")
            elif len(found) != 1 or not _matches(found[0], *expected[number]):
                self._problem(f"number {number} is rejected as {found}, not once as {expected[number]}")

    def _runs_of_wrong(self, times: bytearray) -> Iterator[tuple[int, int, int]]:
        """Numbers in sequence that are in the table a wrong number of times: times, first, last."""
        run: tuple[int, int, int] | None = None
        for number, count in enumerate(times):
            if count == (self.numbering.poison(number) is None):
                continue
            if run is not None and run[0] == count and number - run[2] <= 2:
                run = (count, run[1], number)
                continue
            if run is not None:
                yield run
            run = (count, number, number)
        if run is not None:
            yield run

    def _expected_refusals(self, held: dict[int, str]) -> dict[int, tuple[str, str]]:
        """Value and code of each row that is to be rejected, by number."""
        expected: dict[int, tuple[str, str]] = {}
        for number in range(self.emitted):
            if (poison := self.numbering.poison(number)) is not None:
                expected[number] = (str(self.numbering.row_of(number)[1]), poison.value)
            for contested in self.numbering.echoes_at(number):
                both = {str(self.numbering.row_of(contested)[1]), str(self.numbering.echo_of(contested)[1])}
                [other] = both - {held.get(contested, "")} if held.get(contested) in both else [""]
                expected[contested] = (other, CONFLICT)
        return expected

    def _is_ours(self, row: Found, place: str) -> bool:
        """True for a row that was emitted, whole."""
        numbering = self.numbering
        if 0 <= row.number < self.emitted:
            rows = [numbering.row_of(row.number)]
            if numbering.contested(row.number):
                rows.append(numbering.echo_of(row.number))
            if (row.name, row.text) in [(name, str(value)) for name, value in rows]:
                return True
        self._problem(f"{place} has a row that was never emitted: {row}")
        return False

    def _problem(self, text: str) -> None:
        self.problems.append(text)


def _matches(found: tuple[str, str], text: str, code: str) -> bool:
    return found[0] == text and f"rejected: {code}" in found[1]
