"""The event and the fields of a record whose message is a format string.

By convention such a message is the event, a colon, and fields: ``"write failed: sink=%s rows=%d error=%s%s; what to
do"``. What stands behind ``name=`` is a field with the argument's own type; a last ``%s`` that gets a Repeats is the
field ``repeated``.
"""

from __future__ import annotations

import logging
import math
import re

from agent_core.api import LogEvent, Repeats

PLACEHOLDER = re.compile(r"%[-#0 +]*\d*(?:\.\d+)?(?P<kind>[diouxXeEfFgGcrsa%])")
_NAME = re.compile(r"(?:^|\s)([A-Za-z_]\w*)=$")
_EVENT = re.compile(r"[a-z][^:%=\x00-\x1f]{0,79}")


def event_of(record: logging.LogRecord) -> LogEvent | None:
    """None for a record that does not keep the convention."""
    template = str(record.msg)
    event, colon, _ = template.partition(": ")
    if not colon or not _EVENT.fullmatch(event) or not record.args or not isinstance(record.args, tuple):
        return None
    fields: dict[str, object] = {}
    placeholders = [found for found in PLACEHOLDER.finditer(template) if found["kind"] != "%"]
    for found, argument in zip(placeholders, record.args, strict=False):
        if isinstance(argument, Repeats):
            fields["repeated"] = argument.times
        elif name := _NAME.search(template[: found.start()]):
            fields[name[1]] = _value(argument)
    return LogEvent(event, fields)


def _value(argument: object) -> str | int | float | bool | None:
    if argument is None or isinstance(argument, bool):
        return argument
    if isinstance(argument, int):
        return int(argument)
    return float(argument) if isinstance(argument, float) and math.isfinite(argument) else str(argument)
