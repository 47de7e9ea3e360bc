"""docs/glossary.md against YAML, log, metrics, API, command line, hooks, Python API, dashboard and documents.

Every entry leads to something that exists, every state, account and reason has an entry, and no surface uses a word
that the page replaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import Final

import pytest
from csv_sink.format.line import COLUMNS
from docs.surface import DOCUMENTS, PACKAGES, ROOT, SCHEMAS, Said

from agent_core import api
from agent_core.api import Account, DivertReason, DropReason, GroupState, Severity, SinkState, SourceState
from agent_core.registry.hookimpls import hook_arguments
from docs import surface

PAGE = ROOT / "docs" / "glossary.md"
TEXT = PAGE.read_text(encoding="utf-8")

Entry = tuple[str, str, str]


def section(title: str) -> list[list[str]]:
    """The rows under a heading, without the table's head."""
    body = TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in body.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if "---" not in line][1:]


def entries() -> Iterator[Entry]:
    for title in re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE):
        if title != "Words that are not used":
            yield from ((term, meaning, where) for term, meaning, where in section(title))


def references(where: str) -> Iterator[tuple[str, str]]:
    """``YAML `a`, `b`; hook `c``` as (kind, name)."""
    for part in where.split("; "):
        kind, _, names = part.partition(" ")
        yield from ((kind, name) for name in re.findall(r"`([^`]+)`", names))


def has_python(name: str) -> bool:
    thing: object = api
    for part in name.split("."):
        if not hasattr(thing, part) and part not in getattr(thing, "__annotations__", ()):
            return False
        thing = getattr(thing, part, None)
    return name.partition(".")[0] in api.__all__


def has_yaml(name: str) -> bool:
    plugin, separator, path = name.partition(": ")
    return surface.has_key(surface.schema(plugin if separator else "core"), path if separator else plugin)


EXISTS: Final[dict[str, Callable[[str], bool]]] = {
    "YAML": has_yaml,
    "CSV": lambda name: name in COLUMNS,
    "API": lambda name: name in surface.api_names(),
    "Python": has_python,
    "hook": lambda name: name in hook_arguments(),
    "metric": lambda name: name in surface.metrics(),
    "log": lambda name: name in surface.log_events(),
    "command": lambda name: name in surface.parsers(),
    "option": lambda name: name in surface.options(),
}


@pytest.mark.parametrize("entry", list(entries()), ids=lambda entry: entry[0])
def test_every_entry_leads_to_what_exists(entry: Entry) -> None:
    term, meaning, where = entry
    found = list(references(where))
    assert found, f"{term}: where does it appear?"
    assert meaning.endswith(".")
    assert [f"{kind} {name}" for kind, name in found if not EXISTS[kind](name)] == []


@pytest.mark.parametrize(
    ("title", "values"),
    [
        ("Group states", GroupState),
        ("Source states", SourceState),
        ("Severities", Severity),
        ("Sink states", SinkState),
        ("Ledger", Account),
        ("Reasons for diverting", DivertReason),
        ("Reasons for dropping", DropReason),
    ],
    ids=str,
)
def test_every_state_account_and_reason_has_an_entry_and_no_other_has(title: str, values: type[StrEnum]) -> None:
    assert [term for term, *_ in section(title)] == [value.value for value in values]


def test_no_term_is_explained_twice_in_one_section() -> None:
    for title in re.findall(r"^## (.+)$", TEXT, flags=re.MULTILINE):
        terms = [row[0] for row in section(title)]
        assert len(terms) == len(set(terms)), title


UNWANTED: Final = {
    "row, rows": r"\brows?\b",
    "values per second, values lost": r"\bvalues?(/s| (per|a) second| (are |were )?lost)\b|\blost values\b",
    "open (of a sink that fails)": (
        r"\b(state|then|stays|is|are) `open`|\bstates?:? open\b|\bretrying`?,( then)? `?open\b"
    ),
    "data point, measurement": r"\bdata points?\b|\bmeasurements?\b",
    "last write time": r"\blast write (time|age|ns)\b",
    "spool, dead letter": r"\bspools?\b|\bdead.letters?\b",
    "acknowledge": r"\backnowledge\w*\b",
    "circuit breaker": r"\bcircuit.breakers?\b",
    "mend": r"\bmend(s|ed|ing)?\b",
    "anew": r"\banew\b",
    "for good": r"\bfor good\b",
    "by itself, by themselves, of itself": r"\b(by|of) (itself|themselves)\b",
    "goes on, go on": r"\b(go|goes|going|went|gone) on\b",
    "beside": r"\bbeside\b",
    "is no, are no (file, hook, int)": r"(?<!there )\b(is|are) no (?!longer\b)\w+",
    "one a line, rows a second": (
        r"\b(one( \w+)?|each|records?|rows?|lines?|bytes?|polls?|values?|log-ins?) an? "
        r"(second|minute|hour|line|row|record|batch|poll|probe|sink)\b"
    ),
}
"""By the cell of the page that forbids it."""

ALLOWED: Final[dict[str, tuple[str, ...]]] = {
    "row, rows": (
        r"oracle_sink|sqlite_sink|csv_sink|oracle_standin",  # they write tables and files
        r"\b(tables?|columns?|csv|spreadsheets?|tag lists?|tagferry catalog|catalogues?)\b",  # such a row is spoken of
        r"\b(in a row|row (locks?|errors?|counts?))\b|polling_source/tags/|cli/commands/catalog",
    ),
    "values per second, values lost": (r"QueueStatus\.",),  # a path that existing dashboards call
    "acknowledge": (r"modbus_driver/driver",),  # the name of an exception of the protocol
    "last write time": (r"(Sink)?Writer(Metrics)?\.",),  # the same
}
"""What may stand although it is unwanted: patterns, one of which place and text together match."""


def test_the_words_that_are_not_used_are_those_that_are_looked_for() -> None:
    assert [word for word, _ in section("Words that are not used")] == list(UNWANTED)


SURFACES: Final[Mapping[str, Callable[[], Iterable[Said]]]] = (
    {f"schema of {name}": partial(surface.schema_texts, name) for name in SCHEMAS}
    | {f"messages of {name}": partial(surface.message_texts, name) for name in PACKAGES}
    | {
        "log": surface.log_texts,
        "metrics": surface.metric_texts,
        "HTTP API": surface.api_texts,
        "command line": surface.cli_texts,
        "hooks": surface.hook_texts,
        "Python API": surface.python_texts,
        "dashboard": surface.dashboard_texts,
    }
    | {page.relative_to(ROOT).as_posix(): partial(surface.document_texts, page) for page in DOCUMENTS}
)


def unwanted(texts: Iterable[Said]) -> list[str]:
    """What to rewrite, with its place."""
    found = []
    for place, text in texts:
        for word, pattern in UNWANTED.items():
            match = re.search(pattern, text, flags=re.IGNORECASE)
            if match and not any(
                re.search(allowed, f"{place} {text}", flags=re.IGNORECASE) for allowed in ALLOWED.get(word, ())
            ):
                found.append(f"{place}: {match[0]!r} in {text.strip()[:100]!r}")
    return found


@pytest.mark.parametrize("name", SURFACES)
def test_no_surface_says_what_the_page_replaces(name: str) -> None:
    assert unwanted(SURFACES[name]()) == []


@pytest.mark.parametrize("name", SURFACES)
def test_no_surface_is_empty(name: str) -> None:
    assert any(text.strip() for _, text in SURFACES[name]())


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("500 rows wait in the buffer", "rows"),
        ("max rows", "rows"),
        ("312 values/s", "values/s"),
        ("the sink is `open`", "is `open`"),
        ("`retrying`, then `open`", "retrying`, then `open"),
        ("mend the cause", "mend"),
        ("it is probed by itself", "by itself"),
        ("4000 is no number", "is no number"),
        ("one object a line", "one object a line"),
    ],
)
def test_a_word_that_is_not_used_is_found(text: str, word: str) -> None:
    (found,) = unwanted([Said("docs/page.md:1", text)])
    assert found.startswith(f"docs/page.md:1: {word!r}")


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("docs/page.md:1", "the row in the table stays"),
        ("oracle_sink.columns", "one row"),
        ("docs/page.md:1", "`open` may be called again after it raised"),
        ("docs/page.md:1", "there is no fallback"),
        ("docs/page.md:1", "it is no longer there"),
    ],
)
def test_what_may_be_said_is_not_found(place: str, text: str) -> None:
    assert unwanted([Said(place, text)]) == []


def test_an_entry_that_leads_nowhere_is_found() -> None:
    wrong = "YAML `sinks[].retries`; metric `agent_rows`; Python `SinkState.OPEN`; hook `agent_row`; option `--rows`"
    assert [name for kind, name in references(wrong) if EXISTS[kind](name)] == []
