"""Triggers before INSERT or UPDATE, for each row: what they do to the new row, and what they refuse."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a column of NEW is set to ``value``, or, without a column, ``code`` is raised with ``message``."""

    column: str = ""
    value: exp.Expr | None = None
    code: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """Steps, and the condition of the IF around them."""

    condition: exp.Expr | None
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Trigger:
    """``events``: INSERT, UPDATE. The body runs for each row that meets the condition of WHEN."""

    name: str
    events: frozenset[str]
    condition: exp.Expr | None
    body: tuple[Block, ...]
    enabled: bool = True
