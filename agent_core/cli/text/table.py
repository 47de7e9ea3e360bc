"""Aligned columns, for terminals where some letters are two cells wide."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def display_width(text: str) -> int:
    """Terminal cells that ``text`` takes: two for a wide letter (Unicode Standard Annex 11), none for an accent."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def cut_to_width(text: str, cells: int) -> str:
    """``text``, or as much of it as fits with ``...`` behind it."""
    if display_width(text) <= cells:
        return text
    kept = text
    while kept and display_width(kept) > cells - 3:
        kept = kept[:-1]
    return f"{kept}..."


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, right_from: int | None = None) -> list[str]:
    """Lines of equal columns, two spaces between them; columns from ``right_from`` on are aligned to the right."""
    table = [list(header), *(list(row) for row in rows)]
    widths = [max(display_width(row[column]) for row in table) for column in range(len(header))]

    def cell(text: str, column: int) -> str:
        blanks = " " * (widths[column] - display_width(text))
        return blanks + text if right_from is not None and column >= right_from else text + blanks

    return ["  ".join(cell(text, column) for column, text in enumerate(row)).rstrip() for row in table]
