"""The agent is killed (-9) at a known moment and started again: the table of docs/guarantees.md, cell by cell.

The database is a stand-in, not Oracle.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from oracle_standin.process import Standin
from runs.conftest import Case
from runs.counting.counted_run import CountedRun
from runs.counting.counting_source import TABLE, Numbering
from runs.counting.tally import rows_in_files, rows_in_table
from runs.killed.moments import BUFFERS, MOMENTS, POISON_EVERY, Fate, Moment

from agent_core.testing.agent_process import wait_until

pytestmark = pytest.mark.drill

PARTS = Path(__file__).parent / "parts"
DOCUMENT = Path(__file__).parents[3] / "docs" / "guarantees.md"
BACKLOG = 500


@pytest.fixture
def server() -> Iterator[Standin]:
    with Standin(ddl=[TABLE]) as server:
        yield server


class Killed:
    """One moment, played: a run that is killed there, and the one after it."""

    def __init__(self, case: Case, server: Standin, buffer: str, moment: Moment) -> None:
        poison_every = POISON_EVERY if moment.poison else 0
        self.run = CountedRun(case, server, Numbering(poison_every))
        self._folder = case.folder
        self._server = server
        self._moment = moment
        self.recovered = 0
        self._words = {
            "FIRST": 0,
            "AT_LEAST": moment.numbers,
            "BEGIN": "null",
            "POISON_EVERY": poison_every,
            "BUFFER": BUFFERS[buffer],
            "DIVERT": "after_retries",
            "MAX_FILE_AGE": "60s",
        } | dict(moment.words)
        case.environ["PYTHONPATH"] = os.pathsep.join((str(PARTS), case.environ["PYTHONPATH"]))

    def fill_backlog(self) -> None:
        """An ordinary run while the database is away: everything it emits is in one file in the end."""
        self._server.listener_stop()
        with self.run.agent(self._words | {"AT_LEAST": BACKLOG}) as agent:
            wait_until(lambda: self.run.ended and "in memory 0," in self.run.status, what="all rows in the fallback")
            self.run.stop()
            assert agent.ledger("warehouse")["diverted"] == BACKLOG
        [_] = self.run.waiting_files()
        self._server.listener_start()

    def die(self) -> range:
        """Run until the moment, and kill; the numbers that are affected."""
        moment, held = self._moment, self._folder / "held"
        words = self._words | ({"BEGIN": "never"} if moment.replay else {})
        if moment.away:
            self._server.listener_stop()
        if moment.prepare is not None:
            moment.prepare(self._server)
        with self.run.agent(words, {"HOLD_AT": moment.hold}) as agent:
            if moment.stop:
                wait_until(lambda: self.run.ended and "warehouse down" in self.run.status, what="a sink that is away")
                agent.interrupt()
            # A durable buffer hands nothing over: a stop is then over before the moment comes.
            wait_until(
                lambda: held.exists() or self._hanging() or (moment.stop and not agent.running()),
                what=f"the moment: {moment}",
            )
            if not moment.replay:
                wait_until(lambda: self.run.ended, what="the last number")
            agent.kill()
        wait_until(lambda: self._server.counters()["sessions"] == 0, what="the end of the dead agent's sessions")
        return moment.affected(self.run)

    def go_on(self, first: int) -> int:
        """Start again without any hold; the source goes on. How many rows were recognised."""
        self._server.clear_faults()
        self._server.listener_start()
        outcomes = self._folder / "outcomes"
        before = outcomes.read_text("utf-8").count("\n") if outcomes.exists() else 0
        with self.run.agent(self._words | {"FIRST": first, "AT_LEAST": 100, "MAX_FILE_AGE": "100ms"}) as agent:
            self.run.wait_for_catch_up()
            self.run.stop()
            self.recovered = agent.ledger("warehouse").get("recovered", 0)
        assert "line found unreadable" not in agent.output, "what was half written has been cut off"
        lines = outcomes.read_text("utf-8").splitlines()[before:]
        return sum(duplicates for _, _, duplicates, _ in map(json.loads, lines))

    def _hanging(self) -> bool:
        return any(rule["fired"] for rule in self._server.faults())


CELLS = [
    # A replay knows nothing of the buffer: one column of it is enough for a default run.
    pytest.param(moment, buffer, id=f"{moment}-{buffer}", marks=pytest.mark.chaos if moment.replay and later else ())
    for moment in MOMENTS
    for later, buffer in enumerate(BUFFERS)
]


@pytest.mark.parametrize(("moment", "buffer"), CELLS)
def test_killed_while(case: Case, server: Standin, moment: Moment, buffer: str) -> None:
    killed = Killed(case, server, buffer, moment)
    if moment.replay:
        killed.fill_backlog()
    affected = killed.die()
    emitted = BACKLOG if moment.replay else moment.numbers
    recognised = killed.go_on(emitted)

    if buffer == "memory_buffer":
        assert killed.recovered == 0
    elif not moment.replay:
        assert killed.recovered >= len(affected)

    in_table = Counter(row.number for row in rows_in_table(server))
    rejected = Counter(row.number for row in rows_in_files(case.fallback_files(kind="rejected")))
    fate = moment.fates[buffer]
    for number in range(killed.run.emitted):
        expected = 1
        if number in affected:
            expected = {Fate.LOST: 0, Fate.REPEATED: 2}.get(fate, 1)
        poison = killed.run.numbering.poison(number) is not None
        found = (in_table[number], rejected[number])
        assert found == ((0, expected) if poison else (expected, 0)), f"number {number} is {found} times there"
    if fate is Fate.RECOGNISED:
        # A durable buffer forgets what was settled a moment later, so the batch before may come again as well.
        assert recognised in (len(affected), len(affected) + 100 * (buffer == "disk_buffer"))
    elif fate is Fate.KEPT and buffer == "memory_buffer":
        assert recognised == 0


def test_the_document_has_these_moments_and_fates() -> None:
    rows = [
        [cell.strip(" `") if column else cell.strip() for column, cell in enumerate(line.strip("| \n").split(" | "))]
        for line in DOCUMENT.read_text(encoding="utf-8").splitlines()
        if line.startswith("| ")
    ]
    start = next(number for number, row in enumerate(rows) if row[0].startswith("the process is killed while"))
    header, _, *table = rows[start : start + 2 + len(MOMENTS)]
    assert header[1:] == list(BUFFERS)
    assert table == [[moment.text, *(moment.fates[buffer].value for buffer in BUFFERS)] for moment in MOMENTS]
