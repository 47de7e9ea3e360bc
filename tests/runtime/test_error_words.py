"""What observers may read of an error."""

from __future__ import annotations

import pytest

from agent_core.api import AuthenticationError, ConfigurationError, RetryableError, SinkError
from agent_core.runtime.error_words import without_secrets


def redact(text: str) -> str:
    return text.replace("tiger", "***")


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("error", [ValueError("harmless"), RetryableError("away", code="ORA-1"), KeyError()])
def test_an_error_without_a_secret_is_handed_over_as_it_is(error: BaseException) -> None:
    assert without_secrets(error, redact) is error


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (RetryableError("scott/tiger", throttle=True, code="E1"), RetryableError, "scott/***"),
        (AuthenticationError("tiger refused", code="E1", next_step="change tiger"), AuthenticationError, "*** refused"),
        (ConfigurationError("no table", code="E1", next_step="ask tiger"), ConfigurationError, "no table"),
        (SinkError("tiger", code="E1"), SinkError, "***"),
        (caused(RetryableError("away", throttle=True, code="E1"), OSError("tiger@db")), RetryableError, "away"),
    ],
)
def test_a_secret_is_neither_in_the_error_nor_in_what_led_to_it(
    error: SinkError, kind: type[SinkError], words: str
) -> None:
    shown = without_secrets(error, redact)
    assert type(shown) is kind
    assert isinstance(shown, SinkError)
    assert (str(shown), shown.code, shown.__cause__, shown.__context__) == (words, "E1", None, None)
    assert "tiger" not in str(shown.next_step)
    assert isinstance(error, RetryableError) is (isinstance(shown, RetryableError) and shown.throttle)


def test_a_defect_keeps_its_type_as_a_word() -> None:
    assert str(without_secrets(ValueError("tiger"), redact)) == "ValueError: ***"
