"""ReplayPosition: how far a replay came in which backup file."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent_core.api.files.private import make_private_folder, replace_private
from agent_core.api.files.whole_file import read_whole_text

_LARGEST_BYTES: Final = 64 * 1024 * 1024
"""Of a file of positions; 100,000 unfinished backup files take 5 MB."""


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
        make_private_folder(self._path.parent)
        replace_private(self._path, json.dumps(self._known))

    def _all(self) -> dict[str, int]:
        if self._known is None:
            try:
                stored = json.loads(read_whole_text(self._path, _LARGEST_BYTES))
                known = {str(file): int(record) for file, record in stored.items()}
                self._known = {file: record for file, record in known.items() if record >= 0}
            except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
                self._known = {}
        return self._known
