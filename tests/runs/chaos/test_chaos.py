"""A seeded storm of faults between the agent and the database (stand-in, not Oracle): nothing lost, nothing twice.

``CHAOS_SEED`` repeats a run's faults; the seed is printed at the start and named when the test fails.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from oracle_standin.process import Standin
from runs.agent_process import AgentProcess
from runs.chaos.faults import Chaos
from runs.conftest import Case
from runs.counting.counted_run import CountedRun, create_trigger
from runs.counting.counting_source import TABLE, Numbering
from runs.counting.tally import Found, rows_in_files, rows_in_table

Say = Callable[[str], None]


@dataclass(frozen=True)
class Scale:
    """How much happens, and how long it may take."""

    values: int
    rate: int
    faults: int
    storm_seconds: float
    catch_up_seconds: float
    max_file_age: str


SHORT = Scale(30_000, 8_000, 40, 60, 60, "300ms")
BRIEF = Scale(15_000, 8_000, 20, 60, 60, "300ms")
FULL = Scale(1_000_000, 8_000, 1000, 600, 300, "2s")

SCALES = [pytest.param(SHORT, id="short"), pytest.param(FULL, id="full", marks=pytest.mark.chaos)]
WORKERS = [pytest.param(1, id="1_worker"), pytest.param(5, id="5_workers")]
NUMBERING = Numbering(poison_every=487, contested_every=331)


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


@pytest.fixture
def server() -> Iterator[Standin]:
    with Standin(ddl=[TABLE]) as server:
        create_trigger(server)
        yield server


@pytest.fixture
def say(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Say:
    """Print; a run at full length past pytest's capture, so that it shows that it goes on."""

    def say(text: str) -> None:
        if request.node.get_closest_marker("chaos") is None:
            print(text)
            return
        with capsys.disabled():
            print(f"\n  {text}", end="", flush=True)

    return say


@contextmanager
def named(seed: int) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        error.add_note(f"repeat the same faults with CHAOS_SEED={seed}")
        raise


def words(scale: Scale, workers: int, replay: str = "automatic", first: int = 0) -> dict[str, object]:
    """What the YAML wants to know."""
    return {
        "MAX_FILE_AGE": scale.max_file_age,
        "FIRST": first,
        "AT_LEAST": scale.values,
        "RATE": scale.rate,
        "POISON_EVERY": NUMBERING.poison_every,
        "CONTESTED_EVERY": NUMBERING.contested_every,
        "WORKERS": workers,
        "REPLAY": replay,
    }


def storm(run: CountedRun, agent: AgentProcess, scale: Scale, seed: int, say: Say) -> int:
    """Inject faults until enough have happened and the source has ended; how many happened."""
    chaos = Chaos(run.server, seed)
    began = reported = time.monotonic()
    happened = 0
    while not run.ended:
        happened = chaos.step()
        if happened >= scale.faults:
            run.enough()
        now = time.monotonic()
        if now - reported >= 10:
            reported = now
            say(f"{now - began:4.0f} s: {happened} faults; {run.status}")
        assert agent.running(), agent.output
        assert now - began < scale.storm_seconds, f"{happened} faults in {now - began:.0f} s:\n{agent.output[-3000:]}"
    return happened


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("scale", SCALES)
def test_after_the_storm_each_value_is_in_the_table_once(
    case: Case, server: Standin, scale: Scale, workers: int, seed: int, say: Say
) -> None:
    run = CountedRun(case, server, NUMBERING)
    say(f"seed {seed}, {workers} workers")
    began = time.monotonic()
    with named(seed):
        with run.agent(words(scale, workers)) as agent:
            happened = storm(run, agent, scale, seed, say)
            stormed = time.monotonic() - began
            run.wait_for_catch_up(scale.catch_up_seconds)
            took = time.monotonic() - began
            run.stop()
        server.clear_faults()  # those that are left are not for this test's own calls
        tally = run.tally()
        ledger = agent.ledger("warehouse")
        assert ledger["collected"] == tally.in_table + tally.rejected
        assert ledger["dropped"] == ledger["pending"] == 0
        assert ledger["diverted"] > 0, "no outage was long enough"
        assert happened >= scale.faults
        assert server.failures() == []
    say(
        f"{ledger['collected']:,} values, {happened} faults in {stormed:.0f} s, caught up after {took:.0f} s: "
        f"{tally.in_table:,} in the table once, {tally.rejected:,} rejected; {ledger['diverted']:,} by the fallback; "
        f"{ledger['duplicates']:,} recognised"
    )


@pytest.mark.parametrize("workers", WORKERS)
def test_before_the_catch_up_only_an_ambiguous_commit_puts_a_value_into_both_places(
    case: Case, server: Standin, workers: int, seed: int, say: Say
) -> None:
    run = CountedRun(case, server, NUMBERING)
    say(f"seed {seed}, {workers} workers")
    with named(seed):
        with run.agent(words(BRIEF, workers, replay="off")) as agent:
            storm(run, agent, BRIEF, seed, say)
            run.stop()
        server.clear_faults()
        waiting = list(rows_in_files(run.waiting_files()))
        both = in_both(rows_in_table(server), waiting)
        assert {row.reason for row in both} <= {"ambiguous_commit"}, both[:5]
        ledger = agent.ledger("warehouse")
        assert len(waiting) == ledger["diverted"]
        assert ledger["collected"] == sum(
            ledger[account] for account in ("delivered", "duplicates", "rejected", "diverted")
        )

        # The next run goes on counting, and writes the backlog of the one before.
        create_trigger(server)
        with run.agent(words(replace(BRIEF, values=1000), workers, first=run.emitted)):
            run.wait_for_catch_up(BRIEF.catch_up_seconds)
            run.stop()
        run.tally()


def in_both(table: Iterable[Found], waiting: Sequence[Found]) -> list[Found]:
    """Rows that wait in the fallback and are in the table as well, value included."""
    held = {(row.number, row.text) for row in table}
    return [row for row in waiting if (row.number, row.text) in held]
