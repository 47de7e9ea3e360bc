"""A YAML with a sqlite_sink and its fallback in a folder of its own, and backup files made as an outage makes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from csv_sink.config import CsvSinkConfig
from csv_sink.sink import CsvSink

from agent_core.api import Batch, Clock, ComponentContext, Diversion, DivertReason, Origin
from agent_core.config import AgentConfig, load_config
from agent_core.registry import Registry
from agent_core.runtime.replay.manual_replay import ManualReplay, ReplayRequest
from agent_core.runtime.replay.record_filter import RecordFilter
from agent_core.runtime.replay.report import ReplayPreview, ReplayResult
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fakes import FakeObserver

SECOND_NS = 1_000_000_000
YAML = """\
agent: {name: line-1, state_dir: state}
sources:
  - id: line1
    type: polling_source
    config:
      devices: [{id: LINE1, driver: simulator_driver}]
      groups:
        - id: G
          device: LINE1
          interval: 1s
          tags: [{name: A, address: "random_walk:min=1,max=2", data_type: float32}]
sinks:
  - id: local
    type: sqlite_sink
    config: {path: data.db, busy_timeout: 100ms}
    batch: {max_records: 10}
    retry: {max_retries: 1, initial_delay: 10ms}
    fallback: {type: csv_sink, config: {directory: backup, min_free_disk: 1B}}
"""


def rows(first: int, count: int, value: object = None) -> Batch:
    """Rows ``T<number>`` at second ``number``."""
    numbers = range(first, first + count)
    return Batch.join(
        [
            Batch.of(Origin("line1", "PLC01", "G"), (f"T{number}",), (number if value is None else str(value),),
                     START_NS + number * SECOND_NS)
            for number in numbers
        ]
    )  # fmt: skip


class Place:
    """A folder with the YAML; replays run with a clock that stands at START_NS."""

    def __init__(self, folder: Path, yaml: str = YAML) -> None:
        self.folder = folder
        self.yaml = folder / "agent.yaml"
        self.yaml.write_text(yaml, encoding="utf-8")
        self.backup = folder / "backup" / "local"

    def config(self, registry: Registry) -> AgentConfig:
        return load_config(self.yaml, registry, environ={})

    def csv(self, folder: Path | None = None) -> CsvSink:
        """The sink's own fallback, or one of another machine in ``folder``."""
        config = CsvSinkConfig(folder or self.folder / "backup", 1 << 30, 1e9, 0, 1e9)
        return CsvSink(config, ComponentContext("local", "line-1", self.folder, "t", ManualClock()))

    def divert(self, *batches: Batch, folder: Path | None = None, rejected: bool = False) -> list[Path]:
        """One file a batch; their paths, the fallback's folder being free again."""
        sink = self.csv(folder)
        reason = DivertReason.REJECTED if rejected else DivertReason.RETRIES_EXHAUSTED
        for batch in batches:
            sink.open()
            sink.divert(batch, Diversion(reason, START_NS))
            sink.close()
        return [file.path for file in sink.backlog() if file.path is not None]

    @contextmanager
    def replaying(
        self, request: ReplayRequest | None = None, clock: Clock | None = None, observer: FakeObserver | None = None
    ) -> Iterator[ManualReplay]:
        registry = Registry()
        if observer is not None:
            registry.events.register_observer(observer)
        config = self.config(registry)
        with closing(ManualReplay(config, registry, request or ask(), clock or ManualClock())) as replaying:
            yield replaying

    def replay(
        self, request: ReplayRequest | None = None, clock: Clock | None = None, observer: FakeObserver | None = None
    ) -> ReplayResult:
        """All of it. A sink that is away needs a clock that runs."""
        with self.replaying(request, clock, observer) as replaying:
            return replaying.run(replaying.preview(ignore), ignore)

    def preview(self, request: ReplayRequest | None = None) -> ReplayPreview:
        with self.replaying(request) as replaying:
            return replaying.preview(ignore)

    def table(self) -> list[str]:
        """The tags in the table, one entry a row."""
        with closing(sqlite3.connect(self.folder / "data.db")) as connection:
            return sorted(name for (name,) in connection.execute("SELECT tag_name FROM TAG_DATA"))

    def waiting(self, kind: str = "backup") -> list[str]:
        """Names of the files of that kind in the fallback's folder."""
        return sorted(path.name for path in self.backup.glob(f"{kind}_*.csv"))


def ask(*paths: Path, records: RecordFilter | None = None, **more: object) -> ReplayRequest:
    return ReplayRequest(records or RecordFilter(), paths=paths, **more)  # type: ignore[arg-type]


def ignore(_: object) -> None:
    """Somebody who does not watch."""


def names(first: int, count: int) -> list[str]:
    return sorted(f"T{number}" for number in range(first, first + count))
