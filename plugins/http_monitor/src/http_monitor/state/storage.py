"""Storage: what only the disk knows - the files that wait in the fallbacks, and the free space."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent_core.api import AgentView, BacklogFile, Log


@dataclass(frozen=True, slots=True)
class StorageSnapshot:
    """``disk_free_bytes`` of the disk that holds the state directory; None before the first look, or when it failed."""

    backlog: Mapping[str, Sequence[BacklogFile]] = field(default_factory=dict)
    disk_free_bytes: int | None = None
    disk_total_bytes: int | None = None


class Storage:
    """Keeps what the last ``look`` saw. A look may block, so it is never made in the server's loop."""

    def __init__(self, state_dir: Path, log: Log) -> None:
        self._state_dir = state_dir
        self._log = log
        self.snapshot = StorageSnapshot()

    def look(self, agent: AgentView) -> None:
        """Look again. What cannot be read is logged now and then and shown as it was last seen."""
        backlog: dict[str, Sequence[BacklogFile]] = {}
        for sink in agent.status().sinks:
            try:
                backlog[sink.sink_id] = tuple(agent.backlog(sink.sink_id))
            except Exception as error:
                backlog[sink.sink_id] = self.snapshot.backlog.get(sink.sink_id, ())
                self._log.warning("backlog not read", sink=sink.sink_id, error=error, every=sink.sink_id)
        free: int | None = None
        total: int | None = None
        try:
            usage = shutil.disk_usage(self._state_dir)
            free, total = usage.free, usage.total
        except OSError as error:
            self._log.warning("free disk space not read", path=self._state_dir, error=error, every="disk")
        self.snapshot = StorageSnapshot(backlog, free, total)
