"""SQL text to a parsed statement: binds are numbered, the rest is sqlglot's Oracle dialect.

What sqlglot does not parse and clients send is read here by pattern: transaction control, ALTER SESSION, and the
storage clauses behind a CREATE TABLE's column list, which are accepted and dropped. A synonym is read as a view, and
so is the one form of trigger there is: it raises an error for the new rows that its WHEN clause selects.
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
_CREATE_TABLE = re.compile(r"\s*CREATE\s+(?:(GLOBAL|PRIVATE)\s+TEMPORARY\s+)?TABLE\b", re.I)
_SYNONYM = re.compile(r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(PUBLIC\s+)?SYNONYM\s+(\S+)\s+FOR\s+(\S+)\s*$", re.I)
_TRIGGER = re.compile(
    r"\s*CREATE\s+(OR\s+REPLACE\s+)?TRIGGER\s+(\S+)\s+BEFORE\s+INSERT\s+ON\s+(\S+)\s+FOR\s+EACH\s+ROW\s+WHEN\s*(\(.+\))\s*"
    r"BEGIN\s+RAISE_APPLICATION_ERROR\s*\(\s*-(20\d{3})\s*,\s*'([^']*)'\s*\)\s*;\s*END\s*;\s*$",
    re.I | re.S,
)
_USING_INDEX = re.compile(r"\bUSING\s+INDEX(?:\s+(?:LOCAL|TABLESPACE\s+\w+|\([^()]*(?:\([^()]*\)[^()]*)*\)))*", re.I)


class What(enum.Enum):
    """The kinds of statements that the protocol distinguishes."""

    QUERY = enum.auto()
    DML = enum.auto()
    DDL = enum.auto()
    SESSION = enum.auto()  # ALTER SESSION
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
        self.temporary = ""  # of CREATE TABLE: see Table.temporary
        self.public = False  # of CREATE SYNONYM
        self.raises: tuple[int, str] | None = None  # of CREATE TRIGGER: code and message
        leading = _LEADING.match(text)
        keyword = leading[1].upper() if leading else ""
        if keyword in ("COMMIT", "ROLLBACK", "SAVEPOINT"):
            self.what = What[keyword]
            name = re.match(r"\s*(?:SAVEPOINT|ROLLBACK\s+TO(?:\s+SAVEPOINT)?)\s+(\w+)\s*$", text, re.I)
            self.savepoint = name[1].upper() if name else None
        elif re.match(r"\s*ALTER\s+SESSION\b", text, re.I):
            self.what = What.SESSION
            self.settings = [(n.upper(), v.strip("'\"")) for n, v in _SET.findall(text)]
        else:
            self.tree = self._parse(text, keyword)
            self.what = _what(self.tree)

    def _parse(self, text: str, keyword: str) -> exp.Expr:
        if keyword in ("BEGIN", "DECLARE", "CALL"):
            raise OraError(3001, "unimplemented feature: the stand-in runs no PL/SQL")
        if (synonym := _SYNONYM.match(text)) is not None:
            self.public = synonym[1] is not None
            text = f"CREATE VIEW {synonym[2]} AS SELECT * FROM {synonym[3]}"
        elif (trigger := _TRIGGER.match(text)) is not None:
            self.raises = int(trigger[5]), trigger[6]
            text = f"CREATE {trigger[1] or ''}VIEW {trigger[2]} AS SELECT 0 FROM {trigger[3]} NEW WHERE {trigger[4]}"
        elif keyword == "CREATE":
            text = self._table_head(text)
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

    def _table_head(self, text: str) -> str:
        """A CREATE TABLE without its storage clauses; notes what kind of temporary table it is."""
        head = _CREATE_TABLE.match(text)
        if head is None:
            return text
        text = _USING_INDEX.sub("", text)
        end = _closing(text, text.find("("))
        tail = text[end:]
        if head[1]:
            self.temporary = "preserve" if re.search(r"PRESERVE\s+(ROWS|DEFINITION)", tail, re.I) else "delete"
            if head[1].upper() == "PRIVATE" and self.temporary == "delete":
                self.temporary = "drop"
        body = _CREATE_TABLE.sub("CREATE TABLE", text[:end])
        return body if end else _CREATE_TABLE.sub("CREATE TABLE", text)


def _closing(text: str, start: int) -> int:
    """The position behind the parenthesis that closes the one at ``start``; 0 if there is none."""
    depth = 0
    for match in re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[()]").finditer(text, max(start, 0)):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth == 0 and match[0] == ")":
            return match.end()
    return 0


def _what(tree: exp.Expr) -> What:
    if isinstance(tree, exp.Query):
        return What.QUERY
    if isinstance(tree, exp.Insert | exp.Update | exp.Delete | exp.Merge):
        return What.DML
    if isinstance(tree, exp.Create | exp.Drop | exp.TruncateTable | exp.Alter | exp.Grant | exp.Revoke):
        return What.DDL
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
