"""Throw-away distributions: a folder with a module and its metadata, put on ``sys.path``."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

SINK = """
from agent_core.api import SinkFactory, hookimpl

SCHEMA = {schema}

class Part:
    # Of any kind; it does nothing.
    durable = blocks = idempotent = False
    def open(self): ...
    def close(self): ...
    def connect(self): ...
    def start(self, emit): ...
    def stop(self, timeout_seconds): ...
    def append(self, batch): ...
    def lease(self, max_records, max_wait_seconds): ...
    def settle(self, lease): ...
    def release(self, lease): ...
    def stop_waiting(self): ...
    def stats(self): ...
    def write(self, batch): ...
    def observers(self): return ()

@hookimpl
def agent_register_sink():
    return SinkFactory({name!r}, SCHEMA, lambda config, context: Part(), "a sink for tests")
"""
SOURCE = SINK.replace("Sink", "Source").replace("sink", "source")
BUFFER = SINK.replace("Sink", "Buffer").replace("sink", "buffer")
DRIVER = SINK.replace("Sink", "Driver").replace("sink", "driver")
EXTENSION = SINK.replace("Sink", "Extension").replace("a sink", "an extension").replace("sink", "extension")
ANY_SCHEMA = '{"type": "object"}'


class Distributions:
    """Installs distributions into ``folder``, each in a folder of its own, for this process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._monkeypatch = monkeypatch

    def add(
        self,
        plugin: str,
        source: str,
        *,
        schema: str = ANY_SCHEMA,
        distribution: str | None = None,
        version: str = "1.2.3",
        entry_point: str | None = None,
        module: str | None = None,
        requires: Sequence[str] = (),
    ) -> Path:
        """Install a plugin whose module holds ``source`` (``{name}`` and ``{schema}`` filled in); its folder."""
        return install(
            self._folder,
            plugin,
            source,
            schema=schema,
            distribution=distribution,
            version=version,
            entry_point=entry_point,
            module=module,
            requires=requires,
            monkeypatch=self._monkeypatch,
        )


def install(
    folder: Path,
    plugin: str,
    source: str,
    *,
    schema: str = ANY_SCHEMA,
    distribution: str | None = None,
    version: str = "1.2.3",
    entry_point: str | None = None,
    module: str | None = None,
    requires: Sequence[str] = (),
    monkeypatch: pytest.MonkeyPatch | None = None,
) -> Path:
    """Write the distribution; put it on ``sys.path`` when there is a ``monkeypatch`` to take it off again."""
    distribution = distribution or f"dist-{plugin.replace('_', '-')}"
    module = module or f"module_{plugin}"
    home = folder / distribution
    metadata = home / f"{distribution.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\nSummary: the distribution's summary\n"
        + "".join(f"Requires-Dist: {line}\n" for line in requires),
        encoding="utf-8",
    )
    (metadata / "entry_points.txt").write_text(f"[agent_core]\n{plugin} = {entry_point or module}\n", encoding="utf-8")
    text = source.replace("{name!r}", repr(plugin)).replace("{schema}", schema)
    (home / f"{module}.py").write_text(text, encoding="utf-8")
    if monkeypatch is not None:
        monkeypatch.syspath_prepend(home)
        monkeypatch.delitem(sys.modules, module, raising=False)
    importlib.invalidate_caches()
    return home
