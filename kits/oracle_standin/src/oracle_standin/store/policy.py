"""Row-level security: a predicate that the rows of a table must meet to be seen, changed or written."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

STATEMENTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What DBMS_RLS.ADD_POLICY makes. Its predicate hides rows from ``statements``; ``check`` is its update_check."""

    name: str
    predicate: exp.Expr
    statements: frozenset[str] = STATEMENTS
    check: bool = False
