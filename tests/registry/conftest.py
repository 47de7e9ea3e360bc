from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from registry.distribution import Distributions


@pytest.fixture
def distributions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Distributions]:
    """Distributions of the test's own; the plugins that are really installed are out of sight."""

    def of_this_test(group: str) -> list[EntryPoint]:
        return [
            entry
            for entry in entry_points(group=group)
            if entry.dist is not None and str(entry.dist.locate_file("")).startswith(str(tmp_path))
        ]

    monkeypatch.setattr("agent_core.registry.entrypoints.entry_points", of_this_test)
    before = set(sys.modules)
    yield Distributions(tmp_path, monkeypatch)
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
