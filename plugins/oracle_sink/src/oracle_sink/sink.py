"""OracleSink: writes batches into one table."""

from __future__ import annotations

from collections.abc import Iterable

import oracledb

from agent_core.api import Batch, ComponentContext, ConfigurationError, Finding, RetryableError, WriteOutcome
from oracle_sink.binding import CONFLICT
from oracle_sink.config import OracleSinkConfig
from oracle_sink.connection import Connections
from oracle_sink.facts import read_facts
from oracle_sink.identifiers import parse_table
from oracle_sink.latch import Latch
from oracle_sink.layout import Layout, plan_layout
from oracle_sink.rows import ConflictError, encode
from oracle_sink.write import BatchWrite

_NS: int = 1_000_000_000


class OracleSink:
    """One table of one database. ``write`` may be called from many threads; each uses a session of its own.

    Idempotent where the table has a primary or unique key whose columns ``columns:`` fills.
    """

    def __init__(self, config: OracleSinkConfig, context: ComponentContext, latch: Latch) -> None:
        self._config = config
        self._logger = context.logger
        self._component_id = context.component_id
        self._agent_name = context.agent_name
        self._clock = context.clock
        self._table = parse_table(config.table)
        self._layout: Layout | None = None
        self._connections = Connections(config, context, latch, self._inspect)

    @property
    def idempotent(self) -> bool:
        return self._layout is not None and self._layout.key is not None

    def open(self) -> None:
        """Log in and read the table's columns and keys. Raises SinkError; then it may be called again."""
        self._connections.open()

    def close(self) -> None:
        self._connections.close()

    def write(self, batch: Batch) -> WriteOutcome:
        """Write one transaction.

        A call to the database takes at most twice ``timeouts.call``; a log-in, where one is needed, at most
        ``timeouts.login``. A RetryableError is ambiguous only after a commit that was not answered.
        """
        if not batch:
            return WriteOutcome(inserted=0)
        with self._connections.session() as session:
            layout = self._layout
            if layout is None:
                raise RetryableError(f"table {self._table}: its columns have not been read")
            latest_ns = self._clock.time_ns() + round(self._config.max_future * _NS)
            try:
                rows = encode(batch, layout, self._config.on_conflict, latest_ns)
                outcome = BatchWrite(session, layout, self._config.on_conflict, rows).run()
            except ConflictError as error:
                raise ConfigurationError(
                    f"table {layout.table}: {error}; nothing of the batch was written (on_conflict: fail)",
                    code=CONFLICT,
                ) from None
        if outcome.total != len(batch):
            raise RuntimeError(f"{outcome.total} rows accounted for of {len(batch)}: {outcome}")
        return outcome

    def diagnose(self) -> Iterable[Finding]:
        return ()

    def _inspect(self, connection: oracledb.Connection) -> None:
        layout = plan_layout(self._config, read_facts(connection, self._table), self._agent_name)
        self._layout = layout
        self._logger.info(
            "table read: component=%s table=%s key=%s character_set=%s",
            self._component_id, layout.table, layout.key.constraint if layout.key else "none",
            layout.facts.character_set,
        )  # fmt: skip
        if layout.key is None:
            self._logger.warning(
                "table has no usable key: component=%s table=%s; rows written again are stored again",
                self._component_id, layout.table,
            )  # fmt: skip
