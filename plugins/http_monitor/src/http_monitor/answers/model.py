"""Answer: what all models have in common, and how times and numbers are written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict


def sendable(text: str) -> str:
    """With lone surrogates escaped: they come from file names of another encoding, and UTF-8 has no place for them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def rounded(number: float) -> float:
    """Three decimals are enough to look at."""
    return round(number, 3)


def _microseconds(seconds: float) -> float:
    return round(seconds, 6)


Text = Annotated[str, AfterValidator(sendable)]
"""A text that others wrote: a file name, an error message. What the YAML says is valid already."""

Rounded = Annotated[float, AfterValidator(rounded)]
"""A number to look at."""

Duration = Annotated[float, AfterValidator(_microseconds)]
"""Seconds that a write or a poll took: often less than a thousandth."""


class Answer(BaseModel):
    """Frozen; unknown fields are refused, so that a builder and its model cannot drift apart."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, snapshot: object) -> Self:
        """From an object whose attributes have the names of the model's fields."""
        return cls.model_validate(snapshot, from_attributes=True)


def iso_time(time_ns: int | None) -> str | None:
    """UTC, ISO 8601, milliseconds; None for None, and for times outside of the years 1 to 9999."""
    if time_ns is None:
        return None
    try:
        moment = datetime.fromtimestamp(time_ns / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age_seconds(time_ns: int | None, now_ns: int) -> float | None:
    """How long ago, never negative: a clock that was set back puts no event into the future."""
    return None if time_ns is None else max(0.0, (now_ns - time_ns) / 1e9)
