"""Identifiers: names in the YAML as the dictionary has them, and as they are written in SQL.

SQL is built only from these: a name that was parsed is put in double quotes, so it cannot be read as anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_PART: Final = re.compile(r'"(?P<quoted>[^"\x00]+)"|(?P<plain>[^\W\d_][\w$#]*)')
_MAX_BYTES: Final = 128
"""Since 12.2. Before, the limit was 30; then the database itself reports it."""


@dataclass(frozen=True, slots=True)
class TableName:
    """``owner`` is None for a name without one, which is looked up in the current schema of the session."""

    owner: str | None
    name: str

    @property
    def sql(self) -> str:
        return ".".join(f'"{part}"' for part in (self.owner, self.name) if part is not None)

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}" if self.owner else self.name


def parse_table(text: str) -> TableName:
    """``NAME`` or ``OWNER.NAME``, each plain or quoted. Raises ValueError with what is wrong."""
    parts = _parts(text)
    if len(parts) > 2:
        raise ValueError(f"{text!r} has {len(parts)} parts: write TABLE or OWNER.TABLE")
    return TableName(parts[0] if len(parts) == 2 else None, parts[-1])


def parse_column(text: str) -> str:
    """A column's name as the dictionary has it. Raises ValueError."""
    parts = _parts(text)
    if len(parts) != 1:
        raise ValueError(f"{text!r} is not a column name")
    return parts[0]


def parse_sequence(text: str) -> TableName:
    """``SEQ`` or ``OWNER.SEQ``. Raises ValueError."""
    return parse_table(text)


def _parts(text: str) -> list[str]:
    parts: list[str] = []
    rest = text.strip()
    while True:
        found = _PART.match(rest)
        if found is None:
            raise _no_name(text)
        # Unquoted names are stored in upper case.
        part = found["quoted"] or found["plain"].upper()
        if len(part.encode()) > _MAX_BYTES:
            raise ValueError(f"{part!r} is longer than {_MAX_BYTES} bytes")
        parts.append(part)
        rest = rest[found.end() :]
        if not rest:
            return parts
        if not rest.startswith("."):
            raise _no_name(text)
        rest = rest[1:]


def _no_name(text: str) -> ValueError:
    plain = text.strip() and text.isprintable() and not set(text) & set("\"'.")
    example = text.strip() if plain else "Mixed case"
    return ValueError(
        f"{text!r} is not an Oracle name: a letter, then letters, digits, _ $ #; "
        f"""any other name needs double quotes, in YAML '"{example}"'"""
    )
