"""DeclaredKey: what the data says about a key that only ``key:`` names, read before the first write.

A view has no key in the dictionary, so nothing but the data can confirm one. Only reading is done here. Whether the
database refuses a second row with the key shows in an INSERT, which ``tagferry doctor`` tries and rolls back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import oracledb

from agent_core.api import ConfigurationError
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import text_of
from oracle_sink.table.dictionary import limited, works_again
from oracle_sink.table.layout import LOOKUP_SIZES, Layout

_ROWS: Final = 5000
_LOOKED_UP: Final = LOOKUP_SIZES[-1]
_SECONDS: Final = 10.0
"""For each of the two queries."""


def examine(connection: oracledb.Connection, layout: Layout, limit_seconds: float = _SECONDS) -> str:
    """Read some rows, look up some of their keys as a write does, and say what that shows, and what it does not.

    Raises ConfigurationError if rows with the same key have different content, and the error of a lost connection.
    """
    assert layout.key is not None
    return (
        f"only key: says that {', '.join(layout.key.columns)} identify a row, not the dictionary. "
        f"{_evidence(connection, layout, limit_seconds)}. Records are looked up before they are inserted; whether the "
        "database, too, refuses a second row is not known (tagferry doctor tries it)"
    )


def _evidence(connection: oracledb.Connection, layout: Layout, limit_seconds: float) -> str:
    try:
        with limited(connection, limit_seconds), connection.cursor() as cursor:
            sample = _sample(cursor, layout)
            if not sample:
                return "There is no row yet to check that"
            keys = _chosen(sample)
            found = _look_up(cursor, layout, keys)
    except DRIVER_ERRORS as error:
        if not works_again(connection, error):
            raise
        return f"It could not be checked: {text_of(error)}; without an index on them, look-ups are slow"
    doubles = _doubles(layout, keys, found)
    seen = f"{len(sample)} rows and {len(keys)} look-ups"
    if doubles:
        return f"Some rows are there twice, with the same content ({doubles[0]}; {seen})"
    return f"That is true for {seen}"


def _sample(cursor: oracledb.Cursor, layout: Layout) -> Sequence[tuple[Any, ...]]:
    cursor.arraysize = cursor.prefetchrows = _ROWS + 1
    return list(cursor.execute(layout.sample_sql, [_ROWS], fetch_decimals=True).fetchall())


def _chosen(sample: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Keys that are in the sample twice, then others from all over it."""
    counts = Counter(sample)
    twice = [key for key, count in counts.items() if count > 1]
    once = [key for key, count in counts.items() if count == 1]
    step = max(1, len(once) // _LOOKED_UP)
    return (twice + once[::step])[:_LOOKED_UP]


def _look_up(
    cursor: oracledb.Cursor, layout: Layout, keys: Sequence[tuple[Any, ...]]
) -> dict[int, list[tuple[Any, ...]]]:
    """The content of the rows of each key, by its number."""
    filled = [*keys, *[keys[-1]] * (_LOOKED_UP - len(keys))]
    cursor.setinputsizes(*layout.key_sizes * _LOOKED_UP)
    binds = [bind for key in filled for bind in layout.key_binds(key)]
    found: dict[int, list[tuple[Any, ...]]] = {}
    for number, *content in cursor.execute(layout.lookup_sqls[_LOOKED_UP], binds, fetch_decimals=True).fetchall():
        if number < len(keys):
            found.setdefault(int(number), []).append(tuple(content))
    return found


def _doubles(layout: Layout, keys: Sequence[tuple[Any, ...]], found: dict[int, list[tuple[Any, ...]]]) -> list[str]:
    doubles = []
    for number, contents in found.items():
        if len(contents) < 2:
            continue
        shown = layout.shown(keys[number])
        if len({repr(content) for content in contents}) > 1:  # by text: NaN differs from itself
            raise ConfigurationError(
                f"key: {layout.table} has {len(contents)} rows with {shown} and different content, so these columns "
                "do not identify a row: correct key:"
            )
        doubles.append(shown)
    return doubles
