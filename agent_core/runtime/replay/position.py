"""ReplayPosition: how far a replay came in a backup file."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from agent_core.api import BacklogFile


class ReplayPosition:
    """How far the replay came in which file; that of the last one is kept across restarts.

    Losing it costs time, not data: the rows are recognised as duplicates.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] | None = None

    def next_record(self, file: str) -> int:
        """Where to go on in ``file``."""
        return self._all().get(file, 0)

    def keep(self, file: str, next_record: int) -> None:
        """Remember it; written beside and moved into place, so a crash leaves the old or the new one.

        Raises OSError when only this process will remember it.
        """
        self._known = self._all() | {file: next_record}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_suffix(".new")
        beside.write_text(json.dumps({"file": file, "next_record": next_record}), encoding="utf-8")
        beside.replace(self._path)

    def forget(self) -> None:
        """Begin at the first record again, in every file."""
        self._known = {}
        self._path.unlink(missing_ok=True)

    def drop(self, file: str) -> None:
        """Forget ``file``: one that is put back, or gets its name some day, begins at the first record."""
        self.keep_only(self._all().keys() - {file})

    def keep_only(self, files: Collection[str]) -> None:
        """Forget all files but these."""
        gone = self._all().keys() - set(files)
        if not gone:
            return
        self._known = {file: record for file, record in self._all().items() if file not in gone}
        if self._stored().keys() & gone:
            with suppress(OSError):
                self._path.unlink()

    def _all(self) -> dict[str, int]:
        if self._known is None:
            self._known = self._stored()
        return self._known

    def _stored(self) -> dict[str, int]:
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(stored["file"]): int(stored["next_record"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def position_key(file: BacklogFile) -> str:
    """What a position calls a file: one that somebody has edited, to mend a line of it, begins at its first record."""
    return f"{file.name} {file.size_bytes}"
