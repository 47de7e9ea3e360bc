"""CsvExport: groups and tags as a CSV tag list."""

from __future__ import annotations

import csv
from pathlib import Path

from agent_core.api.files.private import shared_opener
from polling_source.tags.contents import Contents
from polling_source.tags.csv_tags import GROUP
from polling_source.tags.tag import FIELDS, tag_fields


def write_csv(contents: Contents, file: Path) -> None:
    """The columns that are needed, and ``group``; UTF-8 with the mark by which spreadsheets know it."""
    rows = [(group, tag_fields(tag)) for group, placed in contents.tags.items() for tag in placed]
    columns = [column for column in FIELDS if any(column in fields for _, fields in rows)]
    with open(file, "w", encoding="utf-8-sig", newline="", opener=shared_opener) as stream:
        writer = csv.writer(stream)
        writer.writerow([*columns, GROUP])
        for group, fields in rows:
            cells = [fields.get(column, "") for column in columns]
            writer.writerow(["true" if cell is True else cell for cell in cells] + [group])
