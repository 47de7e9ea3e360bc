"""Address: the text ``signal:argument,option=value,...`` taken apart."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LARGEST: Final = 1e100
"""Beyond any unit, and still far from where floats end."""

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)")
_NANOSECONDS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9}


@dataclass(frozen=True, slots=True)
class Address:
    """``argument`` is what comes first without a ``=`` (``constant:5``); None when there is none."""

    signal: str
    argument: str | None
    options: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Address:
        """Take the text apart; what signals and options there are is not looked at. Raises ValueError."""
        signal, _, rest = text.partition(":")
        argument: str | None = None
        options: dict[str, str] = {}
        for position, part in enumerate(rest.split(",") if rest.strip() else ()):
            key, equals, value = (piece.strip() for piece in part.partition("="))
            if not equals:
                if position:
                    raise ValueError(f"expected option=value, not {part.strip()!r}")
                argument = key
            elif key in options:
                raise ValueError(f"{key} appears twice")
            else:
                options[key] = value
        return cls(signal.strip().lower(), argument, options)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one address over the defaults of its signal, read by type. Each method raises ValueError."""

    texts: Mapping[str, str]

    def number(self, name: str) -> float:
        """A finite number, small enough to be added to and multiplied with others."""
        try:
            number = float(self.texts[name])
        except ValueError:
            number = math.nan
        if not abs(number) <= LARGEST:
            raise ValueError(f"{name}={self.texts[name]} is not a number between {-LARGEST:g} and {LARGEST:g}")
        return number

    def whole(self, name: str) -> int:
        """A whole number."""
        try:
            number = int(self.texts[name])
        except ValueError:
            raise ValueError(f"{name}={self.texts[name]} is not a whole number") from None
        if abs(number) > LARGEST:
            raise ValueError(f"{name}={self.texts[name]} is too large")
        return number

    def share(self, name: str) -> float:
        """A number between 0 and 1."""
        number = self.number(name)
        if not 0.0 <= number <= 1.0:
            raise ValueError(f"{name}={self.texts[name]} is not between 0 and 1")
        return number

    def range(self) -> tuple[float, float]:
        """``min`` and ``max``."""
        low, high = self.number("min"), self.number("max")
        if low > high:
            raise ValueError(f"min={self.texts['min']} is larger than max={self.texts['max']}")
        return low, high

    def duration_ns(self, name: str) -> int:
        """A duration such as 500ms, 10s, 5m, 2h or 1d, in nanoseconds, larger than 0."""
        match = _DURATION.fullmatch(self.texts[name])
        nanoseconds = round(float(match[1]) * _NANOSECONDS[match[2]]) if match else 0
        if nanoseconds <= 0:
            raise ValueError(f"{name}={self.texts[name]} is not a duration above 0 such as 500ms, 10s, 5m, 2h or 1d")
        return nanoseconds

    def choice(self, name: str, *known: str) -> str:
        """One of ``known``."""
        if self.texts[name] not in known:
            raise ValueError(f"{name}={self.texts[name]} is none of {', '.join(known)}")
        return self.texts[name]
