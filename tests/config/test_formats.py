from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.config.schema.formats import parse_bytes, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("100ms", 0.1),
        ("1s", 1.0),
        ("1.5s", 1.5),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("7d", 604800.0),
        ("0s", 0.0),
        (" 10 s ", 10.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1 year", "1M", "1e3s", "1s2s", "1,5s", "٣s", "1.s", "nan"])
def test_what_is_not_a_duration_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 500ms, 1s, 5m, 2h or 7d"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1024B", 1024), ("10MB", 10_000_000), ("64MiB", 67_108_864), ("1.5KiB", 1536), ("2GB", 2 * 10**9), ("0B", 0)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "64", "64M", "64mib", "-1B", "1Mb"])
def test_what_is_not_a_size_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size such as 1024B, 10MB or 64MiB"):
        parse_bytes(text)


@given(st.text())
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_duration(text) >= 0
