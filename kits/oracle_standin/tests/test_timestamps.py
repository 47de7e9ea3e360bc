"""Dates, timestamps and time zones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import oracledb
import pytest
from oracle_standin.process import Standin

MOMENT = dt.datetime(2026, 1, 1, 12, 0, 0, 123456)


@pytest.fixture
def cursor(db: Standin, connection: oracledb.Connection) -> Iterator[oracledb.Cursor]:
    db.sql("""CREATE TABLE moments (
        day DATE, milli TIMESTAMP(3), micro TIMESTAMP, zoned TIMESTAMP WITH TIME ZONE,
        local TIMESTAMP(6) WITH LOCAL TIME ZONE)""")
    yield connection.cursor()
    connection.rollback()
    db.sql("DROP TABLE moments")


def test_each_column_keeps_its_own_precision(cursor: oracledb.Cursor) -> None:
    cursor.setinputsizes(*[oracledb.DB_TYPE_TIMESTAMP] * 3)
    cursor.execute("INSERT INTO moments (day, milli, micro) VALUES (:1, :2, :3)", [MOMENT] * 3)
    expected = (MOMENT.replace(microsecond=0), MOMENT.replace(microsecond=123000), MOMENT)
    assert cursor.execute("SELECT day, milli, micro FROM moments").fetchone() == expected


def test_local_time_follows_the_session(cursor: oracledb.Cursor) -> None:
    cursor.execute("ALTER SESSION SET TIME_ZONE = '+09:00'")
    cursor.setinputsizes(oracledb.DB_TYPE_TIMESTAMP, oracledb.DB_TYPE_TIMESTAMP)
    cursor.execute("INSERT INTO moments (zoned, local) VALUES (:1, :2)", [MOMENT, MOMENT])
    cursor.execute("SELECT local, TO_CHAR(zoned, 'TZH:TZM'), SESSIONTIMEZONE, DBTIMEZONE FROM moments")
    assert cursor.fetchone() == (MOMENT, "+09:00", "+09:00", "+00:00")
    cursor.execute("ALTER SESSION SET TIME_ZONE = '+00:00'")
    nine_hours_earlier = MOMENT - dt.timedelta(hours=9)
    assert cursor.execute("SELECT local FROM moments").fetchone() == (nine_hours_earlier,)
    assert cursor.execute("SELECT SYS_EXTRACT_UTC(zoned) FROM moments").fetchone() == (nine_hours_earlier,)
    assert cursor.execute("SELECT COUNT(*) FROM moments WHERE zoned = local").fetchone() == (1,)


def test_the_session_formats_read_and_write_text(cursor: oracledb.Cursor) -> None:
    cursor.execute("INSERT INTO moments (day, micro) VALUES ('05-MAR-26', '05-MAR-26 01.02.03.5 PM')")
    cursor.execute(
        """ALTER SESSION SET NLS_DATE_FORMAT = 'YYYY-MM-DD HH24:MI:SS'
           NLS_TIMESTAMP_FORMAT = 'YYYY-MM-DD HH12:MI:SS.FF2 AM'"""
    )
    assert cursor.execute("SELECT TO_CHAR(day), micro || '' FROM moments").fetchone() == (
        "2026-03-05 00:00:00",
        "2026-03-05 01:02:03.50 PM",
    )
    for text, code in [("2026-13-01 00:00:00", 1843), ("2026-02-30 00:00:00", 1839), ("2026-01-01 00:00:00 x", 1830)]:
        with pytest.raises(oracledb.DatabaseError, match=f"ORA-{code:05}"):
            cursor.execute("INSERT INTO moments (day) VALUES (:1)", [text])


def test_the_clock(cursor: oracledb.Cursor) -> None:
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    cursor.execute("ALTER SESSION SET TIME_ZONE = '-05:00'")
    cursor.execute(
        "INSERT INTO moments (micro, day, zoned) VALUES (SYS_EXTRACT_UTC(SYSTIMESTAMP), SYSDATE, CURRENT_TIMESTAMP)"
    )
    cursor.execute("SELECT micro, day, SYS_EXTRACT_UTC(zoned), LOCALTIMESTAMP, CURRENT_DATE FROM moments")
    micro, day, zoned, local, _ = cursor.fetchone()
    for value in (micro, day, zoned, local + dt.timedelta(hours=5)):
        assert abs(value - now) < dt.timedelta(minutes=10)


def test_an_unknown_zone_is_refused(cursor: oracledb.Cursor) -> None:
    with pytest.raises(oracledb.DatabaseError, match="ORA-01882"):
        cursor.execute("ALTER SESSION SET TIME_ZONE = 'Mars/Olympus'")


def test_the_session_may_be_in_a_region(cursor: oracledb.Cursor) -> None:
    cursor.execute("ALTER SESSION SET TIME_ZONE = 'Europe/Berlin'")
    for month in (1, 7):
        cursor.setinputsizes(oracledb.DB_TYPE_TIMESTAMP)
        cursor.execute("INSERT INTO moments (local) VALUES (:1)", [MOMENT.replace(month=month)])
    cursor.execute("SELECT SESSIONTIMEZONE, TO_CHAR(local AT TIME ZONE '+00:00', 'HH24') FROM moments ORDER BY local")
    assert cursor.fetchall() == [("Europe/Berlin", "11"), ("Europe/Berlin", "10")]
    with pytest.raises(oracledb.DatabaseError, match="ORA-01882"):
        cursor.execute("ALTER SESSION SET TIME_ZONE = 'Europe/Atlantis'")
