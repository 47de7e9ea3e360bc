"""docs/threat-model.md: what is said to hold is shown by tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
HOLDS = PAGE.partition("## What holds")[2].partition("## Out of scope")[0]
CLAIMS = [
    line for line in HOLDS.splitlines() if line.startswith("| ") and not line.startswith(("| what holds", "| ---"))
]


@cache
def names_of_tests() -> frozenset[str]:
    """Every function that pytest would run as a test, as far as its name says; those of the kits, which plugins'
    tests inherit, too.
    """
    files = [file for top in ("tests", "plugins", "kits") for file in (ROOT / top).rglob("test_*.py")]
    files += [*(ROOT / "kits").glob("*/src/**/*.py"), *(ROOT / "agent_core" / "testing").rglob("*.py")]
    return frozenset(
        node.name
        for file in files
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.strip("| ")[:50])
def test_what_holds_is_shown_by_a_test_that_exists(claim: str) -> None:
    said, _, shown = claim.strip("| ").rpartition(" | ")
    named = re.findall(r"`(test_\w+)`", shown)
    assert said
    assert named, "no test shows it"
    assert set(named) - names_of_tests() == set()


def test_the_page_claims_something_for_everybody_who_reaches_something() -> None:
    assert len(CLAIMS) > 25
    assert PAGE.count("`test_") == sum(claim.count("`test_") for claim in CLAIMS), "each test stands in a table"
