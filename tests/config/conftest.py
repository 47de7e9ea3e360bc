from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from config.installed import Installed

from agent_core.api import ConfigError
from agent_core.config import AgentConfig, Redaction, load_config

VALID = """\
sources:
  - id: line1
    type: polling_source
    config:
      devices:
        - {id: PLC01, driver: modbus_driver, address: "127.0.0.1:5020"}
sinks:
  - id: warehouse
    type: csv_sink
"""


class Yaml:
    """Writes ``agent.yaml`` into a folder of its own and loads it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "agent.yaml"
        self.redaction = Redaction()

    def load(
        self, text: str = VALID, installed: Installed | None = None, environ: Mapping[str, str] | None = None
    ) -> AgentConfig:
        self.file.write_text(text, encoding="utf-8")
        return load_config(self.file, installed or Installed(), environ or {}, self.redaction)

    def problems(
        self, text: str, installed: Installed | None = None, environ: Mapping[str, str] | None = None
    ) -> list[str]:
        """Every problem as the user sees it, without the folder."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, installed, environ)
        return [str(problem).replace(f"{self.folder}{os.sep}", "") for problem in caught.value.problems]


@pytest.fixture
def yaml(tmp_path: Path) -> Yaml:
    return Yaml(tmp_path)
