"""ReplayPosition: how far a replay came in which backup file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path


class ReplayPosition:
    """The record at which each unfinished file is resumed, also after a restart.

    Losing it costs time, not data: the sink recognises the records that it has.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] | None = None

    def next_record(self, file: str) -> int:
        """Where to resume in ``file``."""
        return self._all().get(file, 0)

    def all(self) -> Mapping[str, int]:
        """Where to resume, of every file that was replayed in part."""
        return self._all()

    def keep(self, file: str, next_record: int) -> None:
        """Store it; a crash leaves the old position or the new one.

        Raises OSError when only this process will remember it.
        """
        self._known = self._all() | {file: next_record}
        self._store()

    def drop(self, file: str) -> None:
        """Forget ``file``: one that is put back, or gets its name some day, begins at its first record."""
        self.keep_only(self._all().keys() - {file})

    def keep_only(self, files: Collection[str]) -> None:
        """Forget all files but these."""
        known = self._all()
        if self._known != (left := {file: known[file] for file in known if file in files}):
            self._known = left
            with suppress(OSError):
                self._store()

    def _store(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._known), encoding="utf-8")
        new.replace(self._path)

    def _all(self) -> dict[str, int]:
        if self._known is None:
            try:
                stored = json.loads(self._path.read_text(encoding="utf-8"))
                self._known = {str(file): int(record) for file, record in stored.items()}
            except (OSError, ValueError, TypeError, AttributeError):
                self._known = {}
        return self._known
