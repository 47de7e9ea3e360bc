"""Partitioned tables: where a row goes, what has no place, and what the dictionary says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError

from .sessions import error_code

DAY = dt.datetime(2026, 3, 5)
COLUMNS = "tag VARCHAR2(9) NOT NULL, at TIMESTAMP NOT NULL, CONSTRAINT daily_pk PRIMARY KEY (tag, at) USING INDEX"
RANGE = """PARTITION BY RANGE (at) (PARTITION early VALUES LESS THAN (TIMESTAMP '2026-03-05 00:00:00'),
           PARTITION late VALUES LESS THAN (TO_DATE('2026-03-06', 'YYYY-MM-DD')))"""
INTERVAL = """PARTITION BY RANGE (at) INTERVAL (NUMTODSINTERVAL(1, 'DAY'))
              (PARTITION p0 VALUES LESS THAN (TIMESTAMP '2026-03-05 00:00:00'))"""
ENDLESS = INTERVAL.replace("TIMESTAMP '2026-03-05 00:00:00'", "MAXVALUE")


@pytest.fixture
def daily(db: Standin) -> Iterator[Standin]:
    yield db
    db.sql("DROP TABLE IF EXISTS daily")


def insert(connection: oracledb.Connection, *stamps: dt.datetime) -> list[tuple[int, str]]:
    """Offset and code of each row refused."""
    with connection.cursor() as cursor:
        cursor.setinputsizes(9, oracledb.DB_TYPE_TIMESTAMP)
        cursor.executemany("INSERT INTO daily VALUES (:1, :2)", [("A", stamp) for stamp in stamps], batcherrors=True)
        connection.commit()
        return [(error.offset, error.full_code) for error in cursor.getbatcherrors()]


def days(*numbers: float) -> list[dt.datetime]:
    return [DAY + dt.timedelta(days=number) for number in numbers]


def partitions(connection: oracledb.Connection) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("""SELECT partition_name, high_value FROM all_tab_partitions
                          WHERE table_owner = USER AND table_name = 'DAILY' ORDER BY partition_position""")
        return list(cursor.fetchall())


def test_a_row_beyond_the_last_partition_waits_for_one(daily: Standin, connection: oracledb.Connection) -> None:
    daily.sql(f"CREATE TABLE daily ({COLUMNS}) {RANGE}")
    assert insert(connection, *days(-100, 0.5, 1, 40)) == [(2, "ORA-14400"), (3, "ORA-14400")]
    daily.sql("ALTER TABLE daily ADD PARTITION next VALUES LESS THAN (TIMESTAMP '2026-03-07 00:00:00.5')")
    assert insert(connection, *days(1)) == []
    assert partitions(connection) == [
        ("EARLY", "TIMESTAMP' 2026-03-05 00:00:00'"),
        ("LATE", "TIMESTAMP' 2026-03-06 00:00:00'"),
        ("NEXT", "TIMESTAMP' 2026-03-07 00:00:00.5'"),
    ]
    daily.sql("ALTER TABLE daily DROP PARTITION next UPDATE GLOBAL INDEXES")
    assert daily.sql("SELECT COUNT(*) FROM daily") == [[2]]
    assert insert(connection, *days(1)) == [(0, "ORA-14400")]
    daily.sql("ALTER TABLE daily ADD PARTITION rest VALUES LESS THAN (MAXVALUE)")
    assert insert(connection, *days(1, 400000)) == []
    assert partitions(connection)[-1] == ("REST", "MAXVALUE")


def test_an_update_moves_a_row_only_where_that_is_allowed(daily: Standin, connection: oracledb.Connection) -> None:
    daily.sql(f"CREATE TABLE daily ({COLUMNS}) {RANGE}")
    insert(connection, *days(0.5))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE daily SET at = at + 0.1")
        with pytest.raises(oracledb.DatabaseError) as caught:
            cursor.execute("UPDATE daily SET at = at - 1")
        assert error_code(caught) == "ORA-14402"
        connection.rollback()
        daily.sql("ALTER TABLE daily ENABLE ROW MOVEMENT")
        cursor.execute("UPDATE daily SET at = at - 1")


def test_an_interval_makes_partitions_and_keeps_them(daily: Standin, connection: oracledb.Connection) -> None:
    daily.sql(f"CREATE TABLE daily ({COLUMNS} LOCAL) {INTERVAL}")
    assert insert(connection, *days(-9, 0, 0.5, 3.5), dt.datetime(9999, 1, 1)) == [(4, "ORA-14300")]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO daily VALUES ('A', TIMESTAMP '2026-03-06 12:00:00')")
        connection.rollback()
        names = partitions(connection)
        assert [high for _, high in names] == [f"TIMESTAMP' 2026-03-0{day} 00:00:00'" for day in (5, 6, 7, 9)]
        assert names[0][0] == "P0"
        assert all(name.startswith("SYS_P") for name, _ in names[1:])
        cursor.execute("""SELECT partitioning_type, partition_count, interval FROM all_part_tables
                          WHERE owner = USER AND table_name = 'DAILY'""")
        assert cursor.fetchall() == [("RANGE", 1048575, "NUMTODSINTERVAL(1,'DAY')")]
        cursor.execute("""SELECT column_name, column_position FROM all_part_key_columns
                          WHERE owner = USER AND name = 'DAILY' AND object_type = 'TABLE'""")
        assert cursor.fetchall() == [("AT", 1)]
        cursor.execute("SELECT status, partitioned FROM user_indexes WHERE index_name = 'DAILY_PK'")
        assert cursor.fetchall() == [("N/A", "YES")]
    daily.sql(f"ALTER TABLE daily DROP PARTITION {names[1][0]}")
    assert insert(connection, *days(0)) == []
    assert daily.sql("SELECT COUNT(*) FROM daily") == [[3]]


def test_a_dropped_partition_leaves_a_global_index_unusable(daily: Standin, connection: oracledb.Connection) -> None:
    daily.sql(f"CREATE TABLE daily ({COLUMNS}) {RANGE}")
    insert(connection, *days(-1, 0.5))
    daily.sql("ALTER TABLE daily DROP PARTITION early")
    with pytest.raises(oracledb.DatabaseError, match="ORA-01502"):
        insert(connection, *days(0.6))
    daily.sql("ALTER INDEX daily_pk REBUILD")
    assert insert(connection, *days(0.6)) == []


def test_a_list_maps_values(db: Standin) -> None:
    db.sql("""CREATE TABLE sites (site VARCHAR2(9)) PARTITION BY LIST (site)
              (PARTITION a VALUES ('A1', 'A2'), PARTITION none VALUES (NULL))""")
    for value in ("'A2'", "NULL"):
        db.sql(f"INSERT INTO sites VALUES ({value})")
    with pytest.raises(StandinError, match="ORA-14400"):
        db.sql("INSERT INTO sites VALUES ('B')")
    db.sql("ALTER TABLE sites ADD PARTITION b VALUES (DEFAULT)")
    db.sql("INSERT INTO sites VALUES ('B')")
    assert db.sql("SELECT high_value FROM user_tab_partitions WHERE table_name = 'SITES'") == [
        ["'A1', 'A2'"], ["NULL"], ["DEFAULT"],
    ]  # fmt: skip
    db.sql("DROP TABLE sites")


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        (f"CREATE TABLE t (at TIMESTAMP) {RANGE.replace('03-06', '03-01')}", 14037),
        (f"CREATE TABLE t (at TIMESTAMP, b NUMBER, PRIMARY KEY (b) USING INDEX LOCAL) {RANGE}", 14039),
        (f"CREATE TABLE t (at TIMESTAMP WITH TIME ZONE) {RANGE}", 14135),
        (f"CREATE TABLE t (at VARCHAR2(9)) {INTERVAL}", 14751),
        (f"CREATE TABLE t (at TIMESTAMP) {ENDLESS}", 14761),
        ("ALTER TABLE tag_data ADD PARTITION p VALUES LESS THAN (5)", 14501),
        ("ALTER TABLE daily ADD PARTITION p VALUES LESS THAN (TIMESTAMP '2020-01-01 00:00:00')", 14074),
        ("ALTER TABLE daily DROP PARTITION nowhere", 2149),
    ],
)  # fmt: skip
def test_partitions_that_cannot_be(daily: Standin, sql: str, code: int) -> None:
    daily.sql(f"CREATE TABLE daily ({COLUMNS}) {RANGE}")
    with pytest.raises(StandinError, match=f"ORA-{code:05}"):
        daily.sql(sql)
