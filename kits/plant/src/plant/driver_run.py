"""DriverRun: ``tagferry run`` with one device of one driver, whose rows land in a file that a test can look into."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

from agent_core.testing.agent_process import AgentProcess, wait_until
from plant.peer import PeerProcess

CONFIGURATION = """\
sources:
  - id: line1
    type: polling_source
    config:
      backoff: {{initial: 100ms, max: 200ms}}
      devices: [{{id: PLC01, {device}}}]
      groups: [{{id: G1, device: PLC01, interval: 100ms, tags: [{tags}]}}]
sinks:
  - {{id: history, type: sqlite_sink, config: {{path: history.db}}, batch: {{max_wait: 100ms}}}}
"""


class DriverRun:
    """``device`` holds the device's keys but for its id, each of ``tags`` a tag's, as YAML between braces."""

    def __init__(self, folder: Path, device: str, *tags: str) -> None:
        self._folder = folder
        listed = ", ".join(f"{{{tag}}}" for tag in tags)
        configuration = CONFIGURATION.format(device=device, tags=listed)
        (folder / "agent.yaml").write_text(configuration, encoding="utf-8")

    def agent(self, environ: Mapping[str, str] | None = None) -> AgentProcess:
        """To be used by ``with``."""
        return AgentProcess(self._folder / "agent.yaml", environ)

    def rows(self, name: str, quality: str = "GOOD") -> list[tuple[str, str]]:
        """Value and timestamp of each row of the tag, oldest first."""
        file = self._folder / "history.db"
        if not file.exists():
            return []
        connection = sqlite3.connect(file)
        try:
            query = "SELECT tag_value, timestamp FROM TAG_DATA WHERE tag_name = ? AND quality = ?"
            return [(str(value), stamp) for value, stamp in connection.execute(query, (name, quality))]
        except sqlite3.OperationalError:  # the table is not there yet
            return []
        finally:
            connection.close()

    def values(self, name: str, quality: str = "GOOD") -> set[str]:
        """The values that the tag had."""
        return {value for value, _ in self.rows(name, quality)}

    def survives_the_death_of(self, plc: PeerProcess, expected: Mapping[str, str]) -> None:
        """Run until each tag has its value, kill the PLC, start it again, and stop in order.

        The tag NOWHERE, which the PLC refuses, is BAD all the time; the first one of ``expected`` tells how it goes.
        """
        first = next(iter(expected))
        with self.agent() as agent:
            wait_until(lambda: len(self.rows(first)) > 1, what="rows")
            assert {name: self.values(name) for name in expected} == {name: {text} for name, text in expected.items()}
            assert self.rows("NOWHERE", "BAD")
            assert not self.rows("NOWHERE")
            plc.kill()
            wait_until(lambda: bool(self.rows(first, "BAD")), what="a BAD row for the dead PLC")
            before = len(self.rows(first))
            plc.start()
            wait_until(lambda: len(self.rows(first)) > before, what="GOOD rows after its return")
            assert agent.stop() == 0, agent.output
        assert agent.ledger("history")["pending"] == 0
