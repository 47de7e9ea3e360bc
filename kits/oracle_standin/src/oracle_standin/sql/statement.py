"""SQL text to a parsed statement: binds are numbered, the rest is sqlglot's Oracle dialect.

What sqlglot does not parse and clients send is read here by pattern: transaction control and ALTER SESSION. DDL is
only recognised here; :mod:`oracle_standin.ddl` reads it.
"""

from __future__ import annotations

import enum
import logging
import re

import sqlglot
from sqlglot import exp

from oracle_standin.errors import OraError

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # "falling back to Command" is handled here

_TOKEN = re.compile(
    r"""([nN]?[qQ]'\[.*?\]'|[nN]?[qQ]'\(.*?\)'|'(?:[^']|'')*'|"[^"]*"|--[^\n]*|/\*.*?\*/)|:\s*(\w+|"[^"]+")""", re.S
)
_LEADING = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*([A-Za-z]+)", re.S)
_SET = re.compile(r"(\w+)\s*=\s*('(?:[^']|'')*'|[\w.:+-]+|\"[^\"]+\")")
_CONSTRAINTS = re.compile(r"\s*SET\s+CONSTRAINTS?\s+([\w\s,.\"$#]+?)\s+(IMMEDIATE|DEFERRED)\s*$", re.I)
_DDL = frozenset({"CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE", "COMMENT"})


class What(enum.Enum):
    """The kinds of statements that the protocol distinguishes."""

    QUERY = enum.auto()
    DML = enum.auto()
    DDL = enum.auto()
    SESSION = enum.auto()  # ALTER SESSION
    CONSTRAINTS = enum.auto()  # SET CONSTRAINTS
    COMMIT = enum.auto()
    ROLLBACK = enum.auto()
    SAVEPOINT = enum.auto()


class Statement:
    """A parsed statement; ``tree`` is None if it has none. Every bind occurrence has its own number."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.binds: list[str] = []
        self.tree: exp.Expr | None = None
        self.settings: list[tuple[str, str]] = []  # of ALTER SESSION
        self.savepoint: str | None = None
        self.constraints: list[str] = []  # of SET CONSTRAINTS; none: ALL
        self.deferred = False
        leading = _LEADING.match(text)
        keyword = leading[1].upper() if leading else ""
        if keyword in ("COMMIT", "ROLLBACK", "SAVEPOINT"):
            self.what = What[keyword]
            name = re.match(r"\s*(?:SAVEPOINT|ROLLBACK\s+TO(?:\s+SAVEPOINT)?)\s+(\w+)\s*$", text, re.I)
            self.savepoint = name[1].upper() if name else None
        elif re.match(r"\s*ALTER\s+SESSION\b", text, re.I):
            self.what = What.SESSION
            self.settings = [(n.upper(), v.strip("'\"")) for n, v in _SET.findall(text)]
        elif (constraints := _CONSTRAINTS.match(text)) is not None:
            self.what = What.CONSTRAINTS
            names = [name.strip().split(".")[-1] for name in constraints[1].split(",")]
            self.constraints = [n.strip('"') if '"' in n else n.upper() for n in names if n.upper() != "ALL"]
            self.deferred = constraints[2].upper() == "DEFERRED"
        elif keyword in _DDL:
            self.what = What.DDL
        else:
            self.tree = self._parse(text, keyword)
            self.what = _what(self.tree)

    def _parse(self, text: str, keyword: str) -> exp.Expr:
        if keyword in ("BEGIN", "DECLARE", "CALL"):
            raise OraError(3001, "unimplemented feature: the stand-in runs no PL/SQL")
        if keyword in ("INSERT", "UPDATE", "DELETE") and re.search(r"\bRETURNING\b.+\bINTO\b", text, re.I | re.S):
            raise OraError(3001, "unimplemented feature: the stand-in has no RETURNING clause")
        try:
            tree = sqlglot.parse_one(_TOKEN.sub(self._number, text), dialect="oracle")
        except sqlglot.errors.SqlglotError:
            raise OraError(900) from None
        if isinstance(tree, exp.Command | exp.Alias | exp.Column):  # how sqlglot gives up
            raise OraError(900)
        return tree

    def _number(self, match: re.Match[str]) -> str:
        if match[1] is not None:
            return match[1]
        self.binds.append(match[2])
        return f":B{len(self.binds) - 1}"


def _what(tree: exp.Expr) -> What:
    if isinstance(tree, exp.Query):
        return What.QUERY
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return What.DML
    raise OraError(900)


def name_of(node: exp.Expr | None) -> str:
    """An identifier as the dictionary has it: upper case unless it was quoted."""
    identifier = node if isinstance(node, exp.Identifier) else node.args.get("this") if node is not None else None
    if isinstance(identifier, exp.Identifier):
        return identifier.name if identifier.quoted else identifier.name.upper()
    return str(identifier).upper()


def table_name(node: exp.Expr) -> tuple[str | None, str]:
    """Schema (None when not given) and name of a table reference."""
    schema = node.args.get("db")
    return (name_of(schema) if schema is not None else None), name_of(node.this)
