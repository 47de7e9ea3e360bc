"""WitnessFile: a few records that the table has taken, for the next process.

Without it, a restart while the table refuses everything would leave nobody to ask, and good records would be rejected
in the end.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Final

from agent_core.api import EMPTY, Batch, Origin, Value
from agent_core.api.files.private import make_private_folder, replace_private
from agent_core.api.files.whole_file import read_whole_text

_LARGEST_BYTES: Final = 64 * 1024 * 1024


class WitnessFile:
    """The records of one sink and table, in ``state_dir``. Losing it costs what the judge knows after a restart."""

    def __init__(self, state_dir: Path, sink: str, dsn: str, table: str) -> None:
        owner = hashlib.sha256(f"{sink}\n{dsn}\n{table}".encode()).hexdigest()[:16]
        self._path = state_dir / f"witnesses-{owner}.json"

    def keep(self, records: Batch) -> None:
        """Does nothing if that fails."""
        stored = [[r.name, _plain(r.value), r.quality, r.origin] for r in records.records()]
        with suppress(OSError):
            make_private_folder(self._path.parent)
            replace_private(self._path, json.dumps(stored))

    def read(self) -> Batch:
        """The records, all with time 0; EMPTY if there are none, or they cannot be read."""
        try:
            stored = json.loads(read_whole_text(self._path, _LARGEST_BYTES))
            return Batch.join(
                [
                    Batch.of(Origin(*map(str, origin)), (str(name),), (_value(value),), 0, bytes((quality,)))
                    for name, value, quality, origin in stored
                ]
            )
        except (OSError, ValueError, TypeError, ArithmeticError, RecursionError):
            return EMPTY


def _plain(value: Value) -> object:
    return [str(value)] if isinstance(value, Decimal) else value


def _value(stored: object) -> Value:
    if isinstance(stored, list):
        return Decimal(*stored)
    if stored is None or isinstance(stored, (float, int, str)):
        return stored
    raise TypeError(f"no value: {stored!r}")
