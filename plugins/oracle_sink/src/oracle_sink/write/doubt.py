"""Doubt: whether rows or the table are to blame when no row of a batch went in.

A code that a plant's trigger raises, or one that the table of errors does not know, says of a row that went nowhere
only that. While other rows go in, the row is to blame. When no row of a batch does, it may be the row (the batch may be
a single one) or the table (a trigger that refuses everything). The first few such batches in a row are taken for rows
to reject: they are in the file of rejected rows with their codes, and nothing waits behind them. From then on the table
is taken for broken, and rows wait, until one of any batch goes in or is there already.
"""

from __future__ import annotations

import threading
from typing import Final

_BATCHES: Final = 2
"""Batches whose rows are rejected before the table is doubted. It bounds how many good rows a broken table sends to the
file of rejected rows."""


class Doubt:
    """Counts batches in a row of which no row went in. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._batches = 0

    def clear(self) -> None:
        """The table took a row, or has one of the batch: it is not broken."""
        with self._lock:
            self._batches = 0

    def table_is_broken(self) -> bool:
        """Count a batch of which no row went in; True when there were too many to blame their rows."""
        with self._lock:
            self._batches += 1
            return self._batches > _BATCHES
