"""COUNT, MIN, MAX, SUM and AVG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from sqlglot import exp

from oracle_standin.sql.conversion import Settings, Value, compare, plain, to_float, to_number
from oracle_standin.sql.datatype import Datatype
from oracle_standin.sql.scope import Frame


class Aggregate:
    """One aggregate of a query. ``operand`` is None for ``COUNT(*)``.

    For COUNT, MIN and MAX of a table's column the operand gives its stored bytes, which order like the values, and
    ``stored`` is their type: a million rows are looked at without decoding any.
    """

    def __init__(
        self,
        kind: type[exp.Expr],
        operand: Callable[[Frame], Value] | None,
        distinct: bool,
        stored: Datatype | None = None,
    ) -> None:
        self.kind, self.operand, self.distinct, self.stored = kind, operand, distinct, stored

    def result(self, count: int, values: Sequence[Value], settings: Settings) -> Value:
        """The value for a group of ``count`` rows whose operands that are not null are ``values``."""
        if self.distinct:
            values = list(dict.fromkeys(values))
        if self.kind is exp.Count:
            return count if self.operand is None else len(values)
        if not values:
            return None
        if self.kind in (exp.Min, exp.Max):
            return self._extreme(values, settings)
        if any(isinstance(v, float) for v in values):
            total = sum(map(to_float, values))
            return total / len(values) if self.kind is exp.Avg else total
        exact = sum((Decimal(to_number(v)) for v in values), Decimal(0))
        return plain(exact / len(values) if self.kind is exp.Avg else exact)

    def _extreme(self, values: Sequence[Value], settings: Settings) -> Value:
        if self.stored is not None:
            raw = [v for v in values if isinstance(v, bytes)]
            return self.stored.decode(max(raw) if self.kind is exp.Max else min(raw))
        sign, best = 1 if self.kind is exp.Max else -1, values[0]
        for value in values:
            if compare(value, best, settings) * sign > 0:
                best = value
        return best
