"""Amount: a number and its noun."""

from __future__ import annotations


def amount(number: int, noun: str) -> str:
    """``1 record``, ``12,000 records``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
