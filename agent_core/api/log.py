"""Log: events with fields, for people and for machines.

``log.warning("write failed", sink="warehouse", records=500, retry_in_seconds=2.0, every="warehouse")`` is printed as
``write failed: sink=warehouse records=500 retry_in_seconds=2``, or as one JSON object with the same keys.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from agent_core.api.clock import Clock, SystemClock
from agent_core.api.rate_limit import FAULT_INTERVAL_SECONDS, RateLimit

NEXT_STEP: Final = "next_step"
"""The field that says what a person can do. Text formats print it last, behind a semicolon."""

REPEATED: Final = "repeated"
"""The field that says how often the event was kept quiet since it was last written; left out when that is 0."""

_LOST: Final = "log line lost"


class LogEvent:
    """What happened, in a few words, and the facts. The message of every record that a ``Log`` makes.

    ``event`` is a constant of the code: the same for every occurrence, so that it can be searched for and counted.
    """

    __slots__ = ("event", "fields")

    def __init__(self, event: str, fields: Mapping[str, object]) -> None:
        self.event = event
        self.fields = fields

    def __str__(self) -> str:
        facts = " ".join(f"{name}={_text(value)}" for name, value in self.fields.items() if name != NEXT_STEP)
        text = f"{self.event}: {facts}" if facts else self.event
        return f"{text}; {self.fields[NEXT_STEP]}" if NEXT_STEP in self.fields else text


class Log:
    """Writes events to one logger. Thread-safe. Never raises: neither for what it is given, nor for what a handler or
    filter of somebody else raises; that line is lost, and standard error says so once per minute.

    Every method takes the event and its facts by name; units are part of a name (``elapsed_seconds``). Two names mean
    something here: ``every`` is the key of a rate limit (one line per key and interval, the others are counted in the
    field ``repeated``; keys come from the configuration or the code, never from data), ``exc_info`` adds the traceback
    of an exception. The name ``next_step`` is printed last. Each method returns True when the event was not held back
    by its rate limit.
    """

    def __init__(
        self, name: str, clock: Clock | None = None, *, interval_seconds: float = FAULT_INTERVAL_SECONDS
    ) -> None:
        self.logger: Final = logging.getLogger(name)
        self._clock = SystemClock() if clock is None else clock
        self._limit = RateLimit(self._clock, interval_seconds)

    def with_interval(self, seconds: float) -> Log:
        """The same logger, with rate limits of its own: one line per key in ``seconds``."""
        return Log(self.logger.name, self._clock, interval_seconds=seconds)

    def debug(
        self, event: str, /, *, every: str | None = None, exc_info: BaseException | None = None, **fields: object
    ) -> bool:
        """For whoever develops."""
        return self._write(logging.DEBUG, event, fields, every, exc_info)

    def info(
        self, event: str, /, *, every: str | None = None, exc_info: BaseException | None = None, **fields: object
    ) -> bool:
        """What an operator may want to know."""
        return self._write(logging.INFO, event, fields, every, exc_info)

    def warning(
        self, event: str, /, *, every: str | None = None, exc_info: BaseException | None = None, **fields: object
    ) -> bool:
        """Something is wrong; no record is lost."""
        return self._write(logging.WARNING, event, fields, every, exc_info)

    def error(
        self, event: str, /, *, every: str | None = None, exc_info: BaseException | None = None, **fields: object
    ) -> bool:
        """Records were lost, or somebody has to act."""
        return self._write(logging.ERROR, event, fields, every, exc_info)

    def critical(
        self, event: str, /, *, every: str | None = None, exc_info: BaseException | None = None, **fields: object
    ) -> bool:
        """The process has to be restarted."""
        return self._write(logging.CRITICAL, event, fields, every, exc_info)

    def _write(
        self, level: int, event: str, fields: dict[str, object], every: str | None, exc_info: BaseException | None
    ) -> bool:
        if every is not None:
            repeated = self._limit.allow(f"{event} {every}")
            if repeated is None:
                return False
            fields[REPEATED] = repeated
        if not fields.get(REPEATED, True):
            del fields[REPEATED]
        if self.logger.isEnabledFor(level):
            try:
                # stacklevel: the line that a record names is the one that called the public method.
                self.logger.log(level, LogEvent(event, fields), exc_info=exc_info, stacklevel=3)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._say_lost(event, error)
        return True

    def _say_lost(self, event: str, error: BaseException) -> None:
        if self._limit.allow(_LOST) is not None:
            with suppress(Exception):
                print(f"log line lost: {event}: a handler or filter raised {type(error).__name__}", file=sys.stderr)


def _text(value: object) -> str:
    """A field as text. Floats with six significant digits: they are measurements, not data."""
    try:
        return f"{value:.6g}" if isinstance(value, float) and math.isfinite(value) else str(value)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a foreign object's own defect must not cost the line, or the caller
        return f"({type(value).__name__} that cannot be shown)"
