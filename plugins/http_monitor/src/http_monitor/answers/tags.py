"""Current values of tags."""

from __future__ import annotations

from decimal import Decimal
from math import isfinite
from typing import Final

from pydantic import Field

from agent_core.api import QUALITY_NAMES, Value
from http_monitor.answers.model import Answer, age_seconds, iso_time, rounded
from http_monitor.state.tag_table import CurrentTag, TagPage

TagValue = float | int | bool | str | None
"""As JSON: a number that JSON or a browser cannot hold exactly is a string."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer a browser's number holds exactly (ECMAScript, Number.MAX_SAFE_INTEGER)."""


class TagAnswer(Answer):
    """One tag."""

    name: str = Field(description="The tag's name.")
    value: TagValue = Field(
        description="Its current value; null for a tag that cannot be read. Decimals, integers beyond 2^53 and "
        "infinite numbers are strings."
    )
    value_type: str = Field(description="float, int, bool, str, decimal or null.")
    quality: str = Field(description="GOOD, UNCERTAIN or BAD.")
    timestamp: str | None = Field(description="The value's time (UTC, ISO 8601).")
    age_seconds: float | None = Field(description="How old the value is (seconds).")
    source_id: str = Field(description="The source.")
    device_id: str = Field(description="The device.")
    group_id: str = Field(description="The polling group.")
    trend: tuple[float | None, ...] = Field(
        description="Values of the last three minutes, one per 3 s, oldest first; null where there was no number."
    )


class Tags(Answer):
    """A page of the table of tags."""

    total: int = Field(description="Tags seen since the start.")
    matching: int = Field(description="How many of them match the query.")
    offset: int = Field(description="Number of the first tag of this page, from 0.")
    tags: tuple[TagAnswer, ...] = Field(
        description="The tags of this page, in the order in which they were first seen."
    )


def tags(page: TagPage, offset: int, now_ns: int) -> Tags:
    """One page as it is answered."""
    return Tags(
        total=page.total,
        matching=page.matching,
        offset=offset,
        tags=tuple(_tag(tag, now_ns) for tag in page.tags),
    )


def tag_value(value: Value) -> TagValue:
    """``value`` so that JSON and a browser keep it exactly."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > MAX_SAFE_INTEGER:
        return _digits(value)
    return value


def _digits(value: int) -> str:
    # Python refuses to write out integers of thousands of digits.
    return str(value) if value.bit_length() < 4096 else hex(value)


def _tag(tag: CurrentTag, now_ns: int) -> TagAnswer:
    value = tag.value
    age = age_seconds(tag.timestamp_ns, now_ns)
    return TagAnswer(
        name=tag.name,
        value=tag_value(value),
        value_type="null" if value is None else type(value).__name__.lower(),
        quality=QUALITY_NAMES.get(tag.quality, str(tag.quality)),
        timestamp=iso_time(tag.timestamp_ns),
        age_seconds=None if age is None else rounded(age),
        source_id=tag.origin.source,
        device_id=tag.origin.device,
        group_id=tag.origin.group,
        trend=tag.trend,
    )
