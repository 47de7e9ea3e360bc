"""Doubt: whether the records or the table are to blame if no record of a batch was stored.

A code that a plant's trigger raises, or one that the table of errors does not have, does not tell which. While other
records are stored, the record is to blame. If no record of a batch is, it may be the records (the batch may have only
one) or the table (a trigger that refuses everything). The records of the first few such batches in succession are
rejected: they are in the file of rejected records with their codes, and nothing waits for them. After that the table
counts as broken, and records wait until one of any batch is stored or is found in the table.
"""

from __future__ import annotations

import threading
from typing import Final

_BATCHES: Final = 2
"""How many batches are rejected before the table counts as broken. It limits how many good records a broken table sends
to the file of rejected records."""


class Doubt:
    """Counts successive batches of which no record was stored. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = 0

    def clear(self) -> None:
        """The table has a record of a batch, so it is not broken."""
        with self._lock:
            self._batches = 0

    def table_is_broken(self) -> bool:
        """Count a batch of which no record was stored; True if there were too many to blame the records."""
        with self._lock:
            self._batches += 1
            return self._batches > _BATCHES
