"""The SQL functions, operators and pseudo columns of the stand-in."""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import (
    Settings,
    Value,
    format_datetime,
    parse_datetime,
    plain,
    to_datetime,
    to_number,
    to_text,
    zone_text,
)
from oracle_standin.sql.datatype import DATE, NUMBER, TIMESTAMP, TIMESTAMP_TZ, VARCHAR, Datatype
from oracle_standin.wire.formats import UTC

if TYPE_CHECKING:
    from oracle_standin.sql.scope import SessionView

Call: TypeAlias = "Callable[..., Value]"  # (session, *arguments)


def now(session: SessionView) -> dt.datetime:
    """SYSTIMESTAMP: this machine's clock, as UTC."""
    return dt.datetime.now(UTC)


def negate(value: Value) -> Value:
    if isinstance(value, float):
        return -value
    return None if value is None else -to_number(value)


def add(left: Value, right: Value) -> Value:
    """Also a date and a number of days."""
    if isinstance(left, dt.datetime):
        return left + dt.timedelta(days=float(to_number(right)))
    if isinstance(left, float) or isinstance(right, float):
        return float(left) + float(right)  # type: ignore[arg-type]
    return to_number(left) + to_number(right)


def subtract(left: Value, right: Value) -> Value:
    """Also of two dates, which gives days."""
    if isinstance(left, dt.datetime) and isinstance(right, dt.datetime):
        return plain(Decimal(str((left.replace(tzinfo=None) - right.replace(tzinfo=None)).total_seconds())) / 86400)
    return add(left, negate(right))


def multiply(left: Value, right: Value) -> Value:
    if isinstance(left, float) or isinstance(right, float):
        return float(left) * float(right)  # type: ignore[arg-type]
    return to_number(left) * to_number(right)


def divide(left: Value, right: Value) -> Value:
    if isinstance(left, float) or isinstance(right, float):
        return float(left) / float(right)  # type: ignore[arg-type]
    if to_number(right) == 0:
        raise OraError(1476)
    return plain(Decimal(to_number(left)) / Decimal(to_number(right)))


def modulo(left: Value, right: Value) -> Value:
    return plain(Decimal(to_number(left)) % Decimal(to_number(right))) if to_number(right) else left


ARITHMETIC: dict[type[exp.Expr], Callable[[Value, Value], Value]] = {
    exp.Add: add, exp.Sub: subtract, exp.Mul: multiply, exp.Div: divide, exp.Mod: modulo,
}  # fmt: skip
COMPARISONS: dict[type[exp.Expr], Callable[[int], bool]] = {
    exp.EQ: lambda c: c == 0, exp.NEQ: lambda c: c != 0, exp.GT: lambda c: c > 0,
    exp.GTE: lambda c: c >= 0, exp.LT: lambda c: c < 0, exp.LTE: lambda c: c <= 0,
}  # fmt: skip
PSEUDO_COLUMNS: dict[str, Callable[[SessionView], Value]] = {
    "USER": lambda session: session.user,
    "SESSIONTIMEZONE": lambda session: zone_text(session.settings.zone),
    "DBTIMEZONE": lambda session: "+00:00",
}


@functools.lru_cache(maxsize=256)
def _like_pattern(model: str, escape: str) -> re.Pattern[str]:
    out, i = [], 0
    while i < len(model):
        if escape and model[i] == escape and i + 1 < len(model):
            i += 1
            out.append(re.escape(model[i]))
        else:
            out.append({"%": ".*", "_": "."}.get(model[i]) or re.escape(model[i]))
        i += 1
    return re.compile("".join(out), re.DOTALL)


def like(text: str, model: str, escape: str) -> bool:
    return _like_pattern(model, escape).fullmatch(text) is not None


def at_zone(value: Value, zone: dt.tzinfo, settings: Settings) -> Value:
    """AT TIME ZONE; a value without a zone is in the session's."""
    if value is None:
        return None
    moment = to_datetime(value, settings)
    return (moment if moment.tzinfo else moment.replace(tzinfo=settings.zone)).astimezone(zone)


def _utc(session: SessionView, value: Value) -> Value:
    moment = at_zone(value, UTC, session.settings)
    return moment.replace(tzinfo=None) if isinstance(moment, dt.datetime) else None


def _to_char(session: SessionView, value: Value, model: Value = None) -> Value:
    if value is None:
        return None
    if isinstance(model, str) and isinstance(value, dt.datetime):
        return format_datetime(value, model)
    return to_text(value, session.settings)


def _read_datetime(session: SessionView, value: Value, model: Value = None) -> Value:
    """Without a format model, by the session's."""
    if value is None:
        return None
    if model is None:
        return to_datetime(value, session.settings)
    return parse_datetime(to_text(value, session.settings), str(model))


def _read_instant(session: SessionView, value: Value, model: Value = None) -> Value:
    read = _read_datetime(session, value, model)
    if isinstance(read, dt.datetime) and read.tzinfo is None:
        return read.replace(tzinfo=session.settings.zone)
    return read


def _substr(session: SessionView, value: Value, start: Value, length: Value = None) -> Value:
    if value is None:
        return None
    text, first = to_text(value, session.settings), int(to_number(start))
    first = first - 1 if first > 0 else len(text) + first if first else 0
    return text[first : None if length is None else first + int(to_number(length))] or None


def _round(session: SessionView, value: Value, digits: Value = 0) -> Value:
    """A number to digits, or a date to a unit of :data:`_UNITS`."""
    if value is None:
        return None
    if isinstance(value, dt.datetime):
        unit = str(digits) if digits else "DD"
        lower = _cut(value, unit)
        half = {"DD": 43200, "HH24": 1800, "MI": 30, "SS": 0.5}[_unit(unit)]
        return (
            lower
            if (value.replace(tzinfo=None) - lower).total_seconds() < half
            else lower + dt.timedelta(seconds=half * 2)
        )
    step = Decimal(1).scaleb(-int(to_number(digits)))
    return plain(Decimal(to_number(value)).quantize(step, rounding=ROUND_HALF_UP))


_UNITS = {"DD": "DD", "DDD": "DD", "J": "DD", "HH": "HH24", "HH12": "HH24", "HH24": "HH24", "MI": "MI", "SS": "SS"}


def _unit(text: str) -> str:
    """Raises ORA-01821."""
    try:
        return _UNITS[text.upper()]
    except KeyError:
        raise OraError(1821, "date format not recognized") from None


def _cut(moment: dt.datetime, unit: str) -> dt.datetime:
    """A DATE, which has no zone."""
    moment = moment.replace(tzinfo=None)
    match _unit(unit):
        case "DD":
            return moment.replace(hour=0, minute=0, second=0, microsecond=0)
        case "HH24":
            return moment.replace(minute=0, second=0, microsecond=0)
        case "MI":
            return moment.replace(second=0, microsecond=0)
    return moment.replace(microsecond=0)


def _absolute(session: SessionView, value: Value) -> Value:
    if value is None:
        return None
    number = to_number(value)
    return -number if number < 0 else number


def _trunc(session: SessionView, value: Value, unit: Value = None) -> Value:
    """A date to a unit of :data:`_UNITS`, or a number to digits."""
    if value is None:
        return None
    if isinstance(value, int | float | Decimal):
        step = Decimal(1).scaleb(-int(to_number(unit or 0)))
        return plain(Decimal(to_number(value)).quantize(step, rounding=ROUND_DOWN))
    return _cut(to_datetime(value, session.settings), str(unit or "DD"))


def _trim(session: SessionView, value: Value, letters: Value = None, side: Value = "BOTH") -> Value:
    if value is None:
        return None
    text, gone = to_text(value, session.settings), str(letters or " ")
    text = text.lstrip(gone) if side in ("BOTH", "LEADING") else text
    return (text.rstrip(gone) if side in ("BOTH", "TRAILING") else text) or None


def _replace(session: SessionView, value: Value, old: Value, new: Value = None) -> Value:
    if value is None or old is None:
        return value
    return to_text(value, session.settings).replace(str(old), str(new or "")) or None


def _extract(session: SessionView, value: Value, part: Value) -> Value:
    if value is None:
        return None
    found: int = getattr(to_datetime(value, session.settings), str(part).lower())
    return found


def _text(change: Callable[[str], Value]) -> Call:
    return lambda session, value: None if value is None else change(to_text(value, session.settings))


def _context(session: SessionView, namespace: Value, name: Value) -> Value:
    return session.context(str(name).upper()) if str(namespace).upper() == "USERENV" else None


def _local(session: SessionView) -> dt.datetime:
    return now(session).astimezone(session.settings.zone)


_NODES: dict[type[exp.Expr], tuple[Call, Datatype]] = {
    exp.Systimestamp: (now, TIMESTAMP_TZ),
    exp.Localtimestamp: (lambda session: _local(session).replace(tzinfo=None), TIMESTAMP),
    exp.CurrentDate: (lambda session: _cut(_local(session), "SS").replace(tzinfo=None), DATE),
    exp.Upper: (_text(str.upper), VARCHAR),
    exp.Lower: (_text(str.lower), VARCHAR),
    exp.Length: (_text(len), NUMBER),
    exp.Substring: (_substr, VARCHAR),
    exp.ToChar: (_to_char, VARCHAR),
    exp.ToNumber: (lambda session, value: None if value is None else to_number(value), NUMBER),
    exp.Abs: (_absolute, NUMBER),
    exp.Round: (_round, NUMBER),
    exp.DateTrunc: (_trunc, DATE),
    exp.Trunc: (_trunc, NUMBER),
    exp.Trim: (_trim, VARCHAR),
    exp.Replace: (_replace, VARCHAR),
    exp.Floor: (lambda session, value: None if value is None else math.floor(to_number(value)), NUMBER),
    exp.Ceil: (lambda session, value: None if value is None else math.ceil(to_number(value)), NUMBER),
}
_NAMED: dict[str, tuple[Call, Datatype]] = {
    "SYS_CONTEXT": (_context, VARCHAR),
    "LENGTHB": (_text(lambda text: len(text.encode())), NUMBER),
    "SYS_EXTRACT_UTC": (_utc, TIMESTAMP),
    "TO_TIMESTAMP": (_read_datetime, TIMESTAMP),
    "TO_TIMESTAMP_TZ": (_read_instant, TIMESTAMP_TZ),
    "TRUNC": (_trunc, DATE),
}
_STRFTIME = (("%Y", "YYYY"), ("%m", "MM"), ("%d", "DD"), ("%H", "HH24"), ("%M", "MI"), ("%S", "SS"), ("%f", "FF6"),
             ("%b", "MON"), ("%y", "RR"), ("%I", "HH12"), ("%p", "AM"))  # fmt: skip


def _model(strftime: str) -> str:
    """sqlglot turns format models of TO_DATE into strftime's; back again."""
    for theirs, ours in _STRFTIME:
        strftime = strftime.replace(theirs, ours)
    return strftime


def lookup(node: exp.Expr) -> tuple[Call, Datatype, list[exp.Expr]] | None:
    """The function a node calls, the type of its value, and its arguments; None if it is unknown."""
    if isinstance(node, exp.CurrentTimestamp):
        if node.args.get("sysdate"):
            return (lambda session: now(session).replace(microsecond=0, tzinfo=None)), DATE, []
        return _local, TIMESTAMP_TZ, []
    if isinstance(node, exp.StrToTime | exp.StrToDate):
        model = node.args.get("format")
        models: list[exp.Expr] = [exp.Literal.string(_model(model.name))] if model is not None else []
        return _read_datetime, TIMESTAMP if isinstance(node, exp.StrToTime) else DATE, [node.this, *models]
    if isinstance(node, exp.DateStrToDate):
        return _read_datetime, DATE, [node.this, exp.Literal.string("YYYY-MM-DD")]
    if isinstance(node, exp.Extract):
        return _extract, NUMBER, [node.expression, exp.Literal.string(node.this.name)]
    if isinstance(node, exp.Trim):
        letters, side = node.args.get("expression") or exp.Null(), str(node.args.get("position") or "BOTH")
        return *_NODES[exp.Trim], [node.this, letters, exp.Literal.string(side)]
    found = _NAMED.get(node.name.upper()) if isinstance(node, exp.Anonymous) else _NODES.get(type(node))
    if found is None:
        return None
    keys = ("this", "expression", "expressions", "start", "length", "format", "decimals", "unit", "replacement")
    arguments: list[exp.Expr] = []
    for key in keys if not isinstance(node, exp.Anonymous) else ("expressions",):
        argument = node.args.get(key)
        if isinstance(argument, list):
            arguments += argument
        elif isinstance(argument, exp.Expr):
            arguments.append(argument)
    return *found, arguments
