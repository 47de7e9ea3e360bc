"""Moments: where the process is killed, and what becomes of the records that are there (docs/guarantees.md).

The source emits numbers in hundreds, and every write is one hundred; so the second write has numbers 100 to 199.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from oracle_standin.process import Standin
from runs.counting.counted_run import CountedRun

POISON_EVERY: Final = 151
"""Number 150 is the first poison."""

BUFFERS: Final[Mapping[str, str]] = {
    "memory_buffer": "{type: memory_buffer}",
    "disk_buffer": "{type: disk_buffer}",
}
"""The YAML of each buffer. A new one needs a column in every ``fates`` below, and one in the document."""


class Fate(StrEnum):
    """What becomes of records after the next start."""

    KEPT = "kept"
    """Each is once where it belongs."""

    RECOGNISED = "recognised"
    """They are written again and found there, so each is once where it belongs."""

    REPEATED = "repeated"
    """They are in the file of rejected records twice."""

    LOST = "lost"
    """They are nowhere, and nobody counted them."""


Prepare = Callable[[Standin], None]
Affected = Callable[[CountedRun], range]


@dataclass(frozen=True)
class Moment:
    """``text`` is its row of the document, ``affected`` the numbers that the fates are about; all others are kept.

    It comes by ``hold`` (a point of holding_sink) or by what ``prepare`` does to the database. ``away``: the database
    is refused when the agent starts. ``replay``: the killed process had a backlog of numbers 0 to 499 and no source.
    ``stop``: it was told to stop.
    """

    text: str
    fates: Mapping[str, Fate]
    affected: Affected
    hold: str = ""
    prepare: Prepare | None = None
    numbers: int = 200
    poison: bool = False
    away: bool = False
    replay: bool = False
    stop: bool = False
    words: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.text.replace(" ", "_")


def _held(point: str, nth: int, when: str = "before") -> Prepare:
    """The nth call of that kind gets no answer until the agent is gone."""

    def prepare(server: Standin) -> None:
        match = {"match": "^insert"} if point == "execute" else {}
        server.fault(point, "hang", nth=nth, when=when, **match)

    return prepare


def _numbers(start: int, stop: int) -> Affected:
    return lambda run: range(start, stop)


def _not_whole_on_disk(run: CountedRun) -> range:
    """Numbers of the second append of which no whole line is in the file."""
    [file] = run.waiting_files()
    lines = file.read_bytes().count(b"\n") - 1
    assert 100 < lines < 200, "the append was cut in the middle"
    return range(lines, 200)


MOMENTS: Final = (
    Moment(
        "records wait in the buffer",
        {"memory_buffer": Fate.LOST, "disk_buffer": Fate.KEPT},
        _numbers(100, 500),
        prepare=_held("execute", 2),
        numbers=500,
    ),
    Moment(
        "a write was sent and is not committed",
        {"memory_buffer": Fate.LOST, "disk_buffer": Fate.KEPT},
        _numbers(100, 200),
        prepare=_held("commit", 2),
    ),
    Moment(
        "a write is committed and its answer not seen",
        {"memory_buffer": Fate.KEPT, "disk_buffer": Fate.RECOGNISED},
        _numbers(100, 200),
        prepare=_held("commit", 2, "after"),
    ),
    Moment(
        "the other records of a batch are committed, the rejected ones not yet in the fallback",
        {"memory_buffer": Fate.LOST, "disk_buffer": Fate.KEPT},
        _numbers(150, 151),
        hold="before rejected:1",
        poison=True,
    ),
    Moment(
        "rejected records are in the fallback, their batch is not settled",
        {"memory_buffer": Fate.KEPT, "disk_buffer": Fate.REPEATED},
        _numbers(150, 151),
        hold="after rejected:1",
        poison=True,
    ),
    Moment(
        "records are being appended to the fallback: those not whole on disk",
        {"memory_buffer": Fate.LOST, "disk_buffer": Fate.KEPT},
        _not_whole_on_disk,
        hold="half appended:2",
        away=True,
    ),
    Moment(
        "records are in the fallback, their batch is not settled",
        {"memory_buffer": Fate.KEPT, "disk_buffer": Fate.RECOGNISED},
        _numbers(100, 200),
        hold="after diverted:2",
        away=True,
    ),
    Moment(
        "a stop hands the buffer's records to the fallback: those not handed over",
        {"memory_buffer": Fate.LOST, "disk_buffer": Fate.KEPT},
        _numbers(0, 500),  # one append has them all
        hold="before diverted:1",
        numbers=500,
        away=True,
        stop=True,
        words={"DIVERT": "under_pressure"},
    ),
    Moment(
        "a replayed batch was sent and is not committed",
        dict.fromkeys(BUFFERS, Fate.KEPT),
        _numbers(200, 300),
        prepare=_held("commit", 3),
        replay=True,
    ),
    Moment(
        "a replayed batch is committed and its answer not seen",
        dict.fromkeys(BUFFERS, Fate.RECOGNISED),
        _numbers(200, 300),
        prepare=_held("commit", 3, "after"),
        replay=True,
    ),
    Moment(
        "a replayed batch is committed, its position is not on disk",
        dict.fromkeys(BUFFERS, Fate.RECOGNISED),
        _numbers(200, 300),
        hold="before position:3",
        replay=True,
    ),
    Moment(
        "records that a replay found unfit are in the rejected file, its position is not on disk",
        dict.fromkeys(BUFFERS, Fate.REPEATED),
        _numbers(150, 151),
        hold="after rejected:1",
        poison=True,
        replay=True,
    ),
    Moment(
        "all records of a file are replayed, it is not yet in `done`",
        dict.fromkeys(BUFFERS, Fate.KEPT),
        _numbers(0, 500),
        hold="before finish:1",
        replay=True,
    ),
    Moment(
        "a replayed file has been moved to `done`",
        dict.fromkeys(BUFFERS, Fate.KEPT),
        _numbers(0, 500),
        hold="after finish:1",
        replay=True,
    ),
)
