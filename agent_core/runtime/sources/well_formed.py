"""WellFormed: what sources and transforms hand over is checked once, before it is stored anywhere.

A malformed record that only a later part stumbles over would cost every sink the whole write that it is in.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from agent_core.api import BAD, EMPTY, MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS, QUALITY_NAMES, Batch, Origin, Segment, Value

NOT_A_RECORD: Final = "not_a_record"
"""The code of every record that is set aside."""

KNOWN_NAMES: Final = 256
"""So many tuples of names are remembered as checked: a group's polls share theirs."""

SHOWN_CHARACTERS: Final = 200
"""How much is kept of what was not a value."""

_NUMBERS: Final = frozenset((float, int, bool, Decimal, type(None)))
_TEXTS: Final = frozenset((str,))
_KINDS: Final = _NUMBERS | _TEXTS
_QUALITIES: Final = bytes(QUALITY_NAMES)


@dataclass(frozen=True, slots=True)
class SetAside:
    """Records that no sink is given: as a text what was not a value, quality BAD, and one reason for each."""

    batch: Batch
    reasons: tuple[str, ...]


class WellFormed:
    """Checks batches. Thread-safe.

    It costs about ten steps at C speed per batch. Only a batch with something odd in it is looked at record by record.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[str, ...]] = {}
        """Names that were checked, by identity; the reference keeps the identity theirs."""

    def check(self, batch: Batch) -> tuple[Batch, SetAside | None]:
        """The records for the sinks, and those that are none.

        Names and texts are escaped where they must be, and a value of a subclass (an ``IntEnum``, ``numpy.float64``)
        becomes one of its base. The same object when nothing changes. Raises ValueError when it is not a Batch, or its
        columns do not fit together.
        """
        _check_columns(batch)
        return (batch, None) if self._is_plain(batch) else _sorted_out(batch)

    def _is_plain(self, batch: Batch) -> bool:
        names = batch.names
        if self._known.get(id(names)) is not names:
            if not set(map(type, names)) <= _TEXTS or not _is_clean("".join(names)):
                return False
            if len(self._known) >= KNOWN_NAMES:
                self._known.clear()
            self._known[id(names)] = names
        kinds = set(map(type, batch.values))
        if not kinds <= _KINDS or batch.qualities.translate(None, _QUALITIES):
            return False
        return str not in kinds or _is_clean("".join([value for value in batch.values if isinstance(value, str)]))


def _check_columns(batch: Batch) -> None:
    if not isinstance(batch, Batch):
        raise ValueError(f"{_kind(batch)} is not a Batch")
    count, stamps = len(batch), batch.timestamps_ns
    if not count == len(batch.values) == len(batch.qualities) or not (isinstance(stamps, int) or len(stamps) == count):
        raise ValueError("columns differ in length")
    if isinstance(stamps, int) and not MIN_TIMESTAMP_NS <= stamps <= MAX_TIMESTAMP_NS:
        raise ValueError(f"{stamps} is not a time in int64 nanoseconds")
    upto = 0
    for segment in batch.segments:
        if type(segment) is not Segment or type(segment.origin) is not Origin or segment.start != upto:
            upto = -1
            break
        if set(map(type, segment.origin)) != {str}:
            raise ValueError(f"the ids of an origin must be texts: {segment.origin}")
        upto = segment.stop
    if upto != count:
        raise ValueError(f"segments do not cover the {count} records in order: {batch.segments}")


def _sorted_out(batch: Batch) -> tuple[Batch, SetAside | None]:
    """What ``check`` returns, record by record."""
    faults = [
        _fault(name, value, quality)
        for name, value, quality in zip(batch.names, batch.values, batch.qualities, strict=True)
    ]
    plain = replace(
        batch,
        names=tuple([_name(name) for name in batch.names]),
        values=tuple([_plain(value) for value in batch.values]),
    )
    odd = [position for position, fault in enumerate(faults) if fault]
    if not odd:
        return plain, None
    aside = replace(plain.select(odd), qualities=bytes((BAD,)) * len(odd))
    reasons = tuple(f"{NOT_A_RECORD}: {fault}" for fault in faults if fault)
    good = [position for position, fault in enumerate(faults) if not fault]
    return plain.select(good) if good else EMPTY, SetAside(aside, reasons)


def _fault(name: object, value: object, quality: int) -> str | None:
    """Why a record is none; None for one that is."""
    if not isinstance(name, str):
        return f"its name is of the type {_kind(name)}, not a text"
    if not issubclass(type(value), tuple(_KINDS)):
        return f"its value is of the type {_kind(value)}; a value is a float, int, bool, str, Decimal or None"
    if quality not in QUALITY_NAMES:
        return f"unknown quality 0x{quality:02X}"
    return None


def _name(name: object) -> str:
    return _text(name if isinstance(name, str) else _shown(name))


def _plain(value: object) -> Value:
    """The value as one of the kinds that sinks know. The base's own methods: a subclass may do as it likes."""
    if type(value) in _NUMBERS:
        return value  # type: ignore[return-value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, int):
        return int.__pos__(value)
    if isinstance(value, Decimal):
        return Decimal(value)
    return _text(_shown(value))


def _text(text: str) -> str:
    """With NUL and lone surrogates written as ``\\x00`` and ``\\udXXX``: no database and no UTF-8 file takes them."""
    return str.__str__(text).replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


def _is_clean(text: str) -> bool:
    if "\0" in text:
        return False
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def _kind(thing: object) -> str:
    kind = type(thing)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _shown(thing: object) -> str:
    bounded = reprlib.Repr()
    bounded.maxstring = bounded.maxother = SHOWN_CHARACTERS
    try:
        return bounded.repr(thing)[:SHOWN_CHARACTERS]
    except BaseException:  # a foreign object's own defect must not cost the other records
        return f"<{_kind(thing)}>"
