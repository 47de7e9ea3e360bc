"""Times: DATE and TIMESTAMP columns.

A timestamp is rounded down to the precision of its column, microseconds at most, which is the driver's limit. The
database would round to the nearest, so it is done here: then the key that is bound is the key that is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import oracledb

from agent_core.api import Batch
from oracle_sink.table.binding import Bind, InputSize, Refusals
from oracle_sink.table.facts import Column, ColumnKind

# Naive UTC: the driver drops a tzinfo without converting.
_EPOCH: Final = datetime(1970, 1, 1)
_AWARE_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INPUT_TYPES: Final = {
    ColumnKind.DATE: oracledb.DB_TYPE_DATE,
    ColumnKind.TIMESTAMP: oracledb.DB_TYPE_TIMESTAMP,
    # Sent with offset 00:00.
    ColumnKind.TIMESTAMP_TZ: oracledb.DB_TYPE_TIMESTAMP_TZ,
    # Sent without offset and read in the session's time zone, which is +00:00.
    ColumnKind.TIMESTAMP_LTZ: oracledb.DB_TYPE_TIMESTAMP,
}


class Times:
    """The timestamp in a DATE or TIMESTAMP column; without a ``zone``, in UTC."""

    def __init__(self, column: Column, zone: ZoneInfo | None) -> None:
        self.column = column
        self.zone = zone
        digits = 0 if column.kind is ColumnKind.DATE else min(column.digits, 6)
        self._unit_us = 10 ** (6 - digits)

    @property
    def input_size(self) -> InputSize:
        assert self.column.kind is not None
        return _INPUT_TYPES[self.column.kind]

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:  # noqa: ARG002 - int64 ns always fit
        stamps = batch.timestamps_ns
        if isinstance(stamps, int):
            return (self.stored(stamps),) * len(batch)
        known = {stamp: self.stored(stamp) for stamp in set(stamps)}
        return list(map(known.__getitem__, stamps))

    def stored(self, timestamp_ns: int) -> datetime:
        """What the column stores for a timestamp. Integers only: float seconds would be off by a microsecond."""
        microseconds = timestamp_ns // 1000
        microseconds -= microseconds % self._unit_us
        if self.zone is None:
            return _EPOCH + timedelta(microseconds=microseconds)
        local = (_AWARE_EPOCH + timedelta(microseconds=microseconds)).astimezone(self.zone)
        return local.replace(tzinfo=None)

    def same(self, bound: Bind, stored: Bind) -> bool:
        return bound == stored


def repeated_hour(zone: ZoneInfo, now: datetime) -> datetime | None:
    """When, in UTC, the clocks of the zone are next set back, within two years of ``now``; None if they are not."""
    hour = now.replace(minute=0, second=0, microsecond=0)
    before = hour.astimezone(zone).utcoffset()
    for _ in range(2 * 366 * 24):
        hour += timedelta(hours=1)
        offset = hour.astimezone(zone).utcoffset()
        if before is not None and offset is not None and offset < before:
            return hour
        before = offset
    return None
