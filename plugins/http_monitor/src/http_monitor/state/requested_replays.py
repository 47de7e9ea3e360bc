"""RequestedReplays: the files that operators asked to replay, and the outcome of every replay."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Final

from agent_core.api import AgentView, ReplayStatus, WriteOutcome
from http_monitor.state.journal import EntryKind, Journal
from http_monitor.state.storage import StorageSnapshot

MAX_FILES: Final = 200
"""Files whose counts are remembered: any of them may turn out to be a requested one."""

File = tuple[str, str]
"""The id of its sink, and its name."""


class RequestedReplays:
    """Thread-safe. Counts the records of the last files, and notes the outcome of the requested ones."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._asked: set[File] = set()
        self._written: dict[File, ReplayStatus] = {}

    def requested(self, sink_id: str, file: str) -> None:
        """An operator requested ``file``, and the agent agreed."""
        with self._lock:
            self._asked.add((sink_id, file))

    def wrote(self, sink_id: str, file: str, outcome: WriteOutcome) -> None:
        """Count records of ``file``; once per batch, in a data thread."""
        with self._lock:
            before = self._written.pop((sink_id, file), ReplayStatus())
            self._written[sink_id, file] = before.plus(outcome)
            if len(self._written) > MAX_FILES:
                del self._written[next(iter(self._written))]

    def over(self, agent: AgentView) -> set[File]:
        """Requested files that the agent is done with, one way or the other."""
        with self._lock:
            asked = set(self._asked)  # before the status: a request in between is in neither
        if not asked:
            return asked
        replays = {sink.sink_id: sink.replay or ReplayStatus() for sink in agent.status().sinks}
        return {
            (sink_id, file)
            for sink_id, file in asked
            if file not in replays[sink_id].requested_files and file != replays[sink_id].current_file
        }

    def settle(self, agent: AgentView, storage: StorageSnapshot) -> None:
        """Note in the journal what is over. Reads the disk; a folder that cannot be read is tried again next time."""
        self._settle_automatic(agent, storage)
        for sink_id, file in sorted(self.over(agent)):
            try:
                waits = file in {waiting.name for waiting in agent.backlog(sink_id)}
            except OSError:
                continue
            with self._lock:
                self._asked.discard((sink_id, file))
                written = self._written.pop((sink_id, file), ReplayStatus())
            message = (
                f"{file} was not replayed and still waits; the log says why" if waits else f"{file} {_end(written)}"
            )
            self._journal.note(EntryKind.REPLAY, sink_id, message)

    def _settle_automatic(self, agent: AgentView, storage: StorageSnapshot) -> None:
        """Files that nobody asked for: one is an entry, and those of a catch-up are one entry each minute."""
        current = {(sink.sink_id, sink.replay.current_file) for sink in agent.status().sinks if sink.replay}
        waiting = {(sink_id, file.name) for sink_id, files in storage.backlog.items() for file in files}
        done: dict[str, list[tuple[str, ReplayStatus]]] = defaultdict(list)
        with self._lock:  # data threads wait for it: nothing is made again for each file
            stay = waiting | current | self._asked
            for sink_id, file in [one for one in self._written if one not in stay]:
                done[sink_id].append((file, self._written.pop((sink_id, file))))
        for sink_id, files in done.items():
            if len(files) == 1:
                [(file, written)] = files
                self._journal.note(EntryKind.REPLAY, sink_id, f"{file} {_end(written)}")
            else:
                records = sum(written.read for _, written in files)
                self._journal.note(
                    EntryKind.REPLAY, sink_id, "backup files were replayed", records, count=len(files), merge=True
                )


def _end(written: ReplayStatus) -> str:
    """The outcome for the records that were read since the agent started."""
    if not written.read:
        return "is done: it had no records left to write"
    counts = (
        (written.inserted, "inserted"),
        (written.duplicates, "duplicates"),
        (written.rejected, "rejected again"),
    )
    return f"was replayed: {', '.join(f'{count:,} {what}' for count, what in counts if count)}"
