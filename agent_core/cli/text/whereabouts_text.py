"""Where the records are, as every command prints it."""

from __future__ import annotations

from typing import Final

from agent_core.api import Whereabouts

PLACES: Final = ("written", "in memory", "in files", "rejected", "lost")
"""The words of every surface, in this order."""


def place_numbers(places: Whereabouts) -> tuple[str, ...]:
    """One text for each of PLACES; ``~`` marks what is estimated until it has been counted."""
    about = "" if places.counted else "~"
    return (
        f"{places.written:,}",
        f"{places.in_memory:,}",
        f"{about}{places.in_files:,}",
        f"{about}{places.rejected:,}",
        f"{places.lost:,}",
    )


def whereabouts_text(places: Whereabouts) -> str:
    """``written 150,378 (76,572 from files), in memory 103, in files 45,556, rejected 0, lost 0``."""
    written, *others = place_numbers(places)
    back = f" ({places.written_back:,} from files)" if places.written_back else ""
    parts = [f"written {written}{back}"]
    return ", ".join(parts + [f"{place} {number}" for place, number in zip(PLACES[1:], others, strict=True)])
