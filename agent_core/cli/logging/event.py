"""LogEvent: the event and the fields that a log record was written with.

By convention a message is the event in past tense, a colon, and fields: ``"write failed: sink=%s rows=%d error=%s%s;
what to do"``. What stands behind ``name=`` is a field with the argument's own type; a last ``%s`` that gets a Repeats
is the field ``repeated``.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent_core.api import Repeats

JsonValue = str | int | float | bool | None

PLACEHOLDER = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?(?P<kind>[diouxXeEfFgGcrsa%])")
_NAME = re.compile(r"(?:^|\s)([A-Za-z_]\w*)=$")
_EVENT = re.compile(r"[a-z][^:%=\x00-\x1f]{0,79}")


@dataclass(frozen=True, slots=True)
class LogEvent:
    """``fields`` are redacted already."""

    event: str
    fields: dict[str, JsonValue]


def event_of(record: logging.LogRecord, redact: Callable[[str], str]) -> LogEvent | None:
    """None for a record that does not keep the convention.

    No field shows what ``redact`` hides in the message: a value is redacted alone, as it is and as it was printed, and
    where a secret spans several pieces of the message there are no fields at all.
    """
    template = str(record.msg)
    event, colon, _ = template.partition(": ")
    if not colon or not _EVENT.fullmatch(event):
        return None
    event = redact(event)
    fields: dict[str, JsonValue] = {}
    arguments = record.args if isinstance(record.args, tuple) else ()
    if arguments:
        pieces: list[str] = []
        try:
            for name, argument, printed, before in _values(template, arguments):
                hidden = redact(printed)
                pieces += (redact(before), hidden)
                if isinstance(argument, Repeats):
                    fields["repeated"] = argument.times
                elif name is not None:
                    fields[name] = _value(argument, printed, hidden, redact)
        except (TypeError, ValueError, LookupError):
            return LogEvent(event, {})
        joined = "".join(pieces)
        if redact(joined) != joined:
            return LogEvent(event, {})
    return LogEvent(event, fields)


def _values(template: str, arguments: tuple[object, ...]) -> Iterator[tuple[str | None, object, str, str]]:
    """Field name, argument, its text and the text before it, for each placeholder and for the end."""
    rest, start, before = iter(arguments), 0, ""
    for found in PLACEHOLDER.finditer(template):
        before += template[start : found.start()]
        start = found.end()
        if found["kind"] == "%":
            before += "%"
            continue
        argument = next(rest, None)
        name = _NAME.search(template[: found.start()])
        kept = repr(argument) if found["kind"] in "ra" else argument
        yield name[1] if name else None, kept, found[0] % (argument,), before
        before = ""
    yield None, None, "", before + template[start:]


def _value(argument: object, printed: str, hidden: str, redact: Callable[[str], str]) -> JsonValue:
    if hidden != printed:
        return hidden
    text = str(argument)
    redacted = redact(text)
    if redacted != text or isinstance(argument, str):
        return redacted
    if argument is None or isinstance(argument, bool):
        return argument
    if isinstance(argument, int):
        return int(argument)
    if isinstance(argument, float) and math.isfinite(argument):
        return float(argument)
    return redacted
