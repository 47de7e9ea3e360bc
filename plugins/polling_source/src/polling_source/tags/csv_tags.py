"""CsvTags: a tag list in a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent_core.api import ConfigProblem, did_you_mean
from agent_core.api.files.whole_file import read_whole
from polling_source.tags.tag import FIELDS, REQUIRED, Place, PlacedTag, parse_tag

if TYPE_CHECKING:
    from _csv import Reader

GROUP: Final = "group"
COLUMNS: Final = (*FIELDS, GROUP)

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_ROWS: Final = 200_000
MAX_COLUMNS: Final = 100


@dataclass(frozen=True, slots=True)
class CsvTags:
    """The rows of one file: ``(group, tag)``, where group is None when the file has no such column.

    ``problems`` holds what is wrong with the file as such, ``tag_problems`` what is wrong with single rows; the tags
    are those of the good ones. ``unread`` is why the file as a whole cannot be read.
    """

    rows: tuple[tuple[str | None, PlacedTag], ...]
    problems: tuple[ConfigProblem, ...] = ()
    tag_problems: tuple[ConfigProblem, ...] = ()
    unread: str | None = None

    @classmethod
    def read(cls, file: Path) -> CsvTags:
        """Read the whole file: UTF-8, with or without a byte-order mark, the first line names the columns.

        At most 16 MiB and 200,000 rows, whose cells have at most 131,072 characters.
        """
        try:
            text = read_whole(file, MAX_BYTES).decode("utf-8-sig")
        except OSError as error:
            unread = f"cannot read the tag list: {error.strerror or error}"
            return cls((), (ConfigProblem(unread, file=str(file)),), unread=unread)
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            hint = "save it as CSV UTF-8"
            return cls((), (ConfigProblem("the tag list is not UTF-8", file=str(file), line=line, hint=hint),))
        problems: list[ConfigProblem] = []
        tag_problems: list[ConfigProblem] = []
        rows: list[tuple[str | None, PlacedTag]] = []
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            for count, (place, header, cells) in enumerate(_records(str(file), reader)):
                if cells is None:
                    problems.extend(_check_header(place, header))
                    continue
                if count > MAX_ROWS:
                    problems.append(place.problem(f"more than {MAX_ROWS} rows"))
                    break
                if len(cells) > len(header):
                    message = f"{len(cells)} cells where the first line names {len(header)} columns"
                    tag_problems.append(place.problem(message))
                    continue
                fields = dict(zip(header, cells, strict=False))
                tag = parse_tag(fields, place)
                group = fields.get(GROUP, "").strip() if GROUP in header else None
                if isinstance(tag, list):
                    tag_problems.extend(tag)
                elif group == "":
                    tag_problems.append(place.problem(f"column {GROUP}: is empty"))
                else:
                    rows.append((group, tag))
        except csv.Error as error:
            place = Place(file=str(file), line=reader.line_num)
            problems.append(place.problem(f"the tag list is not a CSV file: {error}"))
        return cls(tuple(rows), tuple(problems), tuple(tag_problems))


def _records(file: str, reader: Reader) -> Iterator[tuple[Place, Sequence[str], Sequence[str] | None]]:
    """Place, header and cells of each record that is not blank; for the header itself the cells are None.

    Stops after a header that lacks a column.
    """
    header: Sequence[str] | None = None
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        place = Place(file=file, line=reader.line_num)
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            yield place, header, None
            if not set(REQUIRED) <= set(header) or len(header) > MAX_COLUMNS:
                return
        else:
            yield place, header, cells
    if header is None:
        yield Place(file=file, line=1), (), None


def _check_header(place: Place, header: Sequence[str]) -> Iterator[ConfigProblem]:
    if len(header) > MAX_COLUMNS:
        yield place.problem(f"{len(header)} columns are more than {MAX_COLUMNS}", hint=f"known: {', '.join(COLUMNS)}")
        return
    for column in REQUIRED:
        if column not in header:
            yield place.problem(f"column {column} is missing", hint="separate the columns with commas")
    for column in sorted(set(header) - set(COLUMNS)):
        hint = did_you_mean(column, COLUMNS) or f"known: {', '.join(COLUMNS)}"
        yield place.problem(f"unknown column {column!r}", hint=hint)
    for column in sorted({column for column in header if header.count(column) > 1}):
        yield place.problem(f"column {column} appears twice")
