"""What ``tagferry doctor`` says. Shown on the stand-in, not Oracle."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from oracle_sink.session.latch import Latches
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import AuthenticationError, ConfigError, Finding, Secret, Severity

MakeSink = Callable[..., OracleSink]
SHORT = {"connect": 0.1, "login": 0.5, "call": 1.0, "wait": 0.5}


def findings(sink: OracleSink) -> list[Finding]:
    return list(sink.diagnose())


def bad(found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.severity is not Severity.OK]


def test_a_healthy_database_has_nothing_but_good_findings_and_is_left_as_it_was(
    make_sink: MakeSink, database: Standin
) -> None:
    found = findings(make_sink(on_conflict="update"))
    assert bad(found) == []
    text = "\n".join(f"{finding.subject}: {finding.message}" for finding in found)
    for expected in (
        "TCP 127.0.0.1",
        "Thin mode",
        "release 23",
        "this machine",
        "AL32UTF8",
        "key",
        "rolled back",
        "OPEN",
    ):
        assert expected in text
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[0]]
    assert [session for session in database.sessions() if session["program"] == "tagferry"] == []


def test_a_missing_table_comes_with_the_statement_that_creates_it(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(table="tagferry_other")
    (finding,) = bad(findings(sink))
    assert finding.severity is Severity.CRITICAL
    assert 'CREATE TABLE "TAGFERRY_OTHER"' in (finding.next_step or "")
    assert "ask the DBA for SELECT and INSERT on it" in (finding.next_step or "")


def test_columns_that_do_not_fit_are_named(make_sink: MakeSink) -> None:
    (finding,) = bad(findings(make_sink(columns={"TAG": "name", "TAG_VALUE": "value"})))
    assert "no column TAG" in finding.message
    assert finding.next_step is not None


def test_a_listener_that_is_away_ends_the_checks(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink()
    database.listener_stop()
    (finding,) = findings(sink)
    assert finding.severity is Severity.CRITICAL
    assert "lsnrctl" in (finding.next_step or "")


def test_a_listener_that_never_answers_is_given_up(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(timeouts=SHORT)
    database.black_hole(True)
    (finding,) = bad(findings(sink))
    assert "no answer within" in finding.message


def test_an_unknown_service_is_named(make_sink: MakeSink, database: Standin) -> None:
    (finding,) = bad(findings(make_sink(dsn=database.dsn.replace(database.service, "NOWHERE"))))
    assert "NOWHERE" in finding.message
    assert "service name" in (finding.next_step or "")


@pytest.mark.parametrize(
    ("dsn", "step"),
    [("NO_ALIAS", "config_dir"), ("no-such-host.invalid:1521/x", "DNS"), ("127.0.0.1:1/x", "lsnrctl")],
)
def test_a_dsn_that_leads_nowhere_says_what_to_check(dsn: str, step: str, make_sink: MakeSink) -> None:
    (finding,) = findings(make_sink(dsn=dsn))
    assert finding.severity is Severity.CRITICAL
    assert step in (finding.next_step or "")


def test_a_wrong_password_is_tried_once_and_not_again_by_the_sink(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(password=Secret(lambda: "wrong"), latches=Latches())
    database.reset_counters()
    (finding,) = bad(findings(sink))
    assert (finding.severity, finding.next_step) == (
        Severity.CRITICAL,
        "check user: and password:; a new password needs no restart",
    )
    with pytest.raises(AuthenticationError):
        sink.open()
    assert "not tried again" in bad(findings(sink))[0].message
    assert database.counters()["bad_logons"] == 1


def test_an_address_that_is_away_is_a_warning_when_another_answers(make_sink: MakeSink, database: Standin) -> None:
    found = findings(make_sink(dsn=f"127.0.0.1:1,{database.dsn}"))
    (away,) = bad(found)
    assert (away.severity, away.subject) == (Severity.WARNING, "TCP 127.0.0.1:1")
    assert "read back and rolled back" in found[-1].message


def test_a_password_that_cannot_be_read_is_a_finding(make_sink: MakeSink, database: Standin) -> None:
    def gone() -> str:
        raise ConfigError("${ORACLE_PASSWORD} is not set")

    (finding,) = bad(findings(make_sink(password=Secret(gone))))
    assert finding.message == "password: ${ORACLE_PASSWORD} is not set"
    assert "variable or file" in (finding.next_step or "")


def test_a_password_about_to_expire_is_a_warning(make_sink: MakeSink, database: Standin) -> None:
    database.expire_soon(3)
    (finding,) = bad(findings(make_sink()))
    assert finding.severity is Severity.WARNING
    assert "expires in" in finding.message


@pytest.mark.parametrize(
    ("code", "step"), [(1031, "SELECT and INSERT"), (1653, "extend the tablespace"), (1950, "quota")]
)
def test_a_row_that_cannot_be_inserted_is_a_finding(
    code: int, step: str, make_sink: MakeSink, database: Standin
) -> None:
    database.fault("execute", "ora", code=code, match="insert")
    (finding,) = bad(findings(make_sink()))
    assert finding.severity is Severity.CRITICAL
    assert step in (finding.next_step or "")


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("tag_name VARCHAR2(50) NOT NULL CHECK (tag_name LIKE 'PLC%')", "ORA-02290"),
        ("tag_name VARCHAR2(3) NOT NULL", "no trial row: ORA-12899"),
    ],
)
def test_a_trial_row_that_is_refused_for_its_content_says_what_is_in_it(
    column: str, message: str, make_sink: MakeSink, recreate: Callable[[str], None]
) -> None:
    recreate(
        f"CREATE TABLE tagferry_test ({column}, tag_value VARCHAR2(50), timestamp TIMESTAMP, quality VARCHAR2(20), "
        "CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp))"
    )
    (finding,) = bad(findings(make_sink()))
    assert message in finding.message
    assert "tag, source, device and group are doctor" in (finding.next_step or "")


def test_a_sequence_gives_no_number_to_a_diagnosis(make_sink: MakeSink, database: Standin) -> None:
    database.sql("CREATE SEQUENCE tagferry_test_seq")
    columns = {
        "TAG_NAME": "name",
        "TAG_VALUE": {"expression": "tagferry_test_seq.NEXTVAL"},
        "TIMESTAMP": "timestamp",
        "QUALITY": "value",
    }
    found = findings(make_sink(columns=columns))
    assert bad(found) == []
    assert "parsed" in found[-1].message
    assert database.sql("SELECT tagferry_test_seq.NEXTVAL FROM dual") == [[1]]


def test_the_watermark_is_tried_for_a_table_without_a_key(
    make_sink: MakeSink, recreate: Callable[[str], None], database: Standin
) -> None:
    recreate(
        "CREATE TABLE tagferry_test (tag_name VARCHAR2(50), tag_value VARCHAR2(50), timestamp TIMESTAMP, "
        "quality VARCHAR2(20))"
    )
    found = findings(make_sink(watermark="TAGFERRY_WATERMARK"))[-1]
    assert (found.severity, found.subject) == (Severity.CRITICAL, "watermark TAGFERRY_WATERMARK")
    assert "ddl/watermark.sql" in (found.next_step or "")
    database.sql("CREATE TABLE tagferry_watermark (writer VARCHAR2(9), token VARCHAR2(9), written_at TIMESTAMP)")
    found = findings(make_sink(watermark="TAGFERRY_WATERMARK"))[-1]
    assert (found.severity, found.message) == (Severity.OK, "the statements were parsed")
    assert database.sql("SELECT COUNT(*) FROM tagferry_watermark") == [[0]]
    database.sql("DROP TABLE tagferry_watermark")


def test_a_column_that_only_a_trigger_can_fill_is_a_warning(
    make_sink: MakeSink, recreate: Callable[[str], None]
) -> None:
    recreate(
        "CREATE TABLE tagferry_test (tag_name VARCHAR2(50), tag_value VARCHAR2(50), timestamp TIMESTAMP, "
        "quality VARCHAR2(20), id NUMBER NOT NULL)"
    )
    found = bad(findings(make_sink()))
    assert [finding.severity for finding in found] == [Severity.WARNING, Severity.WARNING, Severity.CRITICAL]
    assert "no primary or unique key" in found[0].message
    assert "ID is NOT NULL" in found[1].message
    assert "ORA-01400" in found[2].message
