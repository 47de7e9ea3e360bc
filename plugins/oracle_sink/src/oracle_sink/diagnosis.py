"""Diagnosis: what ``tagferry doctor`` says about the database. It leaves nothing behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import oracledb

from agent_core.api import (
    Batch,
    ComponentContext,
    ConfigurationError,
    Finding,
    Origin,
    Severity,
    SinkError,
)
from oracle_sink.config import OnConflict, OracleSinkConfig
from oracle_sink.session.codes import DUPLICATE, EXPIRES_SOON, NO_TABLE, Action
from oracle_sink.session.driver import DRIVER_ERRORS, limit_calls
from oracle_sink.session.dsn.address import addresses_of, explore
from oracle_sink.session.dsn.login_limit import attempts_of, login_seconds
from oracle_sink.session.errors import (
    DOUBTFUL,
    action_of,
    code_of,
    next_step,
    one_line,
    text_of,
    translate,
)
from oracle_sink.session.latch import Latch
from oracle_sink.session.login import Logins, close_quietly, password_of
from oracle_sink.session.setup import REFUSED_STEP, prepare
from oracle_sink.table.ddl import Storage, render
from oracle_sink.table.declared_key import examine
from oracle_sink.table.dictionary import read_facts, reading
from oracle_sink.table.identifiers import TableName, parse_table
from oracle_sink.table.layout import LOOKUP_SIZES, Layout
from oracle_sink.table.mapping import read_mapping
from oracle_sink.table.partitions import read_horizon
from oracle_sink.table.plan import plan_layout, warnings_of
from oracle_sink.table.space import headroom
from oracle_sink.write.rows import Row, encode
from oracle_sink.write.watermark import failure_of, statements

_OLDEST: Final = (12, 1)
_CLOCK_SECONDS: Final = 5.0
_EXPIRY_DAYS: Final = 14
_QUOTA_USED: Final = 0.9
_NS: Final = 1_000_000_000
_PROBE: Final = "doctor"
"""Tag, source, device and group of the row that is inserted and rolled back."""

_DEFAULT_STEP: Final = "look up the code in the table of errors in the README of oracle_sink"
_TRIAL_STEP: Final = (
    f"the row's tag, source, device and group are {_PROBE}, its value is 0.0: if a constraint, a trigger or a "
    "short column refuses only that, real records may be accepted; else correct columns: or have the table fixed"
)

_CLOCK: Final = "SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP), DBTIMEZONE FROM dual"
_ACCOUNT: Final = "SELECT username, account_status, expiry_date, SYSDATE FROM user_users"
_QUOTA: Final = "SELECT tablespace_name, bytes, max_bytes FROM user_ts_quotas WHERE max_bytes > 0"


def diagnose(config: OracleSinkConfig, context: ComponentContext, latch: Latch) -> Iterator[Finding]:
    """From the network to a row that is inserted and rolled back; stops where the rest makes no sense.

    One log-in, under the account's latch, so that the account is not locked. Each step is limited by ``timeouts``.
    """
    subject = f"Oracle {config.dsn}"
    try:
        addresses = addresses_of(config)
    except SinkError as error:
        yield _failed(subject, error)
        return
    reached = explore(addresses, config)
    if all(finding.severity is Severity.CRITICAL for finding in reached):
        yield from reached
        return
    for finding in reached:  # the driver tries the next address
        missed = finding.severity is Severity.CRITICAL
        yield replace(finding, severity=Severity.WARNING) if missed else finding
    yield from _time_for(len(reached), config)
    start = time.monotonic()
    try:
        password = password_of(config)
        with latch.turn(password, context.clock, config.login_interval_seconds, login_seconds(config)):
            connection = Logins(config, context.clock).connect(password).connection
    except SinkError as error:
        yield _failed(f"{subject} log-in", error)
        return
    try:
        took = (time.monotonic() - start) * 1000
        mode = "Thin" if connection.thin else "Thick"
        yield Finding(Severity.OK, f"{subject} log-in", f"as {config.user} in {took:.0f} ms, {mode} mode")
        limit_calls(connection, max(1, round(config.timeouts.call_seconds * 1000)))
        yield from _Examination(config, context, connection).findings()
    finally:
        close_quietly(connection.close)


def _time_for(addresses: int, config: OracleSinkConfig) -> Iterator[Finding]:
    """Whether a log-in may take long enough to try the last of so many addresses."""
    attempts = attempts_of(config)._replace(addresses=addresses)
    limit, needed = login_seconds(config), attempts.needed_seconds
    if attempts.several and limit < needed:
        message = f"{limit:g} s end before the last of {addresses} addresses is tried"
        step = f"set timeouts: login: to at least {needed:g}s"
        yield Finding(Severity.WARNING, "log-in time", message, step)


class _Examination:
    """The checks that need a session."""

    def __init__(self, config: OracleSinkConfig, context: ComponentContext, connection: oracledb.Connection) -> None:
        self._config = config
        self._context = context
        self._connection = connection
        self._subject = f"Oracle {config.dsn}"
        self._table = parse_table(config.table)

    def findings(self) -> Iterator[Finding]:
        try:
            for refusal in prepare(self._connection, self._config.session):
                yield Finding(Severity.WARNING, self._subject, f"setting refused: {refusal}", REFUSED_STEP)
            yield self._release()
            yield self._clock()
            yield from self._account()
            yield from self._quota()
            yield from self._table_findings()
        except ConfigurationError as error:
            yield _failed(self._subject, error)
        except DRIVER_ERRORS as error:
            yield _failed(self._subject, translate(error, "ask the database"))

    def _release(self) -> Finding:
        version = self._connection.version
        numbers = tuple(int(part) for part in version.split(".")[:2])
        if numbers < _OLDEST:
            step = "set thick:; the client libraries may still support it"
            return Finding(Severity.WARNING, self._subject, f"release {version} is older than 12.1", step)
        return Finding(Severity.OK, self._subject, f"release {version}")

    def _clock(self) -> Finding:
        clock = self._context.clock
        with self._connection.cursor() as cursor:
            before = clock.time_ns()
            row = cursor.execute(_CLOCK).fetchone()
            middle = (before + clock.time_ns()) // 2
        stamp, zone = row or (None, "?")
        if not isinstance(stamp, datetime):
            return Finding(Severity.WARNING, f"{self._subject} clock", "the database did not return its time")
        here = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=middle // 1000)
        ahead = (stamp.replace(tzinfo=UTC) - here).total_seconds()
        message = f"{abs(ahead):.1f} s {'ahead of' if ahead >= 0 else 'behind'} this machine, database time zone {zone}"
        if abs(ahead) > _CLOCK_SECONDS:
            step = "synchronise both clocks (NTP): the timestamps of records come from this side"
            return Finding(Severity.WARNING, f"{self._subject} clock", message, step)
        return Finding(Severity.OK, f"{self._subject} clock", message)

    def _account(self) -> Iterator[Finding]:
        subject = f"{self._subject} account"
        try:
            with self._connection.cursor() as cursor:
                row = cursor.execute(_ACCOUNT).fetchone()
        except DRIVER_ERRORS as error:
            yield Finding(Severity.WARNING, subject, f"the expiry of the password cannot be read: {text_of(error)}")
            return
        if row is None:
            return
        name, status, expiry, now = row
        days = (expiry - now).days if isinstance(expiry, datetime) and isinstance(now, datetime) else None
        message = f"{name} is {status}" + ("" if days is None else f", its password expires in {days} days")
        warned = str(self._connection.warning or "")
        if (days is not None and days < _EXPIRY_DAYS) or EXPIRES_SOON in warned:
            step = "change the password in the database and in password:; no restart is needed"
            yield Finding(Severity.WARNING, subject, message, step)
        else:
            yield Finding(Severity.OK, subject, message)

    def _quota(self) -> Iterator[Finding]:
        try:
            with self._connection.cursor() as cursor:
                rows = cursor.execute(_QUOTA).fetchall()
        except DRIVER_ERRORS:
            return  # the trial insert shows if there is space
        for tablespace, used, limit in rows:
            if used > limit * _QUOTA_USED:
                message = f"{used / limit:.0%} of the quota on tablespace {tablespace} is used"
                step = "ask the DBA for more, or delete old rows"
                yield Finding(Severity.WARNING, f"{self._subject} quota", message, step)

    def _table_findings(self) -> Iterator[Finding]:
        subject = f"table {self._table}"
        try:
            facts = read_facts(self._connection, self._table)
            layout = plan_layout(self._config, facts, self._context.agent_name)
            declared = layout.key is not None and layout.key.declared
            evidence = (examine(self._connection, layout),) if declared else ()
        except ConfigurationError as error:
            yield self._misfit(subject, error)
            return
        subject = f"table {facts.table}"
        columns = ", ".join(encoder.column.name for encoder in layout.encoders)
        key = f"key {layout.key.constraint}" if layout.key else "no key"
        yield Finding(Severity.OK, subject, f"{columns} fit; {key}; character set {facts.character_set}")
        now = datetime.fromtimestamp(self._context.clock.time_ns() / _NS, UTC)
        for warning in (*warnings_of(layout, now), *evidence):
            yield Finding(Severity.WARNING, subject, warning, "see the README of oracle_sink, section The table")
        yield from self._ahead(subject, layout, now)
        yield from _statements(subject, layout, self._config.on_conflict)
        yield from self._trial(subject, layout)
        if layout.key is None and self._config.watermark is not None:
            yield self._watermark(parse_table(self._config.watermark))

    def _ahead(self, subject: str, layout: Layout, now: datetime) -> Iterator[Finding]:
        """What the table is going to run out of, as far as the account may see it."""
        with reading(self._connection) as dictionary:
            horizon = read_horizon(dictionary, layout)
            if horizon is not None:
                yield horizon.finding(now)
            yield from headroom(dictionary, layout.table, f"{subject} space")

    def _misfit(self, subject: str, error: ConfigurationError) -> Finding:
        if error.code != NO_TABLE:
            return _failed(subject, error)
        statements = render(self._config, Storage.HEAP)
        step = f"check table:, ask the DBA for SELECT and INSERT on it, or create it:\n{statements}"
        return Finding(Severity.CRITICAL, subject, "not found, or no privilege is granted", step)

    def _trial(self, subject: str, layout: Layout) -> Iterator[Finding]:
        """Insert one row, read it back, roll back. Only parse if a sequence is used: it would lose a number."""
        origin = Origin(_PROBE, _PROBE, _PROBE)
        now_ns = self._context.clock.time_ns()
        batch = Batch.of(origin, (_PROBE,), (0.0,), now_ns)
        rows = encode(batch, layout, OnConflict.KEEP, now_ns)
        if rows.refusals:
            refusal = rows.refusals[0]
            yield Finding(Severity.WARNING, subject, f"no trial row: {refusal.code} {refusal.message}", _TRIAL_STEP)
            return
        only_parse = any(mapped.uses_sequence for mapped in read_mapping(self._config.columns)[0])
        doing = "parse the INSERT" if only_parse else "insert a row and roll it back"
        same = True
        try:
            with self._connection.cursor() as cursor:
                if only_parse:
                    cursor.parse(layout.insert_sql)
                else:
                    cursor.setinputsizes(*layout.input_sizes)
                    cursor.execute(layout.insert_sql, list(rows.rows[0]))
                if layout.key is not None:
                    doing = "read a row back"
                    same = self._read_back(cursor, layout, rows.rows[0]) or only_parse
                    if layout.key.declared and not only_parse:
                        doing = "insert the row again"
                        yield _proved(cursor, layout, rows.rows[0])
                    if self._config.on_conflict is OnConflict.UPDATE and layout.compared:
                        doing = "parse the UPDATE"
                        cursor.parse(layout.update_sql)
        except DRIVER_ERRORS as error:
            of_the_row = action_of(code_of(error)) in (Action.REJECT, *DOUBTFUL)
            yield _failed(subject, translate(error, doing), _TRIAL_STEP if of_the_row else _DEFAULT_STEP)
        else:
            if same:
                done = "the statements were parsed" if only_parse else "a row was inserted, read back and rolled back"
                yield Finding(Severity.OK, subject, done)
            else:
                message = "a row is read back with other content than was inserted, so every replay would be a conflict"
                step = "look for a trigger that changes rows, or remove the column that it changes from columns:"
                yield Finding(Severity.WARNING, subject, message, step)
        finally:
            self._connection.rollback()

    def _watermark(self, table: TableName) -> Finding:
        """Parse what the sink would run there."""
        subject = f"watermark {table}"
        try:
            with self._connection.cursor() as cursor:
                for statement in statements(table):
                    cursor.parse(statement)
        except DRIVER_ERRORS as error:
            return _failed(subject, failure_of(table, error))
        return Finding(Severity.OK, subject, "the statements were parsed")

    def _read_back(self, cursor: oracledb.Cursor, layout: Layout, row: Row) -> bool:
        cursor.setinputsizes(*layout.key_sizes)
        found = cursor.execute(layout.lookup_sqls[1], layout.key_binds(row), fetch_decimals=True).fetchall()
        return len(found) == 1 and layout.same(row, found[0][1:])


def _proved(cursor: oracledb.Cursor, layout: Layout, row: Row) -> Finding:
    """Whether the database refuses a second row with a key that only ``key:`` names."""
    subject = f"table {layout.table} {layout.key.constraint if layout.key else ''}"
    cursor.setinputsizes(*layout.input_sizes)
    try:
        cursor.execute(layout.insert_sql, list(row))
    except oracledb.DatabaseError as error:
        if code_of(error) != DUPLICATE:
            raise
        return Finding(Severity.OK, subject, f"the database refuses a second row with the key ({text_of(error)})")
    message = "the database takes a second row with the key: only the look-ups before each insert prevent doubles"
    step = "let nothing else write the same keys, or ask the DBA for a unique index"
    return Finding(Severity.WARNING, subject, message, step)


def _statements(subject: str, layout: Layout, on_conflict: OnConflict) -> Iterator[Finding]:
    """What the sink runs, for a DBA to judge."""
    shown = f"{subject} statement"
    yield Finding(Severity.OK, shown, f"for each batch, as array DML: {layout.insert_sql}; then COMMIT")
    if layout.key is not None:
        sizes = ", ".join(map(str, LOOKUP_SIZES))
        yield Finding(
            Severity.OK,
            shown,
            f"for keys that are there already, {sizes} of them joined by UNION ALL: {layout.lookup_sqls[1]}",
        )
        if on_conflict is OnConflict.UPDATE and layout.compared:
            yield Finding(Severity.OK, shown, f"for a key with other content: {layout.update_sql}")


def _failed(subject: str, error: SinkError, default_step: str = _DEFAULT_STEP) -> Finding:
    step = error.next_step or next_step(error.code, str(error))
    message = one_line(str(error))
    if step is not None:
        message = message.removesuffix(f" ({step})")
    return Finding(Severity.CRITICAL, subject, message, step or default_step)
