"""CountedRun: a case whose source is counting_source, on the stand-in (not Oracle) or on a real database."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from oracle_standin.process import Standin
from runs.conftest import RUNS, Case
from runs.counting.counting_source import Numbering
from runs.counting.tally import Tally, rows_in_files, rows_in_table

from agent_core.testing.agent_process import AgentProcess, wait_until
from agent_core.testing.suite.patience import PROCESS_SECONDS


class CountedRun:
    """The case's folder, one agent after the other in it, and where all numbers are in the end."""

    def __init__(self, case: Case, server: Standin, numbering: Numbering | None = None) -> None:
        self.case = case
        self.server = server
        self.numbering = numbering or Numbering()
        self._template = (case.folder / "agent.yaml").read_text(encoding="utf-8")
        self._agent: AgentProcess | None = None

    def agent(self, words: Mapping[str, object], environ: Mapping[str, str] | None = None) -> AgentProcess:
        """``tagferry run`` with the capital words of the YAML filled in."""
        text = self._template
        for word, value in words.items():
            text, found = re.subn(rf"\b{word}\b", str(value), text)
            assert found, f"the YAML has no {word}"
        (self.case.folder / "agent.yaml").write_text(text, encoding="utf-8")
        paths = (str(RUNS / "counting"), self.case.environ["PYTHONPATH"])
        self._agent = self.case.agent(
            {
                "PYTHONPATH": os.pathsep.join(paths),
                "ORACLE_DSN": self.server.dsn,
                "ORACLE_USER": self.server.user,
                "ORACLE_PASSWORD": self.server.password,
            },
            environ or {},
        )
        return self._agent

    def enough(self) -> None:
        """Let the source end once it has emitted ``at_least``."""
        (self.case.folder / "enough").touch()

    @property
    def ended(self) -> bool:
        """The source has emitted its last number."""
        return "counting ended" in self._output

    @property
    def emitted(self) -> int:
        """How many numbers there are; valid when the source has ended."""
        found = re.search(r"counting ended: next=(\d+)", self._output)
        assert found is not None, self._output
        return int(found[1])

    @property
    def status(self) -> str:
        """The last status line."""
        return next((line.strip() for line in reversed(self._output.splitlines()) if "records/s" in line), "")

    def waiting_files(self) -> list[Path]:
        """The backlog, files that are being written included."""
        return self.case.fallback_files(kind="backup")

    def wait_for_catch_up(self, seconds: float = PROCESS_SECONDS) -> None:
        """Return when the source has ended, nothing is in the buffer and no file waits."""

        def caught_up() -> bool:
            return self.ended and "in memory 0," in self.status and not self.waiting_files()

        try:
            wait_until(caught_up, seconds, "the catch-up")
        except AssertionError as error:
            error.add_note(self._output[-3000:])
            raise

    def stop(self) -> None:
        """Stop the agent; its output is kept in the folder."""
        assert self._agent is not None
        code = self._agent.stop()
        (self.case.folder / "agent.log").write_text(self._output, encoding="utf-8")
        assert code == 0, self._output[-3000:]
        places = self._agent.places("warehouse")
        for kind, place in (("backup", "in files"), ("rejected", "rejected")):
            lie_there = sum(1 for _ in rows_in_files(self.case.fallback_files(kind=kind)))
            assert places[place] == lie_there, f"{place}: said {places[place]}, found {lie_there}"

    def tally(self) -> Tally:
        """Where all numbers are, after the agent has stopped. Raises AssertionError that names what is wrong."""
        tally = Tally(self.numbering, self.emitted)
        tally.check(rows_in_table(self.server), rows_in_files(self.case.fallback_files(kind="rejected")))
        assert not tally.problems, "\n".join(tally.problems[:20])
        return tally

    @property
    def _output(self) -> str:
        assert self._agent is not None
        return self._agent.output
