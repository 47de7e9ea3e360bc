"""Reserve: a file that is deleted when the disk is full, so that there is room for what makes room."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

from agent_core.api.files.private import private_opener

_ZEROS = bytes(1024 * 1024)


class Reserve:
    """SQLite needs room to delete rows as well. So the buffer takes no records while the reserve is not there.

    It is made when the disk has twice its size, and one size more, free.
    """

    def __init__(self, file: Path, size_bytes: int) -> None:
        self._file = file
        self._size_bytes = size_bytes
        self.held = False

    def hold(self) -> bool:
        """Make the file if it is not there and the disk has room; True when it is there. Never raises."""
        if not self.held:
            with suppress(OSError):
                self.held = self._file.exists() and self._file.stat().st_size == self._size_bytes
                if not self.held and shutil.disk_usage(self._file.parent).free >= 3 * self._size_bytes:
                    self._make()
        return self.held

    def give_up(self) -> bool:
        """Delete the file; False when it was not there."""
        was_held, self.held = self.held, False
        with suppress(OSError):
            self._file.unlink(missing_ok=True)
        return was_held

    def _make(self) -> None:
        try:
            with open(self._file, "wb", opener=private_opener) as stream:
                for start in range(0, self._size_bytes, len(_ZEROS)):
                    stream.write(_ZEROS[: self._size_bytes - start])
                stream.flush()
                os.fsync(stream.fileno())
            self.held = True
        except OSError:
            self.give_up()
