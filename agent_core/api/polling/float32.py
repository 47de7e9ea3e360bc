"""float32: a PLC's REAL as the shortest decimal that means the same float32."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import Final


def float32_to_shortest(value: float) -> float:
    """The float whose repr is the shortest decimal that round-trips as ``value`` in float32 (0.1, not 0.10000000149).

    ``value`` must be exactly representable in float32 (as ``struct`` unpacks one). At most nine significant digits
    identify a float32 (IEEE 754-2008, 5.12.2), six always survive, fewer in the subnormal range.
    """
    return float32s_to_shortest((value,))[0]


def float32s_to_shortest(values: Iterable[float]) -> list[float]:
    """``float32_to_shortest`` of each value, for the hot path: about 0.3 us a value.

    A decimal round-trips when it is nearer to the value than half the distance to the next float32. Take the largest
    power of ten above that distance as the unit: no two of its multiples are that near, so if a decimal of this length
    or a shorter one round-trips, rounding to the unit finds it; otherwise rounding to a tenth of the unit does. Both
    products are exact in float64 for the exponents in ``_STEPS``; the others take the way of trying each length.
    """
    frexp, steps = math.frexp, _STEPS
    shortest: list[float] = []
    for value in values:
        mantissa, exponent = frexp(value)
        step = steps.get(exponent)
        # A power of two has a nearer neighbour below; zero, NaN and the infinities have no mantissa in the range.
        if step is None or not 0.5 < abs(mantissa) < 1.0:
            shortest.append(_try_each_length(value))
            continue
        coarse, fine, half_distance = step
        decimal = round(value * coarse) / coarse
        shortest.append(decimal if -half_distance < decimal - value < half_distance else round(value * fine) / fine)
    return shortest


def _try_each_length(value: float) -> float:
    for digits in _LENGTHS if abs(value) >= _SMALLEST_NORMAL else range(1, 10):
        text = f"{value:.{digits}g}"
        if _FLOAT32.unpack(_FLOAT32.pack(float(text)))[0] == value:
            return float(text)
    return value  # NaN and the infinities


def _plan_steps() -> dict[int, tuple[float, float, float]]:
    """``frexp`` exponent -> (1 / unit, 10 / unit, half the distance between neighbours)."""
    steps: dict[int, tuple[float, float, float]] = {}
    for exponent in range(-16, 25):
        distance = 2.0 ** (exponent - 24)
        decimals = next(n for n in range(12, -13, -1) if 10.0**-n > distance)
        if 0 <= decimals <= _MAX_EXACT_DECIMALS - 1:
            steps[exponent] = (10.0**decimals, 10.0 ** (decimals + 1), distance / 2)
    return steps


_FLOAT32: Final = struct.Struct(">f")
_LENGTHS: Final = range(6, 10)
_SMALLEST_NORMAL: Final = 2.0**-126
_MAX_EXACT_DECIMALS: Final = 12
"""24 bits of a float32 times 5**12 (28 bits) fit the 53 bits of a float64."""

_STEPS: Final = _plan_steps()
