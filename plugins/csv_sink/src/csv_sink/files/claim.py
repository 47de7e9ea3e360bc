"""FolderClaim: that a folder is this process's own, and whether it is the folder that was used before."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agent_core.api import ComponentContext, RetryableError
from csv_sink.files.failure import translated
from csv_sink.files.folder import Folder
from csv_sink.files.inventory import Inventory
from csv_sink.files.lock import FolderHeld, FolderLock
from csv_sink.files.memory import FolderMemory, Remembered

_NOTE_SECONDS: Final = 60.0

REPLACED_NEXT_STEP: Final = (
    "mount the previous disk before the agent starts, or move the previous files into the folder"
)


class FolderClaim:
    """The lock on a folder, and the memory of it. Not thread-safe, but for ``note`` and the properties."""

    def __init__(self, folder: Folder, context: ComponentContext, inventory: Inventory) -> None:
        self._folder = folder
        self._clock = context.clock
        self._log = context.log
        self._sink_id = context.component_id
        self._inventory = inventory
        self._lock = FolderLock(folder.path)
        self._noted: int | None = None
        self._note_at = 0.0
        self.memory = FolderMemory(folder.path, context.state_dir, context.component_id)
        self.replaced: Remembered | None = None
        """The folder that was used before, if the one that is used now is another."""

    @property
    def held(self) -> bool:
        """True between ``take`` and ``release``."""
        return self._lock.held

    @property
    def in_place(self) -> bool:
        """True while the folder that was taken is there; it may have been deleted, and the lock with it."""
        return self._lock.in_place

    def take(self, *, again: bool) -> list[Path]:
        """Lock the folder, which is there afterwards; returns the files in it that are not complete.

        ``again``: it was ours a moment ago, so the inventory knows what waits in it. Raises RetryableError; then the
        folder is not held.
        """
        self._lock.release()
        with translated(self._folder.path):
            self._folder.make()
            try:
                self._lock.acquire()
            except FolderHeld as error:
                raise RetryableError(f"{error}; stop it, or give each sink its own directory:") from None
            try:
                unfinished = self._folder.parts()
            except OSError:
                self._lock.release()  # else nobody would look for them again
                raise
        self._compare(again=again)
        return unfinished

    def release(self) -> None:
        """Note what waits, and let others have the folder. Safe without ``take``."""
        held = self._lock.held
        self._lock.release()
        if held:
            self._note()

    def note(self) -> None:
        """Note in the state directory what waits in the folder, if that has changed, about once a minute."""
        if self._lock.held and self._clock.monotonic() >= self._note_at:
            self._note_at = self._clock.monotonic() + _NOTE_SECONDS
            self._note()

    def note_lost(self) -> None:
        """If the folder is gone, note what waited in it in the end."""
        self.memory.lost(self._waiting_records())

    def _compare(self, *, again: bool) -> None:
        """Say so if the folder is not the one that was used before, in this run or the last."""
        remembered, other = self.memory.recall(), self.memory.other_folder()
        if other is not None:
            if again:
                other = other._replace(records=self._waiting_records())
            self.replaced = other
            self._log.warning(
                "backup folder replaced",
                sink=self._sink_id,
                folder=self._folder.path,
                previous_folder=other.folder,
                waiting_records=other.records,
                next_step=REPLACED_NEXT_STEP,
            )
        if remembered is None or other is not None:
            self.memory.keep(0, other)
        self._noted = None

    def _note(self) -> None:
        records = self._waiting_records()
        if records != self._noted:
            self.memory.keep(records)
            self._noted = records

    def _waiting_records(self) -> int:
        stock = self._inventory.stock()
        return stock.backup_records + stock.rejected_records
