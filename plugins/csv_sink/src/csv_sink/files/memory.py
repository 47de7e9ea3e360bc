"""FolderMemory: which folder was used last, and what waited in it."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent_core.api.private import make_private_folder, replace_private
from agent_core.api.whole_file import read_whole, read_whole_text

NAME: Final = ".id"

_ID_LENGTH: Final = 16
_LARGEST_BYTES: Final = 64 * 1024


class Remembered(NamedTuple):
    """A folder, the id it had, and how many records waited in its files, as of the last note."""

    folder: str
    folder_id: str
    records: int


class FolderMemory:
    """A folder has an id, in its file ``.id``; the agent's state directory remembers it.

    So a folder that is not the one of the last run shows, although it has the same name: a disk that is mounted late,
    or not at all, leaves another folder in its place. Device and inode numbers would not do: they change at a restart
    of the machine, or are equal by chance. Never raises: a note that cannot be kept costs a warning, not a record.
    """

    def __init__(self, folder: Path, state_dir: Path, sink_id: str) -> None:
        self._folder = folder
        self._path = state_dir / "csv_sink" / f"{sink_id}.json"

    def recall(self) -> Remembered | None:
        """What was noted last; None the first time."""
        try:
            noted = json.loads(read_whole_text(self._path, _LARGEST_BYTES))
            return Remembered(str(noted["folder"]), str(noted["id"]), int(noted["waiting_records"]))
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None

    def other_folder(self) -> Remembered | None:
        """The folder that was used last, if it is not the one that is there now."""
        remembered = self.recall()
        return None if remembered is None or remembered.folder_id == self.folder_id() else remembered

    def folder_id(self) -> str | None:
        """The id of the folder that is there now; None if it has none."""
        with suppress(OSError):
            text = read_whole(self._folder / NAME, _LARGEST_BYTES).decode("ascii", "replace")
            return text.strip()[:_ID_LENGTH] or None
        return None

    def keep(self, records: int) -> None:
        """Give the folder an id if it has none, and note what waits in it."""
        with suppress(OSError):
            folder_id = self.folder_id() or self._make_id()
            noted = {"folder": str(self._folder), "id": folder_id, "waiting_records": records}
            make_private_folder(self._path.parent)
            replace_private(self._path, json.dumps(noted))

    def _make_id(self) -> str:
        folder_id = secrets.token_hex(_ID_LENGTH // 2)
        descriptor = os.open(self._folder / NAME, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, f"{folder_id}\n".encode())
        finally:
            os.close(descriptor)
        return folder_id
