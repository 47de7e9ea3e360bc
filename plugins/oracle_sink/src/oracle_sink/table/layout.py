"""Layout: how records become rows of the table: the encoders in the order of the binds, and the statements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from agent_core.api import Batch
from oracle_sink.table.binding import Bind, Encoder, InputSize
from oracle_sink.table.facts import ColumnKind, Key, TableFacts
from oracle_sink.table.identifiers import TableName
from oracle_sink.table.times import Times

LOOKUP_SIZES: Final = (1, 8, 64)
"""How many keys one look-up has. There are few sizes, so that the database parses few statements."""

_SHORT_TEXT: Final = 1000
"""The driver reckons with four bytes per character, and declares a text of more than 4,000 bytes as LONG, which no
condition takes. A longer value still makes its bind longer."""


@dataclass(frozen=True)
class Layout:
    """Encoders in the order of the binds: the columns of ``key`` first, so that rows sort by key.

    ``compared`` are the positions of the columns whose content distinguishes a duplicate from a conflict: fields
    outside the key; constants and expressions are not compared. ``key`` is None if nothing makes a row unique.
    ``time_columns`` hold the record's time; ``declared`` are the columns of ``key:``.
    """

    facts: TableFacts
    encoders: tuple[Encoder, ...]
    expressions: tuple[tuple[str, str], ...]
    key: Key | None
    compared: tuple[int, ...]
    time_columns: frozenset[str]
    declared: tuple[str, ...]

    @property
    def time_in_key(self) -> bool:
        return self.key is not None and not self.time_columns.isdisjoint(self.key.columns)

    @property
    def table(self) -> TableName:
        return self.facts.table

    @property
    def key_width(self) -> int:
        """How many of the first binds are the key."""
        return len(self.key.columns) if self.key is not None else 0

    @cached_property
    def input_sizes(self) -> tuple[InputSize, ...]:
        return tuple(encoder.input_size for encoder in self.encoders)

    @cached_property
    def insert_sql(self) -> str:
        names = [encoder.column.sql for encoder in self.encoders] + [f'"{name}"' for name, _ in self.expressions]
        values = [f":{number + 1}" for number in range(len(self.encoders))] + [sql for _, sql in self.expressions]
        return f"INSERT INTO {self.table.sql} ({', '.join(names)}) VALUES ({', '.join(values)})"  # noqa: S608

    @cached_property
    def copy_sql(self) -> str:
        """Inserts one of the table's own rows again, with the times of ``copy_binds``; none if the table is empty."""
        names = [encoder.column.sql for encoder in self.encoders] + [f'"{name}"' for name, _ in self.expressions]
        times = {position: f":{number + 1}" for number, position in enumerate(self._time_positions)}
        values = [times.get(p, encoder.column.sql) for p, encoder in enumerate(self.encoders)]
        values += [sql for _, sql in self.expressions]
        return (
            f"INSERT INTO {self.table.sql} ({', '.join(names)}) "  # noqa: S608
            f"SELECT {', '.join(values)} FROM {self.table.sql} WHERE ROWNUM = 1"
        )

    @cached_property
    def copy_sizes(self) -> tuple[InputSize, ...]:
        return tuple(self.input_sizes[position] for position in self._time_positions)

    def copy_binds(self, batch: Batch) -> tuple[Bind, ...]:
        """The times of the first record."""
        return tuple(self.encoders[position].encode(batch, {})[0] for position in self._time_positions)

    @cached_property
    def update_sql(self) -> str:
        """Binds: the compared columns, then the key as in ``key_binds``."""
        sets = [f"{self.encoders[p].column.sql} = :{n + 1}" for n, p in enumerate(self.compared)]
        return f"UPDATE {self.table.sql} SET {', '.join(sets)} WHERE {self._key_condition(len(sets))}"  # noqa: S608

    @cached_property
    def update_sizes(self) -> tuple[InputSize, ...]:
        return (*(self.input_sizes[p] for p in self.compared), *self.key_sizes)

    @cached_property
    def key_sizes(self) -> tuple[InputSize, ...]:
        sizes = self.key_binds(self.input_sizes)
        return tuple(min(size, _SHORT_TEXT) if isinstance(size, int) else size for size in sizes)

    def key_binds(self, row: Sequence[Bind] | Sequence[InputSize]) -> list[Bind | InputSize]:
        """What the key condition needs of a row: a nullable column appears twice."""
        return [row[position] for position in self._key_positions]

    @cached_property
    def lookup_sqls(self) -> Mapping[int, str]:
        """For each of LOOKUP_SIZES: reads the compared columns of that many keys, each row with the number of its key.

        One query per key, joined by UNION ALL, so that the only possible plan is an index look-up: with OR or IN, the
        optimizer may choose to read the whole table.
        """
        width = len(self._key_positions)
        content = "".join(f", {self._read_sql(position)}" for position in self.compared)
        selects = [
            f"SELECT {number} AS n{content} FROM {self.table.sql} WHERE {self._key_condition(number * width)}"  # noqa: S608
            for number in range(LOOKUP_SIZES[-1])
        ]
        return {size: " UNION ALL ".join(selects[:size]) for size in LOOKUP_SIZES}

    @cached_property
    def sample_sql(self) -> str:
        """Reads the keys of some rows; the bind says of how many."""
        columns = ", ".join(self._read_sql(position) for position in range(self.key_width))
        return f"SELECT {columns} FROM {self.table.sql} WHERE ROWNUM <= :1"  # noqa: S608

    def same(self, row: Sequence[Bind], stored: Sequence[Bind]) -> bool:
        """True if what a look-up found has the content of a row. ``stored`` is in the order of ``compared``."""
        encoders = self.encoders
        return all(encoders[p].same(row[p], value) for p, value in zip(self.compared, stored, strict=True))

    def shown(self, row: Sequence[Bind]) -> str:
        """A row's key for messages."""
        parts = row[: self.key_width]
        return ", ".join(f"{e.column.name}={part}" for e, part in zip(self.encoders, parts, strict=False))

    def shown_content(self, content: Sequence[Bind]) -> str:
        """The compared columns for messages."""
        return ", ".join(str(part) for part in content)

    def content(self, row: Sequence[Bind]) -> tuple[Bind, ...]:
        """The compared columns of a row."""
        return tuple(row[position] for position in self.compared)

    @cached_property
    def _key_positions(self) -> tuple[int, ...]:
        positions: list[int] = []
        for position, encoder in enumerate(self.encoders[: self.key_width]):
            positions.extend((position,) * (2 if encoder.column.nullable else 1))
        return tuple(positions)

    @cached_property
    def _time_positions(self) -> tuple[int, ...]:
        return tuple(p for p, encoder in enumerate(self.encoders) if isinstance(encoder, Times))

    def _key_condition(self, offset: int) -> str:
        parts: list[str] = []
        bind = offset + 1
        for encoder in self.encoders[: self.key_width]:
            sql = encoder.column.sql
            if encoder.column.nullable:
                parts.append(f"({sql} = :{bind} OR ({sql} IS NULL AND :{bind + 1} IS NULL))")
                bind += 2
            else:
                parts.append(f"{sql} = :{bind}")
                bind += 1
        return " AND ".join(parts)

    def _read_sql(self, position: int) -> str:
        column = self.encoders[position].column
        if column.kind is ColumnKind.TIMESTAMP_TZ:
            return f"SYS_EXTRACT_UTC({column.sql})"
        if column.kind is ColumnKind.TIMESTAMP_LTZ:
            # It would be sent in the time zone of the database; the cast is in that of the session, which is UTC.
            return f"CAST({column.sql} AS TIMESTAMP)"
        return column.sql
