from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.config import Redaction


@pytest.fixture
def redaction() -> Redaction:
    return Redaction()


def test_nothing_changes_without_secrets(redaction: Redaction) -> None:
    assert redaction.redact("user=agent") == "user=agent"


def test_json_repr_and_urls_are_redacted_too(redaction: Redaction) -> None:
    redaction.add('pa"ss\\w/ö d')
    for shown in (
        repr('pa"ss\\w/ö d'),
        '"pa\\"ss\\\\w/\\u00f6 d"',
        "pa%22ss%5Cw%2F%C3%B6%20d",
        "pa%22ss%5Cw%2F%C3%B6+d",
    ):
        assert "***" in redaction.redact(shown)
        assert "ss" not in redaction.redact(shown)


def test_a_secret_inside_another_leaves_no_tail(redaction: Redaction) -> None:
    redaction.add("secret")
    redaction.add("secret-and-more")
    assert redaction.redact("x=secret-and-more y=secret") == "x=*** y=***"


def test_a_short_secret_is_hidden_only_where_it_stands_alone(redaction: Redaction) -> None:
    redaction.add("a")
    redaction.add("")
    redaction.add("  ")
    assert redaction.redact("agent started: password=a user=agent") == "agent started: password=*** user=agent"


@given(secret=st.text(min_size=4).filter(str.strip), before=st.text(), after=st.text())
def test_no_secret_gets_through(secret: str, before: str, after: str) -> None:
    redaction = Redaction()
    redaction.add(secret)
    assert secret not in redaction.redact(before + secret + after) or secret in "***"
