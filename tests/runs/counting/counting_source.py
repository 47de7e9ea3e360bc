"""A third-party source whose every row is known in advance: it counts, at a bounded rate.

Number ``n`` is row ``row_of(n)``; its time tells ``n`` whatever became of the rest. Some numbers are *poison*, rows
that a table refuses; some are *contested*: the same key comes again a little later with another value, the *echo*.
"""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from agent_core.api import Batch, ComponentContext, Config, Emit, Origin, SourceFactory, Value, hookimpl

BASE_NS: Final = 1_735_689_600_000_000_000
"""2025-01-01T00:00:00Z; a row a millisecond from there on."""

STEP_NS: Final = 1_000_000
TAGS: Final = 3491

LAGS: Final = (700, 3)

_ECHO: Final = 500_000_000_000
_FORBIDDEN: Final = 900_000_000_000


class Poison(Enum):
    """What is wrong with a row; the value is the code that refuses it."""

    NAME_TOO_LONG = "ORA-12899"
    NOT_A_NUMBER = "ORA-01722"
    NO_NAME = "ORA-01400"
    AGAINST_CHECK = "ORA-02290"
    AGAINST_TRIGGER = "ORA-20001"


POISONS: Final = tuple(Poison)

TABLE: Final = f"""
    CREATE TABLE TAG_DATA (
        tag_name VARCHAR2(100 CHAR) NOT NULL, tag_value NUMBER NOT NULL,
        timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20) NOT NULL,
        CONSTRAINT CK_TAG_DATA CHECK (tag_value < {_FORBIDDEN}),
        CONSTRAINT PK_TAG_DATA PRIMARY KEY (tag_name, timestamp))"""
"""Refuses every poison but the last by itself."""

TRIGGER: Final = """
    CREATE OR REPLACE TRIGGER TR_TAG_DATA BEFORE INSERT ON TAG_DATA FOR EACH ROW WHEN (NEW.tag_value < 0)
    BEGIN
        raise_application_error(-20001, 'a value is below zero');
    END;"""
"""Refuses the last, as a trigger of the plant's own would."""


class Numbering(NamedTuple):
    """Which numbers are poison or contested; 0 for none."""

    poison_every: int = 0
    contested_every: int = 0

    def poison(self, n: int) -> Poison | None:
        every = self.poison_every
        return POISONS[n // every % len(POISONS)] if every and n % every == every - 1 else None

    def contested(self, n: int) -> bool:
        every = self.contested_every
        return bool(every) and n % every == every // 2 and self.poison(n) is None

    def lag(self, n: int) -> int:
        """How many numbers later the echo of a contested one comes: in another batch, now and then in the same."""
        return LAGS[n // self.contested_every % 4 == 0]

    def echoes_at(self, n: int) -> Iterator[int]:
        """The contested numbers whose echo follows number ``n``."""
        if not self.contested_every:
            return
        for lag in LAGS:
            if n >= lag and self.contested(n - lag) and self.lag(n - lag) == lag:
                yield n - lag

    def row_of(self, n: int) -> tuple[str, Value]:
        """Name and value."""
        name = f"TAG{n % TAGS:04d}"
        match self.poison(n):
            case None:
                return name, n
            case Poison.NAME_TOO_LONG:
                return name + "X" * 100, n
            case Poison.NOT_A_NUMBER:
                return name, f"{n} pieces"
            case Poison.NO_NAME:
                return "", n
            case Poison.AGAINST_CHECK:
                return name, _FORBIDDEN + n
            case Poison.AGAINST_TRIGGER:
                return name, -n

    def echo_of(self, n: int) -> tuple[str, Value]:
        """The second row of a contested number: the same key, another value."""
        return self.row_of(n)[0], _ECHO + n


def stamp_of(n: int) -> int:
    """UTC ns; with digits below a microsecond, which the table cuts off."""
    return BASE_NS + n * STEP_NS + n % 1000


def number_at(timestamp_us: int) -> int:
    """The number whose row has this time."""
    return (timestamp_us * 1000 - BASE_NS) // STEP_NS


SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["rate"],
    "properties": {
        "first": {"type": "integer", "minimum": 0, "default": 0},
        "at_least": {"type": "integer", "minimum": 0, "default": 0},
        "enough": {"type": ["string", "null"], "format": "path", "default": None},
        "begin": {"type": ["string", "null"], "format": "path", "default": None},
        "rate": {"type": "number", "exclusiveMinimum": 0},
        "batch": {"type": "integer", "minimum": 1, "default": 349},
        "poison_every": {"type": "integer", "minimum": 0, "default": 0},
        "contested_every": {"type": "integer", "minimum": 0, "default": 0},
    },
}


class CountingSource:
    """Emits ``rate`` a second from ``first`` on; ends when ``at_least`` are out and the file ``enough`` exists.

    With ``begin`` it waits for that file first.
    """

    def __init__(self, config: Config, context: ComponentContext) -> None:
        self._first, self._at_least, self._batch = (int(str(config[key])) for key in ("first", "at_least", "batch"))
        self._enough, self._begin = (
            None if config[key] is None else Path(str(config[key])) for key in ("enough", "begin")
        )
        self._rate = float(str(config["rate"]))
        self._numbering = Numbering(int(str(config["poison_every"])), int(str(config["contested_every"])))
        self._origin = Origin(context.component_id, "", "counting")
        self._log = context.log
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self) -> None: ...

    def start(self, emit: Emit) -> None:
        self._thread = threading.Thread(target=self._run, args=(emit,), daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def close(self) -> None: ...

    def _run(self, emit: Emit) -> None:
        while self._begin is not None and not self._begin.exists() and not self._stopped.is_set():
            self._stopped.wait(0.05)
        n, due = self._first, time.monotonic()
        while not self._stopped.is_set() and not self._done(n):
            emit(self._rows(n, n + self._batch))
            n += self._batch
            # After a delay of more than a second it does not try to catch up.
            due = max(due + self._batch / self._rate, time.monotonic() - 1)
            self._stopped.wait(max(0.0, due - time.monotonic()))
        self._log.info("counting ended", next=n)

    def _done(self, n: int) -> bool:
        return n - self._first >= self._at_least > 0 and (self._enough is None or self._enough.exists())

    def _rows(self, start: int, stop: int) -> Batch:
        numbering = self._numbering
        names: list[str] = []
        values: list[Value] = []
        stamps = array("q")
        for n in range(start, stop):
            name, value = numbering.row_of(n)
            names.append(name)
            values.append(value)
            stamps.append(stamp_of(n))
            for contested in numbering.echoes_at(n):
                name, value = numbering.echo_of(contested)
                names.append(name)
                values.append(value)
                stamps.append(stamp_of(contested))
        return Batch.of(self._origin, names, values, stamps)


@hookimpl
def agent_register_source() -> SourceFactory:
    return SourceFactory("counting_source", SCHEMA, CountingSource, "counts")
