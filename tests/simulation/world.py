"""World: what outlives one life of the agent: the table, what was emitted, and what was said of it.

A value is a number that is emitted once. ``check_life`` and ``check_end`` hold the world against the guarantees.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent_core.api import LedgerSnapshot
from agent_core.testing.simulation.disk import FileTimes

REFUSED_EVERY = 17
"""The table refuses the content of every so many values."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a history is about, drawn from its seed."""

    idempotent: bool
    workers: int
    sources: int
    largest_batch: int
    capacity: int
    when_full: str
    max_records: int
    fallback: bool
    replay: bool
    power_cuts: bool
    hasty: bool
    transformed: bool
    moody_buffer: bool
    shutdown_seconds: float
    polled: bool

    @property
    def written_back(self) -> bool:
        """Whether the agent empties the fallback by itself: only a table that recognises what it has allows that."""
        return self.replay and self.idempotent

    @classmethod
    def drawn(cls, randomness: random.Random) -> Settings:
        fallback = randomness.random() < 0.85
        return cls(
            idempotent=randomness.random() < 0.6,
            workers=randomness.randint(1, 3),
            sources=randomness.randint(1, 3),
            largest_batch=randomness.choice((1, 5, 30)),
            capacity=randomness.choice((20, 60, 200)),
            when_full=randomness.choice(("drop_oldest", "drop_oldest", "drop_newest", "block")),
            max_records=randomness.choice((1, 7, 25)),
            fallback=fallback,
            replay=fallback and randomness.random() < 0.7,
            power_cuts=randomness.random() < 0.5,
            hasty=randomness.random() < 0.4,
            transformed=randomness.random() < 0.4,
            moody_buffer=randomness.random() < 0.3,
            shutdown_seconds=randomness.choice((5.0, 30.0)),
            polled=randomness.random() < 0.3,
        )


@dataclass
class World:
    """Plain data, so that a life can give it back."""

    settings: Settings
    folder: Path
    now: float = 0.0
    lives: int = 0
    points: int = 0
    trace: str = ""
    emitted: int = 0
    """Numbers below it were handed to ``emit``, or were about to be."""
    table: Counter[int] = field(default_factory=Counter)
    said_delivered: set[int] = field(default_factory=set)
    said_diverted: set[int] = field(default_factory=set)
    uncertain: set[int] = field(default_factory=set)
    """Whoever wrote them could not know whether they went in."""
    unsure: set[int] = field(default_factory=set)
    """In this life, the answer to their write was lost or made no sense."""
    deleted: set[int] = field(default_factory=set)
    """Refused, and their file was deleted by the operator."""
    calling: Counter[int] = field(default_factory=Counter)
    """In a call of ``write`` that has not returned."""
    stopping: bool = False
    left_behind: set[int] = field(default_factory=set)
    """In a call of ``write`` that returned during the stop, which may have taken them over before."""
    congested: bool = False
    """The disk was so slow in this life that records have queued up before the fallback, beside the buffer."""
    accused: str | None = None
    """What a part has seen that must not be."""
    writing: Counter[int] = field(default_factory=Counter)
    """Handed to the table, and not yet announced as delivered."""
    file_times: FileTimes = field(default_factory=dict)
    refused_again: bool = False
    """The position of a replay may not have been kept, or an operator had refused records replayed: then those that
    are refused again are in two files."""
    perhaps_lost: set[int] = field(default_factory=set)
    dropped: int = 0
    defects: list[str] = field(default_factory=list)
    last: tuple[str, ...] = ()

    # ---- in the life that runs

    def next_values(self, count: int) -> range:
        """Numbers that nobody has had."""
        self.emitted += count
        return range(self.emitted - count, self.emitted)

    def accuse(self, problem: str) -> None:
        """Let the history fail at the next look."""
        self.accused = self.accused or problem

    @staticmethod
    def refuses(value: int) -> bool:
        """Whether the table refuses its content."""
        return value % REFUSED_EVERY == REFUSED_EVERY - 1

    # ---- between lives

    def in_files(self) -> tuple[Counter[int], Counter[int], Counter[int]]:
        """What waits in files, what was refused, and what was written back."""
        waiting, refused, done = Counter[int](), Counter[int](), Counter[int]()
        for path in sorted(self.folder.glob("backup/sink/**/*.csv*")):
            kind = done if path.parent.name == "done" else refused if path.name.startswith("rejected") else waiting
            kind.update(_values(path))
        return waiting, refused, done

    def after_kill(self) -> None:
        """What was in memory is gone; what was said to be safe must not be."""
        waiting, refused, done = self.in_files()
        there = set(self.table) | set(waiting) | set(refused) | set(done)
        for said, values in (("delivered", self.said_delivered), ("diverted", self.said_diverted)):
            if lost := sorted(values - there - self.perhaps_lost):
                raise AssertionError(f"{len(lost)} values were {said}, and are nowhere after the kill: {lost[:20]}")
        missing = set(range(self.emitted)) - there
        new = missing - self.perhaps_lost
        settings = self.settings
        most = settings.capacity + (settings.sources + 1) * settings.largest_batch + self.dropped_unseen()
        if not self.congested and len(new) > most + self.dropped_now:
            raise AssertionError(f"a kill lost {len(new)} values, at most {most + self.dropped_now} were in memory")
        self.perhaps_lost |= missing
        self.uncertain |= set(+self.writing)
        self.uncertain |= set(waiting) & (
            set(self.table) | set(refused)
        )  # a replay, or a diversion, that had not ended
        self.writing.clear()
        self.dropped_now = 0

    dropped_now: int = 0
    """Dropped in this life, as its observer heard."""

    def dropped_unseen(self) -> int:
        """Room for those whose drop the observer had not heard of."""
        return self.settings.largest_batch * self.settings.sources

    def delete(self, path: Path) -> None:
        """An operator is about to delete a file of refused values."""
        self.deleted.update(_values(path))
        self.perhaps_lost |= self.deleted

    def after_troubled_stop(self, ledger: LedgerSnapshot, began_with: int) -> None:
        """A call hung, or a source went on emitting: what is lost is counted, but where the rest is may be unclear."""
        waiting, refused, done = self.in_files()
        there = set(self.table) | set(waiting) | set(refused) | set(done) | self.deleted
        missing = set(range(began_with, self.emitted)) - there
        unseen = self.emitted - began_with - ledger.collected
        if len(missing) > ledger.dropped + ledger.pending + unseen:
            raise AssertionError(f"{len(missing)} are nowhere: {sorted(missing)[:20]} {ledger}")
        self.perhaps_lost |= missing
        if twice := sorted(v for v, n in waiting.items() if n > 1 and v not in self.uncertain):
            raise AssertionError(f"{len(twice)} values twice in the fallback: {twice[:20]}")
        self.uncertain |= set(+self.writing) | set(waiting)
        self.writing.clear()
        self.dropped_now = 0

    def after_stop(self, ledger: LedgerSnapshot, began_with: int) -> None:
        """A clean end: every value of this life is in a place that the ledger names."""
        if not ledger.balanced or ledger.pending:
            raise AssertionError(f"the ledger of a clean stop: {ledger}")
        mine = set(range(began_with, self.emitted))
        if ledger.collected != len(mine):
            raise AssertionError(f"collected {ledger.collected} of {len(mine)}: {ledger}")
        waiting, refused, done = self.in_files()
        missing = mine - set(self.table) - set(waiting) - set(refused) - set(done) - self.deleted
        dropped_and_there = len(mine & (self.uncertain | set(+self.writing)) & set(self.table))
        if not len(missing) <= ledger.dropped <= len(missing) + dropped_and_there:
            nowhere = sorted(missing)[:20]
            raise AssertionError(f"{len(missing)} are nowhere, dropped {ledger.dropped}: {nowhere} {ledger}")
        there = set(self.table) | set(waiting) | set(refused) | set(done) | self.deleted | self.perhaps_lost
        for said, values in (("delivered", self.said_delivered), ("diverted", self.said_diverted)):
            if lost := sorted(values - there):
                raise AssertionError(f"{len(lost)} values were {said}, and are nowhere: {lost[:20]}")
        self.perhaps_lost |= missing
        self.dropped += ledger.dropped
        self.check_no_double(waiting, refused, done)
        self.writing.clear()
        self.dropped_now = 0

    def check_no_double(self, waiting: Counter[int], refused: Counter[int], done: Counter[int]) -> None:
        """Nothing is twice where it must be once."""
        for kind, values in (("waiting", waiting), ("refused", Counter() if self.refused_again else refused)):
            if twice := sorted(v for v, n in values.items() if n > 1 and v not in self.uncertain):
                raise AssertionError(f"{len(twice)} values twice in the fallback, {kind}: {twice[:20]}")
        if self.settings.idempotent:
            return
        if done:
            raise AssertionError(f"{len(done)} values were written back into a table without a key")
        twice = [v for v, n in self.table.items() if n > 1 and v not in self.uncertain]
        if twice:
            raise AssertionError(f"{len(twice)} values twice in the table: {sorted(twice)[:20]}")
        both = [v for v in waiting if v in self.table and v not in self.uncertain]
        if both:
            raise AssertionError(f"{len(both)} values in the table and waiting: {sorted(both)[:20]}")

    def check_end(self) -> None:
        """After a last life in which nothing failed."""
        waiting, refused, _ = self.in_files()
        if self.settings.written_back and waiting:
            raise AssertionError(f"{sum(waiting.values())} records still wait in files")
        lost = set(range(self.emitted)) - set(self.table) - set(waiting) - set(refused) - self.perhaps_lost
        if lost:
            raise AssertionError(f"{len(lost)} values are nowhere: {sorted(lost)[:20]}")
        wrong = [v for v in self.table if self.refuses(v)]
        if wrong:
            raise AssertionError(f"the model table holds what it refuses: {wrong}")


def _values(path: Path) -> Iterator[int]:
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for row in csv.reader(whole.decode().splitlines()):
        if len(row) == 10 and row[0] != "timestamp":
            yield int(row[2])
