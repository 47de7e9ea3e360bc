"""Views: a query under a name, run with the rights and names of its owner."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp


@dataclass(frozen=True, slots=True)
class View:
    """``names`` are those of its column list, if it has one; ``guard`` is "", "CHECK OPTION" or "READ ONLY"."""

    schema: str
    name: str
    text: str
    query: exp.Expr
    names: tuple[str, ...] = field(default=())
    guard: str = ""
