"""What a session counts; the server sums them up for ``GET /counters``."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Counters:
    """Plain counts since the start or the last reset."""

    connections: int = 0
    refused: int = 0
    logons: int = 0
    bad_logons: int = 0
    closed: int = 0
    dropped: int = 0  # by fault rules
    requests: int = 0
    parses: int = 0
    executes: int = 0
    queries: int = 0
    rows: int = 0  # changed by DML
    rows_failed: int = 0
    rows_fetched: int = 0
    commits: int = 0
    rollbacks: int = 0
    pings: int = 0
    errors: int = 0
    breaks: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def add(self, other: Counters) -> None:
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))

    def reset(self) -> None:
        for f in fields(self):
            setattr(self, f.name, 0)
