"""The dictionary is read in time, through synonyms, and again when it may have changed. On the stand-in, not Oracle."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress

import oracledb
import pytest
from oracle_sink.session.driver import limit_calls
from oracle_sink.sink import OracleSink
from oracle_sink.table import dictionary
from oracle_sink.table.dictionary import read_facts
from oracle_sink.table.facts import Key, TableFacts
from oracle_sink.table.identifiers import TableName, parse_table
from oracle_standin.process import Standin
from pytest_mock import MockerFixture

from agent_core.api import Batch, ConfigurationError, Origin, Secret, Severity, WriteOutcome
from agent_core.testing.clock import ManualClock

from ..conftest import PATIENT

MakeSink = Callable[..., OracleSink]
COLUMNS = "tag_name VARCHAR2(50) NOT NULL, tag_value VARCHAR2(50), timestamp TIMESTAMP NOT NULL, quality VARCHAR2(20)"
ORIGIN = Origin("s", "d", "g")


@pytest.fixture
def connection(database: Standin) -> Iterator[oracledb.Connection]:
    with oracledb.connect(user=database.user, password=database.password, dsn=database.dsn) as connection:
        connection.call_timeout = 12_345
        yield connection


def batch(*values: str) -> Batch:
    names = [f"T{number}" for number in range(len(values))]
    return Batch.of(ORIGIN, names, values, 1_767_225_600_000_000_000)


JOINS = [sql for name, sql in vars(dictionary).items() if isinstance(sql, str) and "JOIN" in sql and name[0] == "_"]


@pytest.mark.parametrize("sql", JOINS)
def test_a_join_of_the_dictionary_names_table_and_owner_on_both_sides(sql: str) -> None:
    bound = set(re.findall(r"(\w+)\.(?:table_)?(owner|name) = :\d", sql))
    assert len(bound) == 4
    assert {alias for alias, part in bound if part == "owner"} == {alias for alias, part in bound if part == "name"}


def test_a_connection_that_is_lost_while_it_is_read_ends_nothing_but_the_reading(
    connection: oracledb.Connection, database: Standin
) -> None:
    database.fault("query", "drop", match="all_cons_columns")
    with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
        read_facts(connection, parse_table("TAGFERRY_TEST"))
    limit_calls(connection, 1)  # without the check of its health, this would end the process


def test_reading_puts_the_call_timeout_back_whatever_happens(
    connection: oracledb.Connection, database: Standin
) -> None:
    table = parse_table("TAGFERRY_TEST")
    assert read_facts(connection, table).keys == (
        Key(f"{database.user.upper()}.PK_TAGFERRY_TEST", ("TAG_NAME", "TIMESTAMP"), True),
    )
    assert connection.call_timeout == 12_345
    database.fault("query", "hang", match="all_cons_columns")
    with pytest.raises(oracledb.DatabaseError, match="DPY-4024"):
        read_facts(connection, table, limit_seconds=0.2)
    assert connection.call_timeout == 12_345
    with suppress(oracledb.DatabaseError):
        connection.ping()  # a break that has crossed the answer hits the next call
    database.fault("query", "drop", match="all_cons_columns")
    with pytest.raises(oracledb.DatabaseError, match="DPY-4011"):
        read_facts(connection, table)


@pytest.fixture
def hang(database: Standin, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """``hang()``: from now on the dictionary does not answer, and is not waited for long; until faults are cleared."""

    def read(connection: oracledb.Connection, table: TableName, limit_seconds: float) -> TableFacts:
        return read_facts(connection, table, 0.2 if database.faults() else PATIENT["call"])

    def begin() -> None:
        database.fault("query", "hang", match="all_tab_cols", times=0)

    monkeypatch.setattr("oracle_sink.table.known_table.read_facts", read)
    return begin


def test_a_slow_dictionary_does_not_keep_a_known_table_from_working(
    make_sink: MakeSink, database: Standin, hang: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    clock = ManualClock()
    sink = make_sink(clock=clock)
    sink.open()
    database.sql("DROP TABLE tagferry_test")
    database.sql(
        f"CREATE TABLE tagferry_test ({COLUMNS}, CONSTRAINT pk_tagferry_test PRIMARY KEY (tag_name, timestamp))"
    )
    hang()
    clock.advance(61)
    too_long = batch("1.0", "x" * 256)
    assert sink.write(too_long).inserted == 1  # a record does not fit: the dictionary is asked, and does not answer
    assert "table not read again" in caplog.text
    caplog.clear()
    assert sink.write(too_long).duplicates == 1
    database.kill_sessions()
    with pytest.raises(Exception, match="DPY-4011"):
        sink.write(batch("1.0"))
    assert sink.write(batch("1.0")).duplicates == 1  # a new session, and soon after: it is not asked
    assert caplog.text == ""
    database.clear_faults()
    clock.advance(61)
    assert sink.write(too_long).rejected[0].message.endswith("maximum: 50)")


def test_the_first_reading_must_succeed(make_sink: MakeSink, database: Standin, hang: Callable[[], None]) -> None:
    sink = make_sink()
    hang()
    with pytest.raises(Exception, match="DPY-4024"):
        sink.open()
    database.clear_faults()
    sink.open()
    assert sink.write(batch("1.0")) == WriteOutcome(inserted=1)


def test_a_novalidate_key_over_old_doubles_and_a_reverse_index_are_keys(
    make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    database.sql("DROP TABLE tagferry_test")
    database.sql(f"CREATE TABLE tagferry_test ({COLUMNS})")
    keyless = make_sink()
    keyless.open()
    for values in (("1.0", "2.0"), ("1.0", "3.0")):
        keyless.write(batch(*values))
    unique = "UNIQUE (tag_name, timestamp) DEFERRABLE ENABLE NOVALIDATE"
    database.sql(f"ALTER TABLE tagferry_test ADD CONSTRAINT uq_tagferry {unique}")
    caplog.clear()
    sink = make_sink()
    sink.open()
    assert "uq_tagferry is NOVALIDATE".upper() in caplog.text.upper()
    outcome = sink.write(batch("1.0", "3.0", "4.0"))
    assert (outcome.inserted, outcome.duplicates, outcome.rejected) == (1, 2, ())
    assert [rejection.code for rejection in sink.write(batch("1.0", "9.0")).rejected] == ["CONFLICT"]
    database.sql("DROP TABLE tagferry_test")
    database.sql(f"CREATE TABLE tagferry_test ({COLUMNS})")
    database.sql("CREATE UNIQUE INDEX ux_tagferry ON tagferry_test (timestamp, tag_name) REVERSE")
    again = make_sink()
    again.open()
    assert [again.write(batch("1.0")) for _ in range(2)] == [WriteOutcome(1), WriteOutcome(0, 1)]


@pytest.fixture(scope="module")
def plant() -> Iterator[Standin]:
    """A database with synonyms, which the tests of a real one would have to drop."""
    chain = [f"CREATE SYNONYM tags{number} FOR tags{number + 1}" for number in range(1, 8)]
    ddl = [
        f"CREATE TABLE tags ({COLUMNS}, PRIMARY KEY (tag_name, timestamp))",
        *chain, "CREATE SYNONYM tags8 FOR tags", "CREATE SYNONYM tags0 FOR tags1",
        "CREATE SYNONYM ring1 FOR ring2", "CREATE SYNONYM ring2 FOR ring1", "CREATE SYNONYM nowhere FOR gone",
        "CREATE PUBLIC SYNONYM shared FOR tags", "CREATE SYNONYM mine FOR shared",
        f"CREATE GLOBAL TEMPORARY TABLE fleeting ({COLUMNS}) ON COMMIT DELETE ROWS",
    ]  # fmt: skip
    with Standin(ddl=ddl) as server:
        yield server


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("tags1", "SCOTT.TAGS"),
        ("shared", "SCOTT.TAGS"),
        ("mine", "SCOTT.TAGS"),
        ("scott.mine", "SCOTT.TAGS"),
        ("tags0", "more than 8 synonyms"),
        ("fleeting", "is a temporary table"),
        ("ring1", "a loop of them"),
        ("nowhere", "which leads to SCOTT.GONE"),
        ("scott.shared", "not found as SCOTT.SHARED;"),
    ],
)
def test_synonyms_lead_to_the_table(name: str, found: str, plant: Standin) -> None:
    with oracledb.connect(user=plant.user, password=plant.password, dsn=plant.dsn) as connection:
        if found == "SCOTT.TAGS":
            assert str(read_facts(connection, parse_table(name)).table) == found
        else:
            with pytest.raises(ConfigurationError, match=found):
                read_facts(connection, parse_table(name))


def test_a_sink_writes_through_synonyms_of_synonyms(make_sink: MakeSink, plant: Standin) -> None:
    sink = make_sink(table="tags2", dsn=plant.dsn, user=plant.user, password=Secret(lambda: plant.password))
    sink.open()
    assert [sink.write(batch("1.0")) for _ in range(2)] == [WriteOutcome(1), WriteOutcome(0, 1)]
    sink.close()


def test_a_release_without_identity_columns_is_read(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink()
    database.fault("query", "ora", code=942, match="all_tab_identity_cols")
    sink.open()
    assert sink.write(batch("1.0")) == WriteOutcome(inserted=1)


@pytest.mark.parametrize(
    ("quality", "problem"),
    [
        ("quality VARCHAR2(20) GENERATED ALWAYS AS (SUBSTR(tag_name, 1, 4)) VIRTUAL", "a virtual column"),
        ("quality NUMBER GENERATED ALWAYS AS IDENTITY", "GENERATED ALWAYS AS IDENTITY"),
        ("quality NUMBER GENERATED BY DEFAULT AS IDENTITY", None),
        ("quality NUMBER GENERATED BY DEFAULT ON NULL AS IDENTITY", None),
    ],
)
def test_a_column_that_only_the_database_fills_is_a_fault_of_the_configuration(
    quality: str, problem: str | None, make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    database.sql("DROP TABLE tagferry_test")
    columns = COLUMNS.replace("quality VARCHAR2(20)", quality)
    database.sql(f"CREATE TABLE tagferry_test ({columns}, PRIMARY KEY (tag_name, timestamp))")
    mapping = {"TAG_NAME": "name", "TAG_VALUE": "value", "TIMESTAMP": "timestamp"}
    both = mapping | {"QUALITY": "quality_code" if "NUMBER" in quality else "quality"}
    if problem is None:
        sink = make_sink(columns=both)
        sink.open()
        assert sink.write(batch("1.0")) == WriteOutcome(inserted=1)
    else:
        with pytest.raises(ConfigurationError, match=f"TAGFERRY_TEST.QUALITY is {problem}, .*remove it from columns:"):
            make_sink(columns=both).open()
        (found,) = [f for f in make_sink(columns=both).diagnose() if f.severity is Severity.CRITICAL]
        assert "QUALITY" in found.message
    caplog.clear()
    sink = make_sink(columns=mapping)
    sink.open()
    assert caplog.text == ""
    assert sink.write(batch("1.0", "2.0")).rejected == ()


def test_a_synonym_for_a_table_of_another_database_is_refused_by_name(mocker: MockerFixture) -> None:
    words = mocker.Mock()
    words.rows.return_value = []
    words.rows_if_there.return_value = [("SCOTT", "TAGS", "REMOTE")]
    with pytest.raises(ConfigurationError, match=r"U\.T is a synonym for a table of another database \(REMOTE\)"):
        dictionary._resolved(words, TableName("U", "T"))
