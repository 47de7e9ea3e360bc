"""Partitions: which one a row belongs to. Rows themselves stay in the table's one heap.

Bounds are stored bytes, which order like the values. An interval partition appears with the first row that needs it,
and stays when that row is rolled back.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Settings, Value
from oracle_standin.sql.datatype import Datatype, Raw, Row, WireType

MAXVALUE = b"\xff" * 32
_MOST_PARTITIONS = 1048575
_numbers = itertools.count(301)

Bound: TypeAlias = tuple[bytes, ...]  # exclusive upper bound, by column; a null sorts last


@dataclass(slots=True)
class Partition:
    """One partition; ``high_value`` is its text in the dictionary."""

    name: str
    high_value: str
    bound: Bound = ()  # of RANGE
    values: frozenset[Raw] = frozenset()  # of LIST; of its DEFAULT partition: none
    automatic: bool = False  # made by INTERVAL


@dataclass(frozen=True, slots=True)
class Interval:
    """The width of automatic partitions: a number, seconds or months; ``text`` as it was written."""

    text: str
    width: Decimal
    months: bool = False

    def bound(self, start: Value, value: Value) -> Value:
        """The upper bound of the partition that holds ``value``, at or above ``start``. Raises ORA-14300."""
        try:
            if isinstance(start, dt.datetime) and isinstance(value, dt.datetime):
                if self.months:
                    passed = (value.year - start.year) * 12 + value.month - start.month
                    steps = passed // int(self.width) + 1
                    while (high := _add_months(start, steps * int(self.width))) <= value:
                        steps += 1
                    while (lower := _add_months(start, (steps - 1) * int(self.width))) > value:
                        steps, high = steps - 1, lower
                else:
                    width = dt.timedelta(seconds=float(self.width))
                    steps = (value - start) // width + 1
                    high = start + steps * width
                limit: Value = high
            else:
                number = Decimal(str(value)) - Decimal(str(start))
                steps = math.floor(number / self.width) + 1
                limit = Decimal(str(start)) + steps * self.width
        except (OverflowError, ValueError):
            steps, limit = _MOST_PARTITIONS + 1, None
        if steps > _MOST_PARTITIONS:
            raise OraError(14300)
        return limit


def _add_months(moment: dt.datetime, months: int) -> dt.datetime:
    years, month = divmod(moment.month - 1 + months, 12)
    return moment.replace(year=moment.year + years, month=month + 1)


@dataclass(slots=True)
class Partitioning:
    """How a table is divided. ``kind`` is RANGE, LIST or HASH."""

    kind: str
    columns: tuple[int, ...]
    types: tuple[Datatype, ...]
    partitions: list[Partition] = field(default_factory=list)
    interval: Interval | None = None
    row_movement: bool = False
    _bounds: list[Bound] = field(default_factory=list)

    def index(self) -> None:
        """Call it after a change of the list of partitions."""
        self._bounds = [partition.bound for partition in self.partitions]

    def named(self, name: str) -> Partition:
        """Raises ORA-02149."""
        for partition in self.partitions:
            if partition.name == name:
                return partition
        raise OraError(2149)

    # ------------------------------------------------------------------ rows

    def place(self, row: Row) -> Partition:
        """The partition of a row, made if INTERVAL allows it. Raises ORA-14400 and ORA-14300."""
        if self.kind == "HASH":
            return self.partitions[0]
        if self.kind == "LIST":
            return self._listed(row[self.columns[0]])
        key = tuple([MAXVALUE if row[c] is None else row[c] for c in self.columns])
        at = bisect_right(self._bounds, key)
        if self.interval is None:
            if at < len(self.partitions):
                return self.partitions[at]
            last = self.partitions[-1]
            if last.bound == (MAXVALUE,) * len(self.columns):
                return last
            raise OraError(14400)
        return self._automatic(key[0] or b"", at)

    def place_all(self, rows: Sequence[Row]) -> None:
        """The same for an array; looks at each row only if the extremes are not enough to know."""
        if not self._fits(rows):
            for row in rows:
                self.place(row)

    def _fits(self, rows: Sequence[Row]) -> bool:
        """Whether the extremes of an array tell that each of its rows is in a partition that exists."""
        if self.kind != "RANGE" or len(self.columns) > 1:
            return self.kind == "HASH"
        values = [row[self.columns[0]] for row in rows]
        if None in values:
            return False
        low, high = (min(values),), (max(values),)  # type: ignore[type-var]  # no None here
        at = bisect_right(self._bounds, high)
        if at == len(self._bounds):
            return False
        return self.interval is None or at == 0 or (self._bounds[at - 1] <= low and self._covers(at, low))

    def _covers(self, at: int, key: tuple[Raw, ...]) -> bool:
        """Whether a partition holds a key below its bound: between automatic ones may be a gap."""
        partition = self.partitions[at]
        if not partition.automatic or self.interval is None:
            return True
        return self._bound_of(key[0] or b"") == partition.bound

    def _bound_of(self, key: bytes) -> Bound:
        assert self.interval is not None
        kind = self.types[0]
        start = next(p.bound[0] for p in reversed(self.partitions) if not p.automatic)
        high = self.interval.bound(kind.decode(start), kind.decode(key))
        return (kind.encode(high, "", Settings()) or b"",)

    def _automatic(self, key: bytes, at: int) -> Partition:
        if at < len(self.partitions) and not self.partitions[at].automatic:
            return self.partitions[at]
        if key == MAXVALUE:
            raise OraError(14300)
        bound = self._bound_of(key)
        if at == len(self.partitions) or self.partitions[at].bound != bound:
            name = f"SYS_P{next(_numbers)}"
            text = bound_text(self.types[0], self.types[0].decode(bound[0]))
            self.partitions.insert(at, Partition(name, text, bound, automatic=True))
            self.index()
        return self.partitions[at]

    def _listed(self, value: Raw) -> Partition:
        for partition in self.partitions:
            if value in partition.values:
                return partition
        for partition in self.partitions:
            if partition.high_value == "DEFAULT":
                return partition
        raise OraError(14400)

    # ------------------------------------------------------------------ the list of partitions

    def add(self, partition: Partition) -> None:
        """Adds a partition behind the last. Raises ORA-14013, 14074 (or, of a list, 14312), 14323 and 14760."""
        if any(p.name == partition.name for p in self.partitions):
            raise OraError(14013, "duplicate partition name")
        if self.interval is not None and any(p.automatic for p in self.partitions):
            raise OraError(14760, "ADD PARTITION is not permitted on Interval partitioned objects")
        if self.kind == "LIST":
            if any(p.values & partition.values for p in self.partitions):
                raise OraError(14312, f"Value already exists in partition {self.partitions[0].name}")
            if any(p.high_value == "DEFAULT" for p in self.partitions):
                raise OraError(14323, "cannot add partition when DEFAULT partition exists")
        elif self.kind == "RANGE" and self.partitions and partition.bound <= self.partitions[-1].bound:
            raise OraError(14074, "partition bound must collate higher than that of the last partition")
        self.partitions.append(partition)
        self.index()

    def drop(self, name: str) -> None:
        """Raises ORA-02149 and ORA-14083."""
        partition = self.named(name)
        if len(self.partitions) == 1:
            raise OraError(14083, "cannot drop the only partition of a partitioned table")
        if not partition.automatic and self.interval is not None and sum(not p.automatic for p in self.partitions) == 1:
            raise OraError(14758, "Last partition in the range section cannot be dropped")
        self.partitions.remove(partition)
        self.index()


def bound_text(kind: Datatype, value: Value) -> str:
    """HIGH_VALUE of a bound, as the dictionary writes it."""
    if isinstance(value, dt.datetime):
        if kind.kind is WireType.DATE:
            return f"TO_DATE(' {value:%Y-%m-%d %H:%M:%S}', 'SYYYY-MM-DD HH24:MI:SS', 'NLS_CALENDAR=GREGORIAN')"
        fraction = f"{value:.%f}".rstrip("0").rstrip(".")
        return f"TIMESTAMP' {value:%Y-%m-%d %H:%M:%S}{fraction}'"
    return f"'{value}'" if isinstance(value, str) else str(value)
