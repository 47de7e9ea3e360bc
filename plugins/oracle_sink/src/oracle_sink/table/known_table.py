"""KnownTable: the table as the dictionary described it, and when it is read again."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Final

import oracledb

from agent_core.api import ComponentContext
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import text_of
from oracle_sink.table.declared_key import examine
from oracle_sink.table.dictionary import DICTIONARY_SECONDS, read_facts, works_again
from oracle_sink.table.identifiers import parse_table
from oracle_sink.table.layout import Layout
from oracle_sink.table.plan import plan_layout, warnings_of

_NS: Final = 1_000_000_000

_REREAD_SECONDS: Final = 30.0
"""While a layout is known, a batch may wait for the dictionary: less than a sink's ``write_limit``."""

_FACTS_SECONDS: Final = 60.0
"""No record is rejected because of facts older than this: the column may have been widened since."""

_SLOW_SECONDS: Final = 5.0
_SHARE: Final = 20
"""A slow dictionary is read again after 20 times as long as it took: reading takes at most 5 % of the time."""


class KnownTable:
    """The layout of the sink's table. Thread-safe: one reference is swapped.

    Only the first reading must succeed. A known layout works until another one has been read: if the dictionary is
    slow or refuses then, that is logged, and it is asked again later.
    """

    def __init__(self, config: OracleSinkConfig, context: ComponentContext) -> None:
        self._config = config
        self._context = context
        self._log = context.log
        self._clock = context.clock
        self._table = parse_table(config.table)
        self._turn = threading.Lock()
        self._layout: Layout | None = None
        self._read_at = 0.0
        self._not_before = 0.0
        self._suspected = False

    @property
    def layout(self) -> Layout | None:
        """None before the first reading."""
        return self._layout

    def suspect(self) -> None:
        """The database refuses what fits the known layout: read it again before the next batch."""
        self._suspected = True

    def is_old(self, layout: Layout) -> bool:
        """True if ``for_refused`` may find a newer one."""
        now = self._clock.monotonic()
        return layout is not self._layout or now > max(self._read_at + _FACTS_SECONDS, self._not_before)

    def for_batch(self, connection: oracledb.Connection) -> Layout:
        """The layout for the next batch. Raises as ``read``."""
        if self._layout is None or self._suspected:
            return self.read(connection)
        return self._layout

    def for_refused(self, connection: oracledb.Connection) -> Layout:
        """The layout for records that do not fit, no older than a minute. Raises as ``read``."""
        if self._layout is not None and self._clock.monotonic() - self._read_at <= _FACTS_SECONDS:
            return self._layout
        return self.read(connection)

    def read(self, connection: oracledb.Connection) -> Layout:
        """Read the table, in a minute at most; if it is known, in half a minute. The log says what is new about it.

        Without a known layout it raises ConfigurationError and what the driver raises. With one, it returns that one
        instead if the dictionary does not answer in time, or did not shortly before, or another thread reads. Then
        it raises only ConfigurationError, for a table that does not fit, and the error of a lost connection.
        """
        known = self._layout
        if known is None:
            return self._read(connection)
        if self._clock.monotonic() < self._not_before or not self._turn.acquire(blocking=False):
            return known
        try:
            return self._read(connection)
        except DRIVER_ERRORS as error:
            self._not_before = max(self._not_before, self._clock.monotonic() + _FACTS_SECONDS)
            if not works_again(connection, error):
                raise
            self._log.warning(
                "table not read again",
                sink=self._context.component_id,
                table=known.table,
                error=text_of(error),
                retry_in_seconds=round(self._not_before - self._clock.monotonic()),
                next_step="nothing, if the table has not changed; else ask the DBA why the data dictionary is slow",
                every=self._context.component_id,
            )
            return known
        finally:
            self._turn.release()

    def _read(self, connection: oracledb.Connection) -> Layout:
        began = self._clock.monotonic()
        try:
            limit = DICTIONARY_SECONDS if self._layout is None else _REREAD_SECONDS
            facts = read_facts(connection, self._table, limit)
        finally:
            ended = self._clock.monotonic()
            took = ended - began
            self._not_before = ended + (_SHARE * took if took > _SLOW_SECONDS else 0.0)
        known = self._layout
        if known is not None and known.facts == facts:
            layout = known
        else:
            layout = plan_layout(self._config, facts, self._context.agent_name)
            evidence = examine(connection, layout) if layout.key is not None and layout.key.declared else None
            self._announce(layout, evidence)
        self._read_at = ended
        self._layout, self._suspected = layout, False
        return layout

    def _announce(self, layout: Layout, evidence: str | None) -> None:
        sink = self._context.component_id
        key = layout.key.constraint if layout.key else None
        self._log.info("table read", sink=sink, table=layout.table, key=key, character_set=layout.facts.character_set)
        now = datetime.fromtimestamp(self._clock.time_ns() / _NS, UTC)
        for warning in (*warnings_of(layout, now), *(() if evidence is None else (evidence,))):
            self._log.warning("table warning", sink=sink, table=layout.table, problem=warning)
