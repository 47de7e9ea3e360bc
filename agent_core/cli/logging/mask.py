"""Mask: no log record holds a secret, whichever handler gets it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from agent_core.api import LogEvent
from agent_core.api.secret import MASK
from agent_core.config import Redaction

_MASKED: Final = "tagferry_masked"
"""The attribute that holds the message which was masked; another message means another record."""

_TRACEBACKS: Final = logging.Formatter()


@contextmanager
def masked_records(redaction: Redaction) -> Iterator[Mask]:
    """Mask every log record of this process when it is made, while the block runs.

    So a handler that is not the agent's (that of a plugin which calls ``logging.basicConfig``) shows no secret either.
    Blocks nest; a factory of log records that somebody else set before is still called.
    """
    outer = logging.getLogRecordFactory()
    if isinstance(outer, Mask) and outer.redaction is redaction:
        yield outer
        return
    mask = Mask(redaction, outer)
    logging.setLogRecordFactory(mask)
    try:
        yield mask
    finally:
        if logging.getLogRecordFactory() is mask:  # else somebody built upon it
            logging.setLogRecordFactory(outer)


class Mask:
    """A factory of log records without secrets, and a filter for records that it did not make. Never raises.

    Message, fields, arguments, traceback and stack are masked; attributes that a caller adds (``extra``) come later
    and are not. A traceback that held a secret is kept as text alone. Fields get types that JSON knows.
    """

    def __init__(self, redaction: Redaction, make: Callable[..., logging.LogRecord]) -> None:
        self.redaction = redaction
        self._redact = redaction.redact
        self._make = make

    def __call__(self, *args: object, **kwargs: object) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        self._mask(record)
        return record

    def filter(self, record: logging.LogRecord) -> bool:
        """For records that were made before, or in another process and sent here."""
        if record.__dict__.get(_MASKED) is not record.msg:
            self._mask(record)
        return True

    def _mask(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, LogEvent):
            record.msg = self._event(record.msg)
        else:
            self._message(record)
        if record.exc_info and not record.exc_text:
            record.exc_text = _traceback(record)
        if record.exc_text:
            shown = record.exc_text
            record.exc_text = self._redact(shown)
            if record.exc_text != shown:
                record.exc_info = None
        if record.stack_info:
            record.stack_info = self._redact(record.stack_info)
        record.__dict__[_MASKED] = record.msg

    def _event(self, event: LogEvent) -> LogEvent:
        name = self._redact(event.event)
        fields = {field: self._field(value) for field, value in event.fields.items()}
        # A secret may span several fields.
        for masked in (LogEvent(name, fields), LogEvent(name, {"fields": MASK})):
            shown = str(masked)
            if self._redact(shown) == shown:
                return masked
        return LogEvent(MASK, {})

    def _field(self, value: object) -> str | int | float | bool | None:
        shown = _text(value)
        hidden = self._redact(shown)
        if hidden != shown:
            return hidden
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return int.__int__(value)
        if isinstance(value, float) and math.isfinite(value):
            return float.__float__(value)
        return shown

    def _message(self, record: logging.LogRecord) -> None:
        """Template and arguments are kept where they can be: formatters of other libraries look at them."""
        try:
            shown = record.getMessage()
        except KeyboardInterrupt:
            raise
        except BaseException:  # the caller's mistake costs the form of the line, not the line
            arguments = (record.args,) if isinstance(record.args, Mapping) else record.args or ()
            record.msg, record.args = self._redact(" ".join(map(_text, (record.msg, *arguments)))), ()
            return
        if isinstance(record.args, Mapping):
            record.args = {name: self._argument(value) for name, value in record.args.items()}
        elif record.args:
            record.args = tuple(map(self._argument, record.args))
        try:
            masked = record.getMessage()
            kept = bool(record.args) and self._redact(masked) == masked
        except KeyboardInterrupt:
            raise
        except BaseException:  # a number that is a secret is a text now, and %d does not take it
            kept = False
        if not kept:
            record.msg, record.args = self._redact(shown), ()

    def _argument(self, value: object) -> object:
        if value is None or isinstance(value, bool):
            return value
        shown = _text(value)
        hidden = self._redact(shown)
        if hidden != shown:
            return hidden
        if isinstance(value, (str, int, float)):
            return value
        written = _text(value, repr)
        return value if self._redact(written) == written else hidden


def _traceback(record: logging.LogRecord) -> str:
    try:
        return _TRACEBACKS.formatException(record.exc_info)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        raise
    except BaseException:
        return "(an exception that cannot be shown)"


def _text(value: object, write: Callable[[object], str] = str) -> str:
    try:
        return write(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the panic of a library written in Rust is no Exception
        return f"({type(value).__name__} that cannot be shown)"
