"""Whereabouts: where every record is, in the words and numbers that every surface shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_core.api.control import LedgerSnapshot, ReplayStatus


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the records of one sink, or of all sinks, are now.

    ``written``: in the sink's destination; ``written_back`` of them came from files. ``in_memory``: in the buffer or on
    the way to the sink. ``in_files``: in the fallback, waiting to be written back, files of earlier runs and the open
    one included. ``rejected``: refused for their content and kept in the fallback. ``lost``: dropped, in no place.

    The ledger counts since the start, what is in files is what lies there. ``counted`` is False while files of an
    earlier run are being counted; until then their records are estimated from their size.
    """

    written: int = 0
    written_back: int = 0
    in_memory: int = 0
    in_files: int = 0
    rejected: int = 0
    lost: int = 0
    counted: bool = True

    @property
    def waiting(self) -> int:
        """Records that are on their way, wherever they wait."""
        return self.in_memory + self.in_files

    @classmethod
    def of(cls, ledger: LedgerSnapshot, replay: ReplayStatus | None) -> Whereabouts:
        """From the two accounts of one sink. Without a fallback that is read back, what was diverted stays there."""
        written = ledger.delivered + ledger.duplicates
        if replay is None:
            return cls(written, 0, ledger.pending, ledger.diverted, ledger.rejected, ledger.dropped)
        back = replay.inserted + replay.duplicates - replay.repeated
        return cls(
            written=written + back,
            written_back=back,
            in_memory=ledger.pending,
            in_files=replay.waiting_records,
            rejected=replay.rejected_records,
            lost=ledger.dropped,
            counted=replay.counted,
        )

    @classmethod
    def together(cls, parts: Iterable[Whereabouts]) -> Whereabouts:
        """The sum over several sinks."""
        every = list(parts)
        numbers = {field.name: sum(getattr(one, field.name) for one in every) for field in fields(cls)}
        return cls(**{**numbers, "counted": all(one.counted for one in every)})
