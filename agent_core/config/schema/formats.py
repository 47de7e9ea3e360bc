"""The text formats of the schema: durations and sizes.

``500ms``, ``1s``, ``1.5s``, ``5m``, ``2h``, ``7d``; ``1024B``, ``10MB`` (powers of ten), ``64MiB`` (powers of two).
"""

from __future__ import annotations

import re
from typing import Final

DURATION: Final = "duration"
BYTES: Final = "bytes"
PATH: Final = "path"
SECRET: Final = "secret"  # noqa: S105 - the name of a format
FORMATS: Final = (DURATION, BYTES, PATH, SECRET)

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_NUMBER = re.compile(r"^\s*([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]*)\s*$", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds. Raises ValueError that teaches the format."""
    number, unit = _split(text, "a duration such as 500ms, 1s, 5m, 2h or 7d")
    if unit not in _SECONDS:
        known = ", ".join(_SECONDS)
        raise ValueError(f"expected a duration such as 500ms, 1s, 5m, 2h or 7d: the unit is one of {known}")
    # Division keeps 100ms at exactly 0.1; multiplication by 0.001 would not.
    return number / 1000 if unit == "ms" else number * _SECONDS[unit]


def parse_bytes(text: str) -> int:
    """Bytes. Raises ValueError that teaches the format."""
    number, unit = _split(text, "a size such as 1024B, 10MB or 64MiB")
    if unit not in _BYTES:
        known = ", ".join(_BYTES)
        raise ValueError(f"expected a size such as 1024B, 10MB or 64MiB: the unit is one of {known}")
    return round(number * _BYTES[unit])


def _split(text: str, wanted: str) -> tuple[float, str]:
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"expected {wanted}")
    return float(match[1]), match[2]
