from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.config import Redaction


@pytest.fixture
def redaction() -> Redaction:
    return Redaction()


@pytest.fixture
def log(redaction: Redaction) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.addFilter(redaction)
    logger = logging.getLogger("test_redaction")
    logger.addHandler(handler)
    yield logger, out
    logger.removeHandler(handler)


def test_nothing_changes_without_secrets(log: tuple[logging.Logger, io.StringIO]) -> None:
    logger, out = log
    logger.warning("user=%s", "agent")
    assert out.getvalue() == "user=agent\n"


def test_messages_arguments_and_tracebacks_are_redacted(
    redaction: Redaction, log: tuple[logging.Logger, io.StringIO]
) -> None:
    logger, out = log
    redaction.add("hunter2")
    error = OSError("cannot log in as agent/hunter2")
    logger.error("log-in failed: password=%s", "hunter2", stack_info=True, exc_info=error)
    assert "hunter2" not in out.getvalue()
    assert "log-in failed: password=***" in out.getvalue()
    assert "OSError: cannot log in as agent/***" in out.getvalue()


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
