"""Listing: the files that wait for replay, known without a look at the folder each time."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent_core.api import BacklogFile, Clock
from csv_sink.files.folder import FileKind, FileVersion, Folder, Waiting, age_of, kind_of
from csv_sink.files.inventory import Inventory

LOOK_SECONDS: Final = 60.0
"""The folder is looked at again after so long, whatever its time says: file systems keep time coarsely."""

_SHARE: Final = 0.02
"""Looking at the folder takes at most this share of the time, however many files there are."""


class Listing:
    """Oldest first. Thread-safe; no call waits for a look that another thread takes, except ``files``.

    What this process adds and removes is noted; what others do shows in the folder's own time, or at the next look.
    """

    def __init__(self, folder: Folder, inventory: Inventory, clock: Clock) -> None:
        self._folder = folder
        self._inventory = inventory
        self._clock = clock
        self._looking = threading.Lock()
        self._lock = threading.Lock()
        self._files: list[BacklogFile] | None = None
        self._versions: dict[str, FileVersion] = {}
        self._counts: Counter[FileKind] = Counter()
        self._changes = 0
        self._changed_ns = 0
        self._look_at = 0.0

    def files(self) -> list[BacklogFile]:
        """The files that wait; looks at the folder when it was changed by others, or it is time. Raises OSError."""
        with self._looking:
            now, changed_ns = self._clock.monotonic(), self._folder.changed_ns()
            if self._is_valid(now, changed_ns):
                if self._inventory.uncounted:
                    self._inventory.count(self._folder.path)
                    with self._lock:
                        self._files = [self._counted(file) for file in self._files or ()]
            else:
                self._look(now, changed_ns)
            with self._lock:
                return list(self._files or ())

    def _is_valid(self, now: float, changed_ns: int) -> bool:
        with self._lock:
            return self._files is not None and changed_ns == self._changed_ns and now < self._look_at

    def _look(self, now: float, changed_ns: int) -> None:
        with self._lock:
            mark, changes = self._inventory.mark(), self._changes
        waiting = self._folder.complete()
        took = self._clock.monotonic() - now
        self._inventory.compare(mark, [(path, version.size_bytes) for path, version in waiting])
        self._inventory.count(self._folder.path)
        with self._lock:
            self._versions = {file.path.name: file.version for file in waiting}
            self._counts = Counter(kind_of(file.path) for file in waiting)
            self._files = [self._entry(file) for file in waiting]
            # Files that came and went while we looked may be missing or gone: look again the next time.
            self._changed_ns = changed_ns if changes == self._changes else -1
            self._look_at = now + max(LOOK_SECONDS, took / _SHARE)

    def waiting(self, kind: FileKind) -> int:
        """How many files of a kind wait, as far as is known."""
        with self._lock:
            return self._counts[kind]

    def version(self, name: str) -> FileVersion | None:
        """The version that the listing saw."""
        with self._lock:
            return self._versions.get(name)

    def add(self, path: Path) -> None:
        """A file was completed, or salvaged."""
        try:
            file = Waiting(path, FileVersion.of(path.stat()))
        except OSError:  # the next look finds it
            self.forget()
            return
        changed_ns = self._folder.changed_ns()
        with self._lock:
            self._note_change(changed_ns)
            self._remove(path)
            self._versions[path.name] = file.version
            if self._files is not None:
                self._counts[kind_of(path)] += 1
                insort(self._files, self._entry(file), key=_age)

    def remove(self, name: str) -> None:
        """A file has left the folder."""
        self._inventory.remove(name)
        changed_ns = self._folder.changed_ns()
        with self._lock:
            self._note_change(changed_ns)
            self._remove(self._folder.path / name)

    def touched(self) -> None:
        """A file that is not complete was made or removed: the folder's time has changed, its listing has not."""
        changed_ns = self._folder.changed_ns()
        with self._lock:
            self._note_change(changed_ns)

    def forget(self) -> None:
        """Look at the folder the next time."""
        with self._lock:
            self._changed_ns = -1

    def _note_change(self, changed_ns: int) -> None:
        self._changes += 1
        if self._changed_ns != -1:
            self._changed_ns = changed_ns

    def _remove(self, path: Path) -> None:
        self._versions.pop(path.name, None)
        if self._files is not None:
            index = bisect_left(self._files, age_of(path), key=_age)
            if index < len(self._files) and self._files[index].name == path.name:
                del self._files[index]
                self._counts[kind_of(path)] -= 1

    def _entry(self, file: Waiting) -> BacklogFile:
        name, rejected = file.path.name, kind_of(file.path) is FileKind.REJECTED
        records = self._inventory.records(name)
        return BacklogFile(name, file.version.size_bytes, records, rejected, file.path, str(file.version))

    def _counted(self, file: BacklogFile) -> BacklogFile:
        return replace(file, records=self._inventory.records(file.name)) if file.records is None else file


def _age(file: BacklogFile) -> tuple[str, int, str]:
    assert file.path is not None
    return age_of(file.path)
