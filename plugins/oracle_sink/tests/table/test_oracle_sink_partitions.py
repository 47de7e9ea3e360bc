"""Partitions are read ahead, and nobody is surprised by their end. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from oracle_sink.sink import OracleSink
from oracle_sink.table.partitions import PartitionWatch
from oracle_standin.process import Standin
from pytest_mock import MockerFixture

from agent_core.api import Batch, ComponentContext, Finding, Origin, RetryableError, Severity, WriteOutcome
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

MakeSink = Callable[..., OracleSink]
Recreate = Callable[[str], None]
COLUMNS = "tag_name VARCHAR2(50) NOT NULL, tag_value VARCHAR2(50), ts {type} NOT NULL, PRIMARY KEY (tag_name, ts)"
DAY = 86_400
STAMP, DATE, NS = "timestamp", {"field": "timestamp", "time_zone": "Asia/Seoul"}, "timestamp_ns"


def mapping(time_field: object) -> dict[str, object]:
    return {"TAG_NAME": "name", "TAG_VALUE": "value", "TS": time_field}


def about_partitions(sink: OracleSink) -> list[Finding]:
    return [finding for finding in sink.diagnose() if finding.subject.endswith("partitions")]


def by_range(*bounds: str, more: str = "") -> str:
    parts = ", ".join(f"PARTITION p{number} VALUES LESS THAN ({bound})" for number, bound in enumerate(bounds))
    return f"PARTITION BY RANGE (ts) {more} ({parts})"


@pytest.mark.parametrize(
    ("kind", "field", "partitions", "severity", "message"),
    [  # the clock says 2026-01-01T00:00:00Z
        ("TIMESTAMP(6)", STAMP, by_range("TIMESTAMP '2025-01-01 00:00:00'", "TIMESTAMP '2026-01-08 00:00:01'"),
         Severity.OK, "P1, ends at 2026-01-08T00:00:01Z, in 7 days"),
        ("TIMESTAMP(6)", STAMP, by_range("TIMESTAMP '2026-01-08 00:00:00'"),
         Severity.WARNING, "P0, ends at 2026-01-08T00:00:00Z, in 7 days; after that no record can be stored"),
        ("TIMESTAMP(6)", STAMP, by_range("TIMESTAMP '2026-01-01 12:00:00'"),
         Severity.WARNING, "in less than a day; after that"),
        ("TIMESTAMP(6)", STAMP, by_range("TIMESTAMP '2026-01-01 00:00:00'"),
         Severity.CRITICAL, "there is none for records of now (ORA-14400)"),
        ("DATE", DATE, by_range("TO_DATE('2026-01-03', 'YYYY-MM-DD')"),
         Severity.WARNING, "P0, ends at 2026-01-02T15:00:00Z, in 1 day; after that"),
        ("NUMBER(19)", NS, by_range(str(START_NS + 3 * DAY * 10**9)),
         Severity.WARNING, "P0, ends at 2026-01-04T00:00:00Z, in 3 days; after that"),
        ("TIMESTAMP(6)", STAMP, by_range("TIMESTAMP '2026-01-02 00:00:00'", "MAXVALUE"),
         Severity.OK, "there is a partition for any time"),
        ("TIMESTAMP(6)", STAMP,
         by_range("TIMESTAMP '2026-01-02 00:00:00'", more="INTERVAL (NUMTODSINTERVAL(1, 'DAY'))"),
         Severity.OK, "there is a partition for any time"),
        ("TIMESTAMP(6)", STAMP, "PARTITION BY LIST (tag_name) (PARTITION p0 VALUES ('doctor'))", None, None),
        ("TIMESTAMP(6)", STAMP, "", None, None),
    ],
)  # fmt: skip
def test_the_doctor_says_how_far_the_partitions_reach(
    kind: str,
    field: object,
    partitions: str,
    severity: Severity | None,
    message: str | None,
    make_sink: MakeSink,
    recreate: Recreate,
) -> None:
    recreate(f"CREATE TABLE tagferry_test ({COLUMNS.format(type=kind)}) {partitions}")
    sink = make_sink(clock=ManualClock(), columns=mapping(field))
    found = about_partitions(sink)
    assert [finding.severity for finding in found] == ([] if severity is None else [severity])
    assert message is None or message in found[0].message
    sink.open()
    assert [f.severity for f in sink.advice()] == ([severity] if severity not in (None, Severity.OK) else [])


def test_advice_a_week_ahead_ends_within_an_hour_of_the_new_partition_and_no_batch_waits_for_it(
    make_sink: MakeSink, recreate: Recreate, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    partitions = by_range("TIMESTAMP '2026-01-11 00:00:00'")
    recreate(f"CREATE TABLE tagferry_test ({COLUMNS.format(type='TIMESTAMP')}) {partitions}")
    clock = ManualClock()
    sink = make_sink(clock=clock, columns=mapping(STAMP))
    sink.open()
    assert sink.advice() == ()
    clock.advance(4 * DAY)
    (advice,) = sink.advice()
    assert (advice.severity, "in 6 days" in advice.message) == (Severity.WARNING, True)
    database.sql("ALTER TABLE tagferry_test ADD PARTITION p1 VALUES LESS THAN (TIMESTAMP '2027-01-01 00:00:00')")
    database.reset_counters()
    assert sink.write(Batch.of(Origin("s", "d", "g"), ("a",), (1.0,), START_NS)) == WriteOutcome(inserted=1)
    clock.advance(3600)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sink.advice() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert sink.advice() == ()
    assert caplog.text == ""


def test_a_dictionary_that_does_not_show_partitions_stops_nothing(
    make_sink: MakeSink, database: Standin, caplog: pytest.LogCaptureFixture
) -> None:
    sink = make_sink()
    database.fault("query", "ora", code=942, match="all_part_tables")
    sink.open()
    database.fault("query", "ora", code=4031, match="all_part_tables")
    sink.close()
    sink.open()
    assert "partitions not read" in caplog.text
    database.fault("query", "ora", code=942, match="all_part_tables")
    assert about_partitions(sink) == []


@pytest.mark.parametrize(
    ("unreadable", "message"),
    [(None, "0 % of tablespace USERS is used"), ("usage_metrics", "100 MiB are free"), (".*_space|_metrics", None)],
)
def test_the_doctor_says_what_it_may_see_of_the_tablespace(
    unreadable: str | None, message: str | None, make_sink: MakeSink, database: Standin
) -> None:
    database.clear_faults()  # a real tablespace is as full as it is
    if unreadable is not None:
        database.fault("query", "ora", code=942, match=unreadable, times=0)
    found = [finding for finding in make_sink().diagnose() if finding.subject.endswith("space")]
    assert [finding.message[: len(message or "")] for finding in found] == ([] if message is None else [message])


def test_the_doctor_shows_what_the_sink_would_run(make_sink: MakeSink, database: Standin) -> None:
    shown = [f.message for f in make_sink(on_conflict="update").diagnose() if f.subject.endswith("statement")]
    assert [part.split(": ", 1)[1].split()[0] for part in shown] == ["INSERT", "SELECT", "UPDATE"]
    assert all(f'"{database.user.upper()}"."TAGFERRY_TEST"' in part for part in shown)


def test_partitions_that_cannot_be_read_again_are_said(
    mocker: MockerFixture, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    context = ComponentContext("warehouse", "line-1", tmp_path, "oracle_sink", ManualClock())
    watch = PartitionWatch(context, mocker.Mock(side_effect=RetryableError("no session")))
    watch._refresh(mocker.Mock())
    assert "partitions not read: sink=warehouse error=no session" in caplog.text.replace('"', "")
