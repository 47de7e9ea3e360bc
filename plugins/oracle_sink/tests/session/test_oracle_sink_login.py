"""Refused log-ins: one attempt per probe, never more. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from oracle_sink.session.latch import LONGEST_PAUSE_SECONDS, Latches
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import (
    Advising,
    AuthenticationError,
    Batch,
    ConfigError,
    ConfigurationError,
    Origin,
    RetryableError,
    Secret,
    Severity,
    SinkError,
    WriteOutcome,
)
from agent_core.testing.clock import ManualClock

MakeSink = Callable[..., OracleSink]


class Vault:
    """A secret whose text a test changes, as an operator edits ``.env``."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.secret = Secret(lambda: self.text)


def batch(number: int = 0) -> Batch:
    return Batch.of(Origin("s", "d", "g"), (f"T{number}",), (1.0,), 1_767_225_600_000_000_000)


@pytest.fixture
def account(database: Standin) -> str:
    """Has no table: a log-in that works ends in a ConfigurationError. Its password is ``right``."""
    database.change_password("right", "writer")
    return "writer"


def test_a_wrong_password_makes_exactly_one_attempt(make_sink: MakeSink, database: Standin, account: str) -> None:
    sink = make_sink(user=account, password=Secret(lambda: "wrong"))
    with pytest.raises(AuthenticationError) as raised:
        sink.open()
    assert raised.value.code == "ORA-01017"
    assert "wrong" not in str(raised.value)
    assert database.counters()["bad_logons"] == 1


def test_five_workers_of_two_sinks_share_one_attempt(make_sink: MakeSink, database: Standin, account: str) -> None:
    latches = Latches()
    sinks = [make_sink(user=account, password=Secret(lambda: "wrong"), latches=latches) for _ in range(2)]
    errors: list[SinkError] = []

    def probe(sink: OracleSink) -> None:
        try:
            sink.open()
        except SinkError as error:
            errors.append(error)

    threads = [threading.Thread(target=probe, args=(sinks[i % 2],)) for i in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(error) for error in errors] == [AuthenticationError] * 5
    assert {error.code for error in errors} == {"ORA-01017"}
    assert database.counters()["bad_logons"] == 1


def test_the_same_password_is_tried_ever_more_rarely_and_a_changed_one_at_once(
    make_sink: MakeSink, database: Standin, account: str
) -> None:
    clock, vault = ManualClock(), Vault("wrong")
    sink = make_sink(clock, user=account, password=vault.secret, login_interval=5.0)
    attempts = []
    for _ in range(8):
        with pytest.raises(AuthenticationError):
            sink.open()
        attempts.append(database.counters()["bad_logons"])
        clock.advance(5.0)
    assert attempts == [1, 2, 2, 3, 3, 3, 3, 4]
    vault.text = "right"
    with pytest.raises(ConfigurationError, match="not found"):  # the log-in worked; the account sees no table
        sink.open()


def test_the_pause_never_grows_beyond_its_limit(make_sink: MakeSink, database: Standin, account: str) -> None:
    clock = ManualClock()
    sink = make_sink(clock, user=account, password=Secret(lambda: "wrong"), login_interval=600.0)
    for attempts in range(1, 5):
        with pytest.raises(AuthenticationError):
            sink.open()
        assert database.counters()["bad_logons"] == attempts
        clock.advance(LONGEST_PAUSE_SECONDS)


def test_a_locked_account_is_asked_again_at_each_probe(make_sink: MakeSink, database: Standin, account: str) -> None:
    clock = ManualClock()
    database.lock_account(True, account)
    sink = make_sink(clock, user=account, password=Secret(lambda: "right"))
    for _ in range(3):
        with pytest.raises(AuthenticationError) as raised:
            sink.open()
        assert raised.value.code == "ORA-28000"
        clock.advance(5.0)
    database.lock_account(False, account)
    with pytest.raises(ConfigurationError, match="not found"):  # the log-in worked; the account sees no table
        sink.open()


def test_a_password_that_expires_while_writing_stops_nothing_until_a_session_is_lost(
    make_sink: MakeSink, database: Standin
) -> None:
    vault = Vault(database.password)
    sink = make_sink(password=vault.secret)
    sink.open()
    database.expire_password()
    assert sink.write(batch(1)) == WriteOutcome(inserted=1)
    database.drop_sessions()
    with pytest.raises(RetryableError):
        sink.write(batch(2))
    database.reset_counters()
    for _ in range(3):
        with pytest.raises(AuthenticationError) as raised:
            sink.write(batch(2))
        assert raised.value.code == "ORA-28001"
    assert database.counters()["connections"] == 1
    database.change_password("lion")
    vault.text = "lion"
    assert sink.write(batch(2)) == WriteOutcome(inserted=1)


def test_a_password_about_to_expire_is_warned_of_once_a_day(
    make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    database.expire_soon(3)
    with caplog.at_level(logging.WARNING):
        sink = make_sink(clock, pool={"min": 3, "max": 3})
        sink.open()
        (record,) = caplog.records
        assert "days_left=3" in record.message
        clock.advance(90_000)
        sink.close()
        sink.open()
    assert len(caplog.records) == 2


def test_a_password_about_to_expire_is_advice_until_a_log_in_no_longer_says_so(
    make_sink: MakeSink, database: Standin
) -> None:
    clock = ManualClock()
    sink = make_sink(clock)
    assert isinstance(sink, Advising)
    sink.open()
    assert list(sink.advice()) == []
    database.expire_soon(3)
    sink.close()
    sink.open()
    messages = []
    for _ in range(4):
        (finding,) = sink.advice()
        messages.append(finding.message.partition(";")[0])
        clock.advance(86_400)
    assert (finding.severity, finding.subject) == (Severity.WARNING, "account scott")
    assert "password" in (finding.next_step or "")
    assert messages == [
        f"its password expires {when}" for when in ("within 3 days", "within 2 days", "within 1 day", "now")
    ]
    database.change_password("tiger")
    sink.close()
    sink.open()
    assert list(sink.advice()) == []


def test_a_changed_password_ends_the_advice_while_sessions_live_on(make_sink: MakeSink, database: Standin) -> None:
    clock, vault = ManualClock(), Vault(database.password)
    database.expire_soon(3)
    sink = make_sink(clock, password=vault.secret)
    sink.open()
    database.reset_counters()
    database.change_password("lion")
    assert sink.write(batch(1)) == WriteOutcome(inserted=1)
    assert len(sink.advice()) == 1
    vault.text = "lion"
    clock.advance(59)  # no log-in, and no look at the secret for each batch
    sink.write(batch(2))
    assert len(sink.advice()) == 1
    clock.advance(1)
    sink.write(batch(3))
    assert list(sink.advice()) == []
    assert database.counters()["connections"] == 0


def test_an_account_has_one_latch_however_it_is_written() -> None:
    latches, folder = Latches(), Path("state")
    assert latches.of("host/x", "scott", folder) is latches.of("HOST/x", "SCOTT", folder)
    assert latches.of("host/x", "scott", folder) is not latches.of("host/y", "scott", folder)
    assert latches.of("host/x", '"Scott"', folder) is not latches.of("host/x", '"SCOTT"', folder)


def test_client_libraries_that_are_not_there_are_a_fault_of_the_configuration(
    make_sink: MakeSink, database: Standin, tmp_path: Path
) -> None:
    sink = make_sink(thick={"lib_dir": tmp_path})
    with pytest.raises(ConfigurationError, match="thick:"):
        sink.open()
    assert database.counters()["connections"] == 0


def test_a_wallet_password_that_cannot_be_read_is_a_fault_of_the_configuration(make_sink: MakeSink) -> None:
    def gone() -> str:
        raise ConfigError("${WALLET_PASSWORD} is not set")

    with pytest.raises(ConfigurationError, match="wallet_password"):
        make_sink(wallet_password=Secret(gone)).open()


@pytest.mark.parametrize("content", [None, ""])
def test_a_password_file_that_is_away_for_a_moment_is_a_refused_log_in_without_an_attempt(
    make_sink: MakeSink, database: Standin, content: str | None
) -> None:
    vault = Vault(database.password)

    def read() -> str:
        if content is None and not vault.text:
            raise ConfigError("no such file: /run/secrets/oracle")
        return vault.text

    sink = make_sink(password=Secret(read))
    vault.text = ""
    for _ in range(2):
        with pytest.raises(AuthenticationError, match="/run/secrets/oracle" if content is None else "empty"):
            sink.open()
    assert database.counters()["connections"] == 0
    vault.text = "tiger"
    sink.open()
    assert sink.write(batch()) == WriteOutcome(inserted=1)


def test_a_proxy_logs_in_with_its_own_password_and_works_as_its_target(
    make_sink: MakeSink, database: Standin, account: str
) -> None:
    clock = ManualClock()
    sink = make_sink(clock, user=f"{account}[{database.user}]", password=Secret(lambda: "right"))
    with pytest.raises(AuthenticationError, match="GRANT CONNECT THROUGH") as raised:
        sink.open()
    assert raised.value.code == "ORA-28150"
    database.grant_connect_through(account)
    clock.advance(5.0)
    assert sink.write(batch()) == WriteOutcome(inserted=1)  # only its target has the table


def test_all_that_a_proxy_works_as_share_the_latch_of_its_password() -> None:
    latches, folder = Latches(), Path("state")
    assert latches.of("host/x", "proxy[a]", folder) is latches.of("host/x", "PROXY[b]", folder)
    assert latches.of("host/x", "proxy[a]", folder) is not latches.of("host/x", "a", folder)


@pytest.mark.parametrize(
    ("fault", "step"),
    [
        ({"point": "connect", "action": "refuse", "code": 12660}, "set thick:"),
        ({"point": "connect", "action": "drop"}, "Native Network Encryption (set thick:"),
        ({"point": "auth", "action": "drop"}, "Native Network Encryption (set thick:"),
        ({"point": "connect", "action": "refuse", "code": 12506}, "access control list"),
        ({"point": "auth", "action": "ora", "code": 28040}, "ALLOWED_LOGON_VERSION_SERVER"),
        ({"point": "auth", "action": "ora", "code": 28043}, "directory"),
        ({"point": "auth", "action": "ora", "code": 1045}, "CREATE SESSION"),
    ],
)
def test_a_log_in_that_fails_says_what_may_be_behind_it(
    fault: dict[str, Any], step: str, make_sink: MakeSink, database: Standin
) -> None:
    database.fault(**fault)
    with pytest.raises(SinkError) as raised:
        make_sink().open()
    assert step in (raised.value.next_step or "")
    assert step in str(raised.value)
