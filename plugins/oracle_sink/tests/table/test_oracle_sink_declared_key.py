"""``key:`` where the dictionary has no key, as for a view. Shown on the stand-in, not Oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import oracledb
import pytest
from oracle_sink.sink import OracleSink
from oracle_sink.table.declared_key import _evidence, examine
from oracle_sink.table.dictionary import read_facts
from oracle_standin.process import Standin
from pytest_mock import MockerFixture

from agent_core.api import Batch, ConfigurationError, Origin, RetryableError, Secret, Severity, WriteOutcome

MakeSink = Callable[..., OracleSink]
Recreate = Callable[[str], None]
START = 1_767_225_600_000_000_000
WITHOUT_KEY = """CREATE TABLE tagferry_test (tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(255),
    timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20))"""
KEY = ("TAG_NAME", "timestamp")


def batch(*values: float, at: int = START) -> Batch:
    names = [f"T{number:03}" for number in range(len(values))]
    return Batch.of(Origin("s", "d", "g"), names, values, at)


def test_a_view_has_a_key_as_soon_as_the_configuration_names_it(
    make_sink: MakeSink, caplog: pytest.LogCaptureFixture
) -> None:
    columns = "tag_name, tag_value, timestamp, quality"
    ddl = [
        f"{WITHOUT_KEY.removesuffix(')')}, CONSTRAINT hidden_pk PRIMARY KEY (tag_name, timestamp))",
        f"CREATE VIEW tags AS SELECT {columns} FROM tagferry_test WHERE quality <> 'X'",
        "CREATE SYNONYM tag_data FOR tags",
    ]
    with Standin(ddl=ddl) as server:
        account = {"dsn": server.dsn, "user": server.user, "password": Secret(lambda: server.password)}
        keyless = make_sink(table="tag_data", **account)
        keyless.open()
        assert not keyless.idempotent
        assert "no primary or unique key" in caplog.text
        sink = make_sink(table="tag_data", key=KEY, **account)
        sink.open()
        assert [sink.write(batch(1.0, 2.0)) for _ in range(2)] == [WriteOutcome(2), WriteOutcome(0, 2)]
        server.sql("UPDATE tagferry_test SET quality = 'X' WHERE tag_name = 'T001'")  # the view hides it
        for _ in range(2):
            with pytest.raises(RetryableError, match="was in the table and no longer is"):
                sink.write(batch(1.0, 2.0, 3.0))
        outcome = sink.write(batch(1.0, 2.0, 3.0))
        assert (outcome.inserted, outcome.duplicates, [r.code for r in outcome.rejected]) == (1, 1, ["HIDDEN"])
        for each in (keyless, sink):
            each.close()


@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dictionary says nothing of the table's key, as for a view of it."""
    for module in ("table.known_table", "diagnosis"):
        monkeypatch.setattr(f"oracle_sink.{module}.read_facts", lambda *a: replace(read_facts(*a), keys=()))


def test_records_are_stored_once_where_only_the_configuration_names_the_key(
    make_sink: MakeSink, recreate: Recreate, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    recreate(WITHOUT_KEY)
    sink = make_sink(key=KEY)
    sink.open()
    assert sink.idempotent
    assert "only key: says that TAG_NAME, TIMESTAMP identify a row" in caplog.text
    assert "There is no row yet to check that" in caplog.text
    many = batch(*map(float, range(100)))
    assert sink.write(many) == WriteOutcome(inserted=100)
    assert sink.write(many) == WriteOutcome(inserted=0, duplicates=100)
    changed = sink.write(batch(0.0, 7.0, 2.0))
    assert (changed.duplicates, [(r.position, r.code) for r in changed.rejected]) == (2, [(1, "CONFLICT")])
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[100]]
    caplog.clear()
    make_sink(key=KEY).open()
    assert "That is true for 100 rows and 64 look-ups" in caplog.text


def test_rows_with_the_same_key_are_old_doubles_if_their_content_is_the_same_else_the_key_is_wrong(
    make_sink: MakeSink,
    recreate: Recreate,
    database: Standin,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recreate(WITHOUT_KEY)
    keyless = make_sink()
    keyless.open()
    for values in ((1.0, 2.0), (1.0, 2.0), (1.0, 2.0, 3.0)):
        keyless.write(batch(*values))
    caplog.clear()
    sink = make_sink(key=KEY)
    sink.open()
    assert "Some rows are there twice, with the same content (TAG_NAME=T000" in caplog.text
    assert sink.write(batch(1.0, 2.0, 3.0, 4.0)) == WriteOutcome(inserted=1, duplicates=3)
    keyless.write(batch(9.0))
    with pytest.raises(
        ConfigurationError, match=r"key: .*4 rows with TAG_NAME=T000, .*different content.*correct key:"
    ):
        make_sink(key=KEY).open()
    critical = [f for f in make_sink(key=KEY).diagnose() if f.severity is Severity.CRITICAL]
    assert ["different content" in finding.message for finding in critical] == [True]
    # What is known works on: one of the rows has the record's content, or all of them get it.
    assert sink.write(batch(1.0)) == WriteOutcome(inserted=0, duplicates=1)
    monkeypatch.setattr("oracle_sink.table.known_table.examine", lambda *_: "")
    update = make_sink(key=KEY, on_conflict="update")
    update.open()
    assert update.write(batch(5.0, 2.0)) == WriteOutcome(inserted=1, duplicates=1)
    assert database.sql("SELECT DISTINCT tag_value FROM tagferry_test WHERE tag_name = 'T000'") == [["5.0"]]


def test_a_check_that_takes_too_long_is_given_up_and_said(
    make_sink: MakeSink,
    recreate: Recreate,
    database: Standin,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recreate(WITHOUT_KEY)
    monkeypatch.setattr("oracle_sink.table.known_table.examine", partial(examine, limit_seconds=0.2))
    database.fault("query", "hang", match="ROWNUM")
    sink = make_sink(key=KEY)
    sink.open()
    assert "could not be checked: DPY-4024" in caplog.text
    assert sink.write(batch(1.0)) == WriteOutcome(inserted=1)


def test_a_key_of_the_dictionary_goes_before(
    make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    make_sink(key=KEY).open()
    assert caplog.text == ""
    make_sink(key=("TAG_NAME",)).open()
    owner = database.user.upper()
    assert f"key: has no effect, because the dictionary has the key {owner}.PK_TAGFERRY_TEST" in caplog.text


def test_the_doctor_sees_that_the_database_takes_a_second_row(
    make_sink: MakeSink, recreate: Recreate, database: Standin
) -> None:
    recreate(WITHOUT_KEY)
    (found,) = [f for f in make_sink(key=KEY).diagnose() if "key: TAG_NAME, TIMESTAMP" in f.subject]
    assert (found.severity, "takes a second row with the key" in found.message) == (Severity.WARNING, True)
    assert database.sql("SELECT COUNT(*) FROM tagferry_test") == [[0]]


@pytest.mark.usefixtures("without_keys")
def test_a_key_that_the_database_keeps_is_seen_by_the_doctor_and_keeps_records_apart(
    make_sink: MakeSink, database: Standin
) -> None:
    sink = make_sink(key=KEY)
    (found,) = [f for f in sink.diagnose() if "key: TAG_NAME, TIMESTAMP" in f.subject]
    assert (found.severity, "refuses a second row" in found.message) == (Severity.OK, True)
    sink.open()
    assert sink.write(batch(1.0)) == WriteOutcome(inserted=1)
    assert sink.write(batch(1.0, 2.0)) == WriteOutcome(inserted=1, duplicates=1)


def test_a_session_that_is_lost_while_the_key_is_tried_is_an_error(mocker: MockerFixture) -> None:
    mocker.patch("oracle_sink.table.declared_key._sample", side_effect=oracledb.OperationalError("DPY-4011: closed"))
    mocker.patch("oracle_sink.table.declared_key.works_again", return_value=False)
    with pytest.raises(oracledb.OperationalError):
        _evidence(mocker.MagicMock(), mocker.Mock(), 1.0)
