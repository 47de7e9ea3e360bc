"""Timestamp: int64 nanoseconds since 1970 in UTC as ISO 8601 text, and back."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from agent_core.api import MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_NS: Final = 1_000_000_000
_TEXT: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


def timestamp_text(timestamp_ns: int) -> str:
    """``2026-01-01T00:00:00.000000001Z``: nine fractional digits, always."""
    seconds, nanoseconds = divmod(timestamp_ns, _SECOND_NS)
    # Not datetime.fromtimestamp, which refuses times before 1970 on Windows.
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{nanoseconds:09d}Z"


def file_stamp(timestamp_ns: int) -> str:
    """``20260101_000000``, for the name of a file."""
    return (_EPOCH + timedelta(seconds=timestamp_ns // _SECOND_NS)).strftime("%Y%m%d_%H%M%S")


def parse_timestamp(text: str) -> int:
    """The nanoseconds of a text that ``timestamp_text`` made; it may have fewer digits. Raises ValueError."""
    match = _TEXT.fullmatch(text)
    if match is None:
        rewritten = any(map(str.isdigit, text)) and "T" not in text
        hint = "; a spreadsheet has probably rewritten it and lost digits: use the original file" if rewritten else ""
        raise ValueError(f"{text[:40]!r} is not a timestamp such as 2026-01-01T00:00:00.000000000Z{hint}")
    whole = datetime.fromisoformat(f"{match[1]}+00:00") - _EPOCH
    timestamp_ns = (whole.days * 86_400 + whole.seconds) * _SECOND_NS + int((match[2] or "").ljust(9, "0"))
    if not MIN_TIMESTAMP_NS <= timestamp_ns <= MAX_TIMESTAMP_NS:
        raise ValueError(f"{text} does not fit in int64 nanoseconds")
    return timestamp_ns
