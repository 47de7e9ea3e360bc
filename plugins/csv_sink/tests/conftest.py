"""A sink of the tests: its clock stands still, its folder is ``<tmp_path>/backup/warehouse``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from csv_sink.config import CsvSinkConfig
from csv_sink.sink import CsvSink

from agent_core.api import ComponentContext
from agent_core.testing.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backup" / "warehouse"


@pytest.fixture
def make_sink(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., CsvSink]]:
    """Makes a sink that is not open and is closed at the end of the test; keywords change its config."""
    config = CsvSinkConfig(tmp_path / "backup", 64 * 1024 * 1024, 60.0, 0, 30 * 86_400.0)
    context = ComponentContext("warehouse", "line-1", tmp_path, "csv_sink", clock)
    with ExitStack() as closing:

        def make(**changes: object) -> CsvSink:
            sink = CsvSink(replace(config, **changes), context)  # type: ignore[arg-type]
            closing.callback(sink.close)
            return sink

        yield make


@pytest.fixture
def sink(make_sink: Callable[..., CsvSink]) -> CsvSink:
    sink = make_sink()
    sink.open()
    return sink
