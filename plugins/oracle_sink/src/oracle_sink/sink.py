"""OracleSink: writes batches into one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import oracledb

from agent_core.api import (
    Batch,
    ComponentContext,
    ConfigurationError,
    Finding,
    RetryableError,
    WriteOutcome,
)
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.connections import Connections, Session
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import translate
from oracle_sink.session.latch import Latch
from oracle_sink.table.binding import CONFLICT, Refusal
from oracle_sink.table.ddl import Storage, render
from oracle_sink.table.identifiers import parse_table
from oracle_sink.table.known_table import KnownTable
from oracle_sink.table.layout import Layout
from oracle_sink.table.partitions import PartitionWatch
from oracle_sink.write.doubt import Doubt
from oracle_sink.write.judge import FactsDoubted, Judge
from oracle_sink.write.known_span import KnownSpan
from oracle_sink.write.rows import ConflictError, Rows, encode
from oracle_sink.write.transaction import KeysLeft, Transaction
from oracle_sink.write.trials import Trial, Trials
from oracle_sink.write.watermark import Watermark
from oracle_sink.write.witness_file import WitnessFile

_NS: Final = 1_000_000_000

_ROUNDS: Final = 8
"""Refused records of one key in one batch, before those behind them are refused as their conflicts."""


class OracleSink:
    """One table of one database. ``write`` may be called from many threads; each uses its own session.

    Idempotent where the table has a primary or unique key whose columns ``columns:`` fills.
    """

    def __init__(self, config: OracleSinkConfig, context: ComponentContext, latch: Latch) -> None:
        self._config = config
        self._context = context
        self._log = context.log
        self._clock = context.clock
        self._latch = latch
        self._table = parse_table(config.table)
        self._known_table = KnownTable(config, context)
        self._known = KnownSpan()
        witnesses = WitnessFile(context.state_dir, context.component_id, config.dsn, str(self._table))
        self._doubt = Doubt(context.clock, witnesses)
        self._trials = Trials()
        self._watermark: Watermark | None = None
        if config.watermark is not None:
            self._watermark = Watermark(parse_table(config.watermark), context, self._table)
        self._connections = Connections(config, context, latch, self._inspect)
        self._partitions = PartitionWatch(context, self._connections.session)

    @property
    def idempotent(self) -> bool:
        layout = self._known_table.layout
        return layout is not None and layout.key is not None

    def open(self) -> None:
        """Log in and read the columns and keys of the table. Raises SinkError; then it may be called again."""
        self._connections.open()

    def close(self) -> None:
        self._doubt.keep()
        self._connections.close()

    def write(self, batch: Batch) -> WriteOutcome:
        """Write one transaction.

        A call to the database takes at most twice ``timeouts.call``; a log-in, if needed, at most ``timeouts.login``.
        A RetryableError is ambiguous only if the answer to a commit was lost.
        """
        if not batch:
            return WriteOutcome(inserted=0)
        trial = self._trials.of(batch)
        with self._connections.session() as session:
            try:
                outcome = self._transact(batch, session, trial)
            except ConflictError as error:
                raise ConfigurationError(
                    f"table {self._table}: {error}; nothing of the batch was written (on_conflict: fail)",
                    code=CONFLICT,
                ) from None
            except ConfigurationError:
                self._known_table.suspect()
                raise
            except RetryableError as error:
                self._trials.failed(batch, trial)
                if error.ambiguous:
                    self._known.suspect(batch)
                raise
        if outcome.total != len(batch):
            raise RuntimeError(f"{outcome.total} of {len(batch)} records are accounted for: {outcome}")
        self._trials.went_in(batch, outcome.inserted + outcome.duplicates)
        self._known.learn(batch, outcome.duplicates)
        if outcome.inserted or outcome.duplicates:
            self._doubt.stored(batch, outcome)
        return outcome

    def diagnose(self) -> Iterable[Finding]:
        """Check address, account, table and grants with its own log-in; leaves nothing behind."""
        from oracle_sink.diagnosis import diagnose

        return diagnose(self._config, self._context, self._latch)

    def advice(self) -> Sequence[Finding]:
        """Warnings while the password is about to expire, or the table is about to run out of partitions."""
        found = (self._connections.expiry.finding(), self._partitions.finding())
        return tuple(finding for finding in found if finding is not None)

    def ddl(self) -> str:
        """The table as a heap with a primary key; the other forms of storage are in ``ddl/``."""
        return render(self._config, Storage.HEAP)

    def _inspect(self, connection: oracledb.Connection) -> None:
        """Of a first session, also after none was left: it may be another database."""
        self._partitions.learn(connection, self._known_table.read(connection))

    def _transact(self, batch: Batch, session: Session, trial: Trial) -> WriteOutcome:
        """One transaction that is committed, after those that found out how to write the batch."""
        refused: dict[int, Refusal] = {}
        doubt_facts = True
        rounds = 0
        while True:
            layout, rows = self._encoded(batch, session, refused)
            old = doubt_facts and self._known_table.is_old(layout)
            judge = Judge(batch, self._doubt, trial, self._clock.time_ns(), facts_are_old=old)
            mark = self._watermark.mark(session, batch) if self._watermark and layout.key is None else None
            write = Transaction(session, layout, self._config.on_conflict, rows, judge, trial, mark)
            unproved = layout.key is not None and layout.key.declared
            try:
                return write.run(look_up_first=unproved or self._known.expects(batch), keys_pass_on=rounds < _ROUNDS)
            except FactsDoubted:
                self._read_again(session)
                doubt_facts = False
            except KeysLeft as left:
                self._roll_back(session)
                refused |= left.refused
                rounds += 1

    def _read_again(self, session: Session) -> None:
        """Undo the transaction, then read the table."""
        try:
            session.connection.rollback()
            self._known_table.for_refused(session.connection)
        except DRIVER_ERRORS as error:
            session.lost = True
            raise translate(error, f"read the columns of table {self._table}") from error

    def _roll_back(self, session: Session) -> None:
        try:
            session.connection.rollback()
        except DRIVER_ERRORS as error:
            session.lost = True
            raise translate(error, f"roll back in table {self._table}") from error

    def _encoded(self, batch: Batch, session: Session, refused: Mapping[int, Refusal]) -> tuple[Layout, Rows]:
        try:
            layout = self._known_table.for_batch(session.connection)
            rows = self._encode(batch, layout, refused)
            if len(rows.refusals) > len(refused):
                fresh = self._known_table.for_refused(session.connection)
                if fresh is not layout:
                    layout, rows = fresh, self._encode(batch, fresh, refused)
        except DRIVER_ERRORS as error:
            session.lost = True
            raise translate(error, f"read the columns of table {self._table}") from error
        return layout, rows

    def _encode(self, batch: Batch, layout: Layout, refused: Mapping[int, Refusal]) -> Rows:
        latest_ns = self._clock.time_ns() + round(self._config.max_future_seconds * _NS)
        return encode(batch, layout, self._config.on_conflict, latest_ns, refused)
