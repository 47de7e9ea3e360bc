"""Partitions: how far ahead the partitions of the table reach, in doctor and, while the agent runs, as advice."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import oracledb

from agent_core.api import ComponentContext, Finding, Severity
from oracle_sink.session.connections import Session
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import one_line
from oracle_sink.table.dictionary import Dictionary, reading, works_again
from oracle_sink.table.identifiers import TableName
from oracle_sink.table.layout import Layout
from oracle_sink.table.times import Times

_WARN: Final = timedelta(days=7)
_REFRESH_SECONDS: Final = 3600.0
_READ_SECONDS: Final = 10.0
_NS_PER_US: Final = 1000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_TABLE: Final = """
    SELECT p.partitioning_type, p.partition_count, p.interval FROM all_part_tables p
    WHERE p.owner = :1 AND p.table_name = :2"""
_KEY: Final = """
    SELECT column_name FROM all_part_key_columns
    WHERE owner = :1 AND name = :2 AND object_type = 'TABLE' ORDER BY column_position"""
# HIGH_VALUE is a LONG, so only one row is read.
_LAST: Final = """
    SELECT partition_name, high_value FROM all_tab_partitions
    WHERE table_owner = :1 AND table_name = :2 AND partition_position = :3"""

_STAMP: Final = re.compile(r"' *(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Horizon:
    """The last partition of a table that is partitioned by the records' time.

    ``ends`` is None if there is always a partition: the database adds them (INTERVAL), or the last one has no end.
    """

    table: TableName
    partition: str
    ends: datetime | None

    def finding(self, now: datetime) -> Finding:
        """OK, or what is going to happen, from a week ahead."""
        subject = f"table {self.table} partitions"
        if self.ends is None:
            return Finding(Severity.OK, subject, "there is a partition for any time")
        left = self.ends - now
        last = f"the last one, {self.partition}, ends at {self.ends:%Y-%m-%dT%H:%M:%SZ}"
        if left > _WARN:
            return Finding(Severity.OK, subject, f"{last}, in {left.days} days")
        step = f"ask the DBA to add partitions, or for ALTER TABLE {self.table.sql} SET INTERVAL (...)"
        if left <= timedelta(0):
            return Finding(Severity.CRITICAL, subject, f"{last}: there is none for records of now (ORA-14400)", step)
        days = "less than a day" if left.days == 0 else "1 day" if left.days == 1 else f"{left.days} days"
        return Finding(
            Severity.WARNING, subject, f"{last}, in {days}; after that no record can be stored (ORA-14400)", step
        )


def read_horizon(dictionary: Dictionary, layout: Layout) -> Horizon | None:
    """None if the table is not partitioned by a time of the records. Raises what the driver raises."""
    table = layout.table
    owner, name = str(table.owner), table.name
    found = dictionary.rows_if_there(_TABLE, owner, name)
    if not found or found[0][0] != "RANGE":
        return None
    _, count, interval = found[0]
    by = [column for (column,) in dictionary.rows_if_there(_KEY, owner, name) or ()]
    now = {column for column, sql in layout.expressions if sql in ("SYSTIMESTAMP", "SYSDATE")}
    if not by or by[0] not in layout.time_columns | now:
        return None
    if interval is not None:
        return Horizon(table, "INTERVAL", None)
    last = dictionary.rows_if_there(_LAST, owner, name, int(count))
    if not last:
        return None
    partition, high_value = last[0]
    if str(high_value).strip().upper().startswith("MAXVALUE"):
        return Horizon(table, partition, None)
    ends = _instant(str(high_value), layout, by[0])
    return None if ends is None else Horizon(table, partition, ends)


def _instant(high_value: str, layout: Layout, column: str) -> datetime | None:
    """The UTC time in ``TIMESTAMP' 2026-12-01 00:00:00'``, ``TO_DATE(' 2026-12-01 00:00:00', ...)`` or nanoseconds."""
    stamp = _STAMP.search(high_value)
    if stamp is not None:
        local = datetime.fromisoformat(stamp[1])
        encoder = next((e for e in layout.encoders if e.column.name == column), None)
        zone = encoder.zone if isinstance(encoder, Times) else None
        return local.replace(tzinfo=zone or UTC).astimezone(UTC)
    number = _NUMBER.match(high_value.strip())
    if number is None:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(number[0]) // _NS_PER_US)
    except OverflowError:
        return None


class PartitionWatch:
    """Warns a week ahead while the agent runs. Thread-safe.

    The horizon is read when a first session is opened. While there is something to warn of, it is read again, at most
    once an hour, in a thread and a session of its own: no batch waits for it while the pool has a session to spare.
    """

    def __init__(self, context: ComponentContext, session: Callable[[], AbstractContextManager[Session]]) -> None:
        self._sink_id = context.component_id
        self._clock = context.clock
        self._log = context.log
        self._session = session
        self._lock = threading.Lock()
        self._layout: Layout | None = None
        self._horizon: Horizon | None = None
        self._read_at = 0.0

    def learn(self, connection: oracledb.Connection, layout: Layout) -> None:
        """Read the horizon; a dictionary that does not say it is logged. Raises the error of a lost connection."""
        self._read_at = self._clock.monotonic()
        self._layout = layout
        try:
            with reading(connection, _READ_SECONDS) as dictionary:
                self._horizon = read_horizon(dictionary, layout)
        except DRIVER_ERRORS as error:
            if not works_again(connection, error):
                raise
            self._log_failure(error)

    def finding(self) -> Finding | None:
        """What somebody should do about partitions; None if nothing. Never waits."""
        horizon, layout = self._horizon, self._layout
        if horizon is None or layout is None:
            return None
        finding = horizon.finding(_EPOCH + timedelta(microseconds=self._clock.time_ns() // _NS_PER_US))
        if finding.severity is Severity.OK:
            return None
        with self._lock:
            due = self._clock.monotonic() - self._read_at >= _REFRESH_SECONDS
            if due:
                self._read_at = self._clock.monotonic()
        if due:
            name = "oracle_sink-partitions"
            threading.Thread(target=self._refresh, args=(layout,), name=name, daemon=True).start()
        return finding

    def _refresh(self, layout: Layout) -> None:
        try:
            with self._session() as session:
                try:
                    self.learn(session.connection, layout)
                except DRIVER_ERRORS:
                    session.lost = True
                    raise
        except Exception as error:  # the next hour tries again
            self._log_failure(error)

    def _log_failure(self, error: BaseException) -> None:
        self._log.warning(
            "partitions not read",
            sink=self._sink_id,
            error=one_line(str(error)),
            next_step="nothing, they are read again in an hour; tagferry doctor reads them now",
            every=self._sink_id,
        )
