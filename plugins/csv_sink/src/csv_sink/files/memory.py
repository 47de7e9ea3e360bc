"""FolderMemory: which folder was used last, and what waited in it."""

from __future__ import annotations

import json
import os
import secrets  # noqa: TID251 - the id of a folder decides nothing, and must not come twice
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent_core.api.files.private import make_private_folder, replace_private
from agent_core.api.files.whole_file import read_whole, read_whole_text
from csv_sink.files.lock import holder

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
        """What was noted last of this folder, or else of the one used before it; None the first time.

        A folder that another sink of this process uses is not one used before: a sink and its fallback share an id.
        """
        noted = self._noted()
        if (own := noted.get(str(self._folder))) is not None:
            return own
        before = [other for folder, other in noted.items() if holder(Path(folder)) != str(os.getpid())]
        return before[-1] if before else None

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

    def keep(self, records: int, instead_of: Remembered | None = None) -> None:
        """Give the folder an id if it has none, note what waits in it, and forget ``instead_of``."""
        with suppress(OSError):
            noted = self._noted()
            if instead_of is not None:
                noted.pop(instead_of.folder, None)
            self._store(noted, Remembered(str(self._folder), self.folder_id() or self._make_id(), records))

    def lost(self, records: int) -> None:
        """If the folder is gone, note what waited in it in the end, for whoever asks before it is back."""
        with suppress(OSError):
            noted = self._noted()
            if (remembered := noted.get(str(self._folder))) is not None and self.folder_id() is None:
                self._store(noted, remembered._replace(records=records))

    def _store(self, noted: dict[str, Remembered], last: Remembered) -> None:
        noted.pop(last.folder, None)  # it becomes the last
        noted[last.folder] = last
        make_private_folder(self._path.parent)
        replace_private(self._path, json.dumps([folder._asdict() for folder in noted.values()]))

    def _noted(self) -> dict[str, Remembered]:
        """Every folder that is remembered, the last one used last."""
        try:
            noted = [
                Remembered(str(folder["folder"]), str(folder["folder_id"]), int(folder["records"]))
                for folder in json.loads(read_whole_text(self._path, _LARGEST_BYTES))
            ]
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return {}
        return {folder.folder: folder for folder in noted}

    def _make_id(self) -> str:
        folder_id = secrets.token_hex(_ID_LENGTH // 2)
        replace_private(self._folder / NAME, f"{folder_id}\n")
        return folder_id
