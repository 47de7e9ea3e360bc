"""Reading DDL by pattern: names, parentheses and lists, for the clauses that sqlglot's Oracle dialect does not have."""

from __future__ import annotations

import re

import sqlglot
from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Settings, Value
from oracle_standin.sql.datatype import Datatype, Raw
from oracle_standin.sql.expression import Catalog, Compiler
from oracle_standin.sql.scope import Frame, Scope, SessionView

WORD = r'(?:"[^"]+"|[\w$#]+)'
NAME = rf"{WORD}(?:\.{WORD})?"
_LEXEME = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[(),]")


def pattern(text: str) -> re.Pattern[str]:
    """A pattern for SQL: a blank stands for any white space, NAME and WORD for names; it starts and ends anywhere."""
    spaced = text.replace("NAME", NAME).replace("WORD", WORD)
    return re.compile(re.sub(r" ", r"\\s+", spaced), re.I | re.S)


def word(text: str) -> str:
    """A name as the dictionary has it: upper case unless it was quoted."""
    text = text.strip()
    return text[1:-1] if text.startswith('"') else text.upper()


def qualified(text: str, session: SessionView) -> tuple[str, str]:
    """Schema and name of ``name`` or ``schema.name``."""
    parts = [word(part) for part in re.findall(WORD, text)]
    return (parts[0], parts[1]) if len(parts) == 2 else (session.schema, parts[0])


def closing(text: str, start: int = 0) -> int:
    """The position behind the parenthesis that closes the first one at or after ``start``; 0 if there is none."""
    depth = 0
    for match in _LEXEME.finditer(text, max(start, 0)):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0] == ")":
            return match.end()
    return 0


def split(text: str) -> list[str]:
    """The items of a list, at its commas outside of parentheses and quotes."""
    items, depth, start = [], 0, 0
    for match in _LEXEME.finditer(text):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0] == ",":
            items.append(text[start : match.start()].strip())
            start = match.end()
    return [*items, text[start:].strip()]


def inside(text: str) -> str:
    """What stands in the first parentheses of a text. Raises ORA-00906."""
    start = text.find("(")
    if start < 0 or not (end := closing(text, start)):
        raise OraError(906, "missing left parenthesis")
    return text[start + 1 : end - 1].strip()


def parse(text: str) -> exp.Expr:
    """A statement by sqlglot. Raises ORA-00900."""
    try:
        return sqlglot.parse_one(text, dialect="oracle")
    except sqlglot.errors.SqlglotError:
        raise OraError(900) from None


def expression(text: str) -> exp.Expr:
    """A value expression. Raises ORA-00936."""
    try:
        found: exp.Expr = parse(f"SELECT {text} FROM dual").expressions[0]
    except (OraError, IndexError):
        raise OraError(936, "missing expression") from None
    return found


def condition(text: str) -> exp.Expr:
    """What may stand behind WHERE. Raises ORA-00936."""
    try:
        found: exp.Expr = parse(f"SELECT 0 FROM dual WHERE {text}").args["where"].this
    except (OraError, KeyError):
        raise OraError(936, "missing expression") from None
    return found


def constant(text: str, catalog: Catalog, session: SessionView) -> Value:
    """The value of an expression without columns."""
    return Compiler(catalog, session, [], Scope([])).compile(expression(text))[0](Frame(session, ()))


def stored_constant(text: str, kind: Datatype, catalog: Catalog, session: SessionView) -> Raw:
    return kind.encode(constant(text, catalog, session), "", Settings())
