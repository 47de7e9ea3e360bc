"""The items of a CREATE TABLE's list, and of ALTER TABLE ADD: columns, and constraints with their state."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlglot import exp

from oracle_standin.ddl.clauses import closing, condition, expression, inside, parse, pattern, split, word
from oracle_standin.ddl.objects import read_sequence
from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import ANY_SCALE, NULL, Datatype, WireType, column_type, number_type
from oracle_standin.store.table import Column

_TYPE = pattern(
    r"\s*(DOUBLE PRECISION|LONG RAW|WORD)(?:\s*\([^()']*\))?(?: WITH (LOCAL )?TIME ZONE|"
    r"(?: DAY\b.*? TO SECOND\s*(?:\(\d\))?))?"
)
_NUMBER = pattern(r"\s*NUMBER\s*\(\s*(\d+|\*)\s*(?:,\s*(-?\d+)\s*)?\)\s*$")
_FLOAT = pattern(r"\s*(FLOAT|REAL|DOUBLE PRECISION)\s*(?:\(\s*(\d+)\s*\))?\s*$")
_FLOAT_BITS = {"FLOAT": 126, "REAL": 63}  # what each is without a number
_DEFAULT = pattern(r"\s*DEFAULT (?:ON NULL (FOR INSERT (?:ONLY|AND UPDATE) )?)?")
_IDENTITY = pattern(r"\s*GENERATED (ALWAYS|BY DEFAULT)( ON NULL)? AS IDENTITY\s*")
_VIRTUAL = pattern(r"\s*(?:GENERATED ALWAYS )?AS\s*(?=\()")
_VISIBLE = pattern(r"\s*(IN)?VISIBLE\b")
_NAMED = pattern(r"\s*CONSTRAINT (WORD)")
_KIND = pattern(r"\s*(NOT NULL|NULL|PRIMARY KEY|UNIQUE|CHECK|REFERENCES|FOREIGN KEY)(?![\w$#])\s*")
_STATE = pattern(
    r"\s*((?:NOT )?DEFERRABLE|INITIALLY (?:DEFERRED|IMMEDIATE)|(?:NO)?RELY|ENABLE|DISABLE|(?:NO)?VALIDATE"
    r"|USING INDEX(?: LOCAL| REVERSE| TABLESPACE WORD| STORAGE\s*\([^()]*\)| (?:PCTFREE|INITRANS|MAXTRANS|COMPRESS) \d+"
    r"|\s*\((?:[^()]|\([^()]*\))*\))*(?: NAME)?)(?![\w$#])"
)
_OUTSIDE = pattern(r"(?:CONSTRAINT WORD )?(?:PRIMARY KEY|UNIQUE|CHECK|FOREIGN KEY)\s*\(")
_ENDS_DEFAULT = pattern(
    r"'(?:[^']|'')*'|[()]|\b(?:CONSTRAINT|NOT NULL|NULL|PRIMARY KEY|UNIQUE|CHECK|REFERENCES)(?![\w$#])"
)


@dataclass(slots=True)
class Constraint:
    """A constraint as it was written. ``kind``: PRIMARY KEY, UNIQUE or CHECK."""

    kind: str
    name: str | None = None
    columns: list[str] = field(default_factory=list)
    condition: exp.Expr | None = None
    deferrable: bool = False
    deferred: bool = False  # INITIALLY DEFERRED
    enabled: bool = True
    validated: bool = True
    local: bool = False  # USING INDEX LOCAL
    reverse: bool = False


def is_constraint(item: str) -> bool:
    return _OUTSIDE.match(item) is not None


def read_datatype(text: str) -> Datatype:
    """The type of a column. Raises ORA-00902 for an unknown one, and what nonsense precisions raise."""
    number = _NUMBER.match(text)
    if number is not None:
        return number_type(38 if number[1] == "*" else int(number[1]), int(number[2] or 0))
    binary = _FLOAT.match(text)
    if binary is not None:
        bits = int(binary[2] or _FLOAT_BITS.get(binary[1].upper(), 126))
        if not 1 <= bits <= 126:
            raise OraError(1725, "invalid floating point precision (1 - 126)")
        return Datatype(WireType.NUMBER, precision=bits, scale=ANY_SCALE)
    try:
        found: Datatype = column_type(parse(f"SELECT CAST(a AS {text}) FROM dual").expressions[0].args["to"])
    except OraError as error:
        raise OraError(902) if error.code == 900 else error from None
    return found


def read_column(item: str) -> tuple[Column, list[Constraint]]:
    """A column definition and its inline constraints."""
    head = pattern(r"(WORD)\s*").match(item)
    if head is None:
        raise OraError(904, name=item)
    name = word(head[1])
    column, pos = Column(name, NULL), head.end()
    if _VIRTUAL.match(item, pos) is None:
        typed = None if _IDENTITY.match(item, pos) else _TYPE.match(item, pos)
        if typed is None:
            raise OraError(902)
        column.type, pos = read_datatype(typed[0].strip()), typed.end()
    if (visible := _VISIBLE.match(item, pos)) is not None:
        column.hidden, pos = visible[1] is not None, visible.end()
    pos = _value(column, item, pos)
    constraints, pos = _constraints(column, item, pos)
    if item[pos:].strip():
        raise OraError(907, "missing right parenthesis")
    for constraint in constraints:
        if constraint.kind in ("NULL", "NOT NULL"):
            column.not_null = constraint.kind == "NOT NULL" and constraint.enabled
            column.nullable = not column.not_null
    return column, [c for c in constraints if c.kind not in ("NULL", "NOT NULL")]


@dataclass(slots=True)
class Change:
    """What ALTER TABLE MODIFY changes of a column; None: nothing."""

    name: str
    type: Datatype | None = None
    nullable: bool | None = None
    default: exp.Expr | None = None
    default_text: str | None = None
    constraints: list[Constraint] = field(default_factory=list)


def read_change(item: str) -> Change:
    """A column of MODIFY, whose parts are all optional."""
    head = pattern(r"(WORD)\s*").match(item)
    if head is None:
        raise OraError(904, name=item)
    change, pos = Change(word(head[1])), head.end()
    if not (_DEFAULT.match(item, pos) or _KIND.match(item, pos) or _NAMED.match(item, pos)):
        typed = _TYPE.match(item, pos)
        if typed is None:
            raise OraError(905, "missing keyword")
        change.type, pos = read_datatype(typed[0].strip()), typed.end()
    column = Column(change.name, Datatype(WireType.VARCHAR))
    pos = _value(column, item, pos)
    change.default, change.default_text = column.default, column.default_text
    constraints, pos = _constraints(column, item, pos)
    if item[pos:].strip():
        raise OraError(907, "missing right parenthesis")
    for constraint in constraints:
        if constraint.kind in ("NULL", "NOT NULL"):
            change.nullable = constraint.kind == "NULL"
    change.constraints = [c for c in constraints if c.kind not in ("NULL", "NOT NULL")]
    return change


def _value(column: Column, item: str, pos: int) -> int:
    """DEFAULT, GENERATED ... AS IDENTITY, or AS (expression)."""
    if (identity := _IDENTITY.match(item, pos)) is not None:
        column.identity = re.sub(r"\s+", " ", identity[1].upper())
        column.on_null, column.nullable, column.not_null = identity[2] is not None, False, True
        end = closing(item, identity.end()) if item[identity.end() :].startswith("(") else identity.end()
        column.sequence = read_sequence(item[identity.end() : end])
        return end
    if (virtual := _VIRTUAL.match(item, pos)) is not None:
        column.default_text = inside(item[virtual.end() :])
        column.virtual = expression(column.default_text)
        end = closing(item, virtual.end())
        return end if (tail := pattern(r"\s*VIRTUAL\b").match(item, end)) is None else tail.end()
    if (default := _DEFAULT.match(item, pos)) is not None:
        start = pos = default.end()
        end = len(item)
        while (found := _ENDS_DEFAULT.search(item, pos)) is not None:
            if found[0] == "(":
                pos = closing(item, found.start()) or len(item)
            elif found[0][0] in "')" or not item[start : found.start()].strip():
                pos = found.end()
            else:
                end = found.start()
                break
        column.default_text = item[start:end].strip()
        column.default = expression(column.default_text)
        column.on_null = re.match(r"\s*DEFAULT\s+ON\s+NULL\b", default[0], re.I) is not None
        if column.on_null:
            column.nullable, column.not_null = False, True
        return end
    return pos


def _constraints(column: Column | None, item: str, pos: int) -> tuple[list[Constraint], int]:
    """Constraints from ``pos`` on: all of a column, or the one that stands alone."""
    out: list[Constraint] = []
    while True:
        start = pos
        named = _NAMED.match(item, pos)
        found = _KIND.match(item, named.end() if named is not None else pos)
        if found is None:
            return out, start
        pos = found.end()
        kind = re.sub(r"\s+", " ", found[1].upper())
        made = Constraint(kind, word(named[1]) if named is not None else None)
        if kind in ("REFERENCES", "FOREIGN KEY"):
            raise OraError(3001, "unimplemented feature: the stand-in has no foreign keys")
        if kind == "CHECK" or column is None:
            listed = inside(item[pos:])
            pos = closing(item, pos)
            if kind == "CHECK":
                made.condition = condition(listed)
            else:
                made.columns = [word(part.split()[0]) for part in split(listed)]
        elif kind in ("PRIMARY KEY", "UNIQUE"):
            made.columns = [column.name]
        while (state := _STATE.match(item, pos)) is not None:
            _apply(made, re.sub(r"\s+", " ", state[1].upper()))
            pos = state.end()
        out.append(made)


def _apply(made: Constraint, state: str) -> None:
    if state.endswith("DEFERRABLE"):
        made.deferrable = not state.startswith("NOT")
    elif state == "INITIALLY DEFERRED":
        made.deferrable = made.deferred = True
    elif state in ("ENABLE", "DISABLE"):
        made.enabled = state == "ENABLE"
        made.validated = made.validated and made.enabled
    elif state in ("VALIDATE", "NOVALIDATE"):
        made.validated = state == "VALIDATE"
    elif state.startswith("USING INDEX"):
        made.local, made.reverse = " LOCAL" in state, " REVERSE" in state


def read_constraint(item: str) -> Constraint:
    """A constraint that stands alone. Raises ORA-00907 for what follows and cannot be read."""
    constraints, pos = _constraints(None, item, 0)
    if len(constraints) != 1 or item[pos:].strip():
        raise OraError(907, "missing right parenthesis")
    return constraints[0]
