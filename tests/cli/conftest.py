from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from registry.distribution import BUFFER, DRIVER, EXTENSION, SINK, SOURCE, install

from agent_core.cli.main import main

REPOSITORY = Path(__file__).parents[2]

SOURCE_SCHEMA = """{
    "type": "object", "additionalProperties": False, "required": ["devices"],
    "properties": {"devices": {"description": "The PLCs.", "type": "array", "items": {
        "type": "object", "required": ["id", "driver"],
        "properties": {"id": {"type": "string"}, "driver": {"type": "string", "x-plugin-ref": "driver"}}}}},
}"""
DRIVER_SCHEMA = """{
    "type": "object", "additionalProperties": False, "required": ["address"],
    "properties": {"address": {"description": "host:port.", "type": "string"},
                   "timeout": {"type": "string", "format": "duration", "default": "2s"}},
}"""
SINK_SCHEMA = """{
    "type": "object", "additionalProperties": False, "required": ["table"],
    "properties": {"table": {"description": "Where rows go.", "type": "string"},
                   "password": {"type": "string", "format": "secret"}},
}"""
CHECK = """
from agent_core.api import ConfigProblem
@hookimpl
def agent_check_config(config):
    return [ConfigProblem("350 values/s", ("sources", 0), warning=True)]
"""

VALID = """\
agent: {name: line-1}
sources:
  - id: line1
    type: plc_source
    config:
      devices:
        - {id: PLC01, driver: bus_driver, address: "127.0.0.1:5020"}
buffer: {type: ring_buffer}
sinks:
  - id: warehouse
    type: table_sink
    config:
      table: TAG_DATA
extensions:
  - type: web_monitor
"""


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """``agent`` in a folder of its own, with plugins of the test's own."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    homes: list[Path] = field(default_factory=list)

    def add_plugin(self, name: str, source: str, *, requires: Sequence[str] = (), **options: str) -> None:
        """Install one more plugin."""
        site = self.folder / "site"
        self.homes.append(install(site, name, source, requires=requires, monkeypatch=self.monkeypatch, **options))

    def write(self, text: str | bytes, name: str = "agent.yaml") -> None:
        """Write the configuration."""
        (self.folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())

    def __call__(self, *arguments: str) -> Result:
        """Run it in this process."""
        self.capsys.readouterr()
        code = main(arguments)
        captured = self.capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def process(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Result:
        """Run it as the user does."""
        path = os.pathsep.join(map(str, [REPOSITORY, *self.homes]))
        done = subprocess.run(
            [sys.executable, "-m", "agent_core", *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1", **(environ or {})},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def agent(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.chdir(tmp_path)
    command = Command(tmp_path, capsys, monkeypatch)
    command.add_plugin("plc_source", SOURCE + CHECK, schema=SOURCE_SCHEMA)
    command.add_plugin("bus_driver", DRIVER, schema=DRIVER_SCHEMA)
    command.add_plugin("ring_buffer", BUFFER)
    command.add_plugin("table_sink", SINK, schema=SINK_SCHEMA)
    command.add_plugin("web_monitor", EXTENSION)
    command.write(VALID)
    return command
