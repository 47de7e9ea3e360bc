"""TagFilter: the rules of a group's tags, applied to each poll."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from agent_core.api import BAD, GOOD, UNCERTAIN, Value
from polling_source.tags.rule import TagRule


class TagFilter:
    """Remembers what was emitted last of the tags that report changes. Used by the device's worker alone.

    ``resend_seconds``: an unchanged value is emitted again when the last one is that old; None for never.
    """

    def __init__(self, rules: Sequence[TagRule], resend_seconds: float | None) -> None:
        """``rules``: one per record."""
        self._labels = [(position, rule.labels) for position, rule in enumerate(rules) if rule.labels is not None]
        self._limits = [
            (position, rule.minimum, rule.maximum)
            for position, rule in enumerate(rules)
            if rule.minimum is not None or rule.maximum is not None
        ]
        self._changes = [_Change(position, rule) for position, rule in enumerate(rules) if rule.thins_out]
        self._resend_seconds = resend_seconds

    @property
    def is_empty(self) -> bool:
        """True when every value goes on as it was read."""
        return not (self._labels or self._limits or self._changes)

    def apply(self, values: list[Value], qualities: bytearray, now: float) -> set[int]:
        """Change values and qualities in place; returns the records that are suppressed. ``now``: monotonic seconds."""
        for position, labels in self._labels:
            number = values[position]
            if qualities[position] == BAD:
                continue
            label = labels.get(number) if isinstance(number, int) else None
            if label is None:
                qualities[position] = UNCERTAIN
            else:
                values[position] = label
        for position, minimum, maximum in self._limits:
            number = values[position]
            if not isinstance(number, int | float) or qualities[position] != GOOD:
                continue
            above = minimum is None or number >= minimum
            below = maximum is None or number <= maximum
            if not (above and below):
                qualities[position] = BAD
        return {
            change.position
            for change in self._changes
            if not change.is_due(values[change.position], qualities[change.position], now, self._resend_seconds)
        }


class _Change:
    """What was emitted last of one tag."""

    __slots__ = ("_at", "_deadband", "_quality", "_share", "_value", "position")

    def __init__(self, position: int, rule: TagRule) -> None:
        self.position = position
        self._deadband = rule.deadband or 0.0
        self._share = (rule.deadband_percent or 0.0) / 100
        self._value: Value = None
        self._quality = -1
        self._at = 0.0

    def is_due(self, value: Value, quality: int, now: float, resend_seconds: float | None) -> bool:
        """Whether the value is to be emitted; then it is the one to compare with from now on.

        A record without a value is always due: which of them go out is for ``bad_records`` to say.
        """
        expired = resend_seconds is not None and now - self._at >= resend_seconds
        if quality == self._quality and value is not None and not expired and self._is_near(value):
            return False
        self._value, self._quality, self._at = value, quality, now
        return True

    def _is_near(self, value: Value) -> bool:
        last = self._value
        try:
            if value == last or (value != value and last != last):  # NaN is like NaN
                return True
            if isinstance(value, bool) or isinstance(last, bool):
                return False
            if isinstance(value, Decimal) and isinstance(last, Decimal):
                return self._spans(float(abs(value - last)), float(last))
            if isinstance(value, int | float) and isinstance(last, int | float):
                return self._spans(abs(value - last), last)
        except ArithmeticError:  # more than a float can hold, or no number
            pass
        return False

    def _spans(self, distance: float, last: float) -> bool:
        """Whether the deadband is as wide as ``distance``. No deadband is infinite, also not around infinity."""
        limit = max(self._deadband, self._share * abs(last))
        return limit > 0 and distance <= limit and distance < math.inf
