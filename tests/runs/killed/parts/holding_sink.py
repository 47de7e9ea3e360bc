"""A third-party sink: csv_sink, held for ever at the point that ``$HOLD_AT`` names, so that a test can kill it there.

``$HOLD_AT`` is ``point:nth``. When the point is reached for the nth time the file ``held`` appears and the thread that
came there stays. It also notes each write that returned in the file ``outcomes``.
"""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from csv_sink.files import appender, part
from csv_sink.format.line import HEADER
from csv_sink.plugin import create as create_csv_sink
from csv_sink.sink import CsvSink

from agent_core.api import (
    BacklogFile,
    Batch,
    ComponentContext,
    Config,
    Diversion,
    ReplayBatch,
    SinkFactory,
    Stock,
    WriteOutcome,
    hookimpl,
    load_schema,
)
from agent_core.runtime.replay.position import ReplayPosition


class Hold:
    """Counts how often each point is reached, and stops there when it is to."""

    def __init__(self, wanted: str) -> None:
        self._point, _, nth = wanted.partition(":")
        self._nth = int(nth or 1)
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def due(self, point: str) -> bool:
        """True at the nth arrival at the point that is wanted."""
        with self._lock:
            self._counts[point] += 1
            return point == self._point and self._counts[point] == self._nth

    def stay(self) -> None:
        Path("held").touch()
        threading.Event().wait()

    def at(self, point: str) -> None:
        if self.due(point):
            self.stay()


KEEP = ReplayPosition.keep
hold = Hold(os.environ.get("HOLD_AT", ""))


class HeldPart(part.Part):
    """A backup file that a power cut may hit in the middle of an append."""

    def append(self, lines: bytes, records: int) -> None:
        if hold.due("half appended"):
            header = b"" if self.size_bytes else HEADER
            self._file.write(header + lines[: len(lines) * 2 // 3])
            hold.stay()
        super().append(lines, records)


def keep_position(position: ReplayPosition, file: str, next_record: int) -> None:
    """Comes after the commit of a replayed batch; an observer has a thread of its own, and would hold nobody."""
    hold.at("before position")
    KEEP(position, file, next_record)


class HoldingSink:
    """Does as csv_sink does, around the points."""

    idempotent = False

    def __init__(self, sink: CsvSink) -> None:
        self._sink = sink

    def open(self) -> None:
        self._sink.open()

    def close(self) -> None:
        self._sink.close()

    def write(self, batch: Batch) -> WriteOutcome:
        return self._sink.write(batch)

    def divert(self, batch: Batch, diversion: Diversion) -> None:
        kind = "rejected" if diversion.rejected else "diverted"
        hold.at(f"before {kind}")
        self._sink.divert(batch, diversion)
        hold.at(f"after {kind}")

    def stock(self) -> Stock:
        return self._sink.stock()

    def backlog(self) -> Sequence[BacklogFile]:
        return self._sink.backlog()

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        return self._sink.read(file, from_record, max_records)

    def finish(self, file: str) -> None:
        hold.at("before finish")
        self._sink.finish(file)
        hold.at("after finish")


def create(config: Config, context: ComponentContext) -> HoldingSink:
    vars(appender)["Part"] = HeldPart
    setattr(ReplayPosition, "keep", keep_position)  # noqa: B010 - for mypy, as above
    return HoldingSink(create_csv_sink(config, context))


@hookimpl
def agent_register_sink() -> SinkFactory:
    return SinkFactory("holding_sink", load_schema("csv_sink"), create, "csv_sink, held at a point")


@hookimpl
def agent_batch_delivered(
    sink_id: str, batch: Batch, outcome: WriteOutcome, attempt: int, elapsed_seconds: float, replayed_file: str | None
) -> None:
    with Path("outcomes").open("a", encoding="utf-8") as file:
        file.write(
            json.dumps([replayed_file is not None, outcome.inserted, outcome.duplicates, len(outcome.rejected)]) + "\n"
        )
