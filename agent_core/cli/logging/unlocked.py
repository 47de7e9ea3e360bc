"""UnlockedHandler: a log handler without a lock."""

from __future__ import annotations

import logging
from typing import cast


class UnlockedHandler(logging.Handler):
    """``emit`` runs in several threads at a time: a ``__str__`` that hangs holds up its own caller and nobody else."""

    def createLock(self) -> None:  # noqa: N802 - the name that logging calls
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:  # type: ignore[override]
        # From Python 3.13 on, the method of logging.Handler fails without a lock.
        kept = cast("bool | logging.LogRecord", self.filter(record))
        if kept:
            self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return kept
