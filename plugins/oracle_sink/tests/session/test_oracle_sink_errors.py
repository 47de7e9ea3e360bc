"""The table of errors: what each code means."""

from __future__ import annotations

import re
import ssl

import oracledb
import pytest
from oracle_sink.session.codes import _TABLE, ACTIONS, NEXT_STEPS, RULE_STEPS, WRAPPERS, Action
from oracle_sink.session.errors import (
    action_of,
    code_of,
    failure,
    refused_column,
    text_of,
    translate,
    violated_constraint,
)
from oracle_sink.session.soundness import connection_is_lost
from oracle_sink.write.ending import _CRASHES, _CUTS

from agent_core.api import AuthenticationError, ConfigurationError, RetryableError


@pytest.mark.parametrize(
    ("code", "action"),
    [
        ("ORA-12899", Action.REJECT),
        ("ORA-01438", Action.REJECT),
        ("ORA-14400", Action.MISCONFIGURED),
        ("DPY-4004", Action.REJECT),
        ("DPY-4011", Action.RECONNECT),
        ("ORA-03113", Action.RECONNECT),
        ("ORA-00600", Action.RECONNECT),
        ("DPY-6005", Action.BACK_OFF),
        ("ORA-12514", Action.BACK_OFF),
        ("ORA-01033", Action.BACK_OFF),
        ("ORA-00060", Action.BACK_OFF),
        ("DPY-4024", Action.BACK_OFF),
        ("ORA-01653", Action.THROTTLE),
        ("ORA-30036", Action.THROTTLE),
        ("ORA-16000", Action.THROTTLE),
        ("ORA-01017", Action.LOCK_OUT),
        ("ORA-28000", Action.LOCK_OUT),
        ("ORA-01950", Action.MISCONFIGURED),
        *((f"ORA-{n:05}", Action.MISCONFIGURED) for n in (942, 980, 1732, 1775, 14450, 28113, 28132, 42399)),
        ("DPY-4000", Action.MISCONFIGURED),
        ("ORA-04088", Action.TRIGGER),
        ("ORA-04098", Action.MISCONFIGURED),
        ("ORA-20999", Action.TRIGGER),
        ("ORA-28002", Action.UNKNOWN),
        ("ORA-00001", Action.UNKNOWN),
        ("ORA-21000", Action.UNKNOWN),
        (None, Action.UNKNOWN),
    ],
)
def test_a_code_has_an_action(code: str | None, action: Action) -> None:
    assert action_of(code) is action


@pytest.mark.parametrize(
    ("code", "kind", "throttle"),
    [
        ("ORA-12541", RetryableError, False),
        ("ORA-01653", RetryableError, True),
        ("ORA-12899", RetryableError, False),
        ("ORA-99999", RetryableError, False),
        ("ORA-28001", AuthenticationError, False),
        ("ORA-00904", ConfigurationError, False),
    ],
)
def test_an_action_becomes_an_error_of_the_contract_with_its_code(code: str, kind: type, throttle: bool) -> None:
    error = failure(code, "the message", "insert into T")
    assert type(error) is kind
    assert error.code == code
    assert str(error).startswith("insert into T: the message")
    assert getattr(error, "throttle", False) is throttle


def test_after_a_commit_every_error_is_ambiguous_and_retried() -> None:
    error = failure("ORA-01031", "insufficient privileges", "commit", ambiguous=True)
    assert isinstance(error, RetryableError)
    assert error.ambiguous


def test_an_error_without_a_code_means_the_connection_is_gone() -> None:
    error = translate(ssl.SSLError("broken"), "insert")
    assert isinstance(error, RetryableError)
    assert error.code is None
    assert connection_is_lost(code_of(OSError(9, "bad descriptor")))


def test_a_certificate_that_is_not_trusted_is_a_fault_of_the_configuration() -> None:
    error = oracledb.OperationalError("cannot connect")
    error.__cause__ = ssl.SSLCertVerificationError("self-signed certificate")
    assert isinstance(translate(error, "log in"), ConfigurationError)


def test_messages_are_one_line_and_say_the_next_step() -> None:
    with pytest.raises(oracledb.Error) as raised:
        oracledb.connect(user="u", password="p", dsn="NO_SUCH_ALIAS")
    assert "\n" not in text_of(raised.value)
    error = translate(raised.value, "log in to NO_SUCH_ALIAS as u")
    assert isinstance(error, ConfigurationError)
    assert "config_dir" in str(error)
    assert "Help:" not in str(error)


def test_the_constraint_is_read_from_the_first_line() -> None:
    message = "ORA-00001: unique constraint (PLANT.PK_TAG_DATA) violated"
    assert violated_constraint(message) == "PLANT.PK_TAG_DATA"
    # 23ai adds the rest.
    message += " on table PLANT.TAG_DATA columns (TAG_NAME, TIMESTAMP)\nORA-03301: row with (TAG_NAME:'A (1)') exists"
    assert violated_constraint(message) == "PLANT.PK_TAG_DATA"


def test_the_refused_column_is_read() -> None:
    assert refused_column('ORA-01400: cannot insert NULL into ("PLANT"."TAG_DATA"."ID")') == "ID"
    assert refused_column("ORA-01400: something else") is None


def test_each_code_is_written_as_a_code_has_one_action_and_is_known_if_it_has_a_step() -> None:
    listed = [code for of_action in _TABLE.values() for code in of_action]
    assert len(listed) == len(set(listed)) == len(ACTIONS)
    stepped = NEXT_STEPS.keys() | RULE_STEPS.keys()
    assert stepped <= ACTIONS.keys() | WRAPPERS
    for code in ACTIONS.keys() | stepped | WRAPPERS | _CRASHES | _CUTS:
        assert re.fullmatch(r"ORA-\d{5}|DPY-\d{4}|DPI-\d{4}", code)


def test_an_error_without_a_next_step_says_what_and_nothing_more() -> None:
    assert str(failure("ORA-00001", "ORA-00001: odd", "insert")) == "insert: ORA-00001: odd"
