"""A seeded storm of faults between the agent and the database: nothing lost, nothing twice.

The network's faults hit a stand-in (not Oracle) or, where ORACLE_TEST_DSN names one, a real database; faults inside the
database only the stand-in has on cue. ``CHAOS_SEED`` repeats a run's faults; the seed is printed at the start and named
when the test fails.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from oracle_standin.real_database import database_under_test
from runs.chaos.control_port import ControlPortFaults
from runs.chaos.gate import GateFaults
from runs.chaos.storm import REAL, STANDIN, Faults, Pace, Storm
from runs.conftest import Case, Database
from runs.counting.counted_run import CountedRun
from runs.counting.counting_source import TABLE, TRIGGER, Numbering
from runs.counting.tally import Found, rows_in_files, rows_in_table

from agent_core.testing.agent_process import AgentProcess
from agent_core.testing.suite.patience import PROCESS_SECONDS

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


SHORT = Scale(15_000, 8_000, 20, PROCESS_SECONDS, PROCESS_SECONDS, "300ms")
FULL = Scale(1_000_000, 8_000, 1000, 600, 300, "2s")

SCALES = [pytest.param(SHORT, id="short"), pytest.param(FULL, id="full", marks=pytest.mark.chaos)]
WORKERS = [pytest.param(1, id="1_worker", marks=pytest.mark.chaos), pytest.param(5, id="5_workers")]
NUMBERING = Numbering(poison_every=487, contested_every=331)


@pytest.fixture
def seed() -> int:
    return int(os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000))


@pytest.fixture
def database() -> Iterator[Database]:
    with database_under_test() as server:
        database = Database(server, TABLE, TRIGGER)
        yield database
        database.drop()


@pytest.fixture
def pace(database: Database) -> Pace:
    return REAL if database.real else STANDIN


@dataclass(frozen=True)
class Weather:
    """Where the faults come from, and the variables that lead the agent through it."""

    faults: Faults
    environ: Mapping[str, str]


@pytest.fixture(params=["in_the_database", "in_the_network"])
def weather(request: pytest.FixtureRequest, database: Database, pace: Pace) -> Iterator[Weather]:
    if request.param == "in_the_database":
        yield Weather(ControlPortFaults(database.server), database.environ)
        return
    with database.behind_a_gate() as (gate, environ):
        yield Weather(GateFaults(gate, pace.call_seconds), environ)


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


def words(scale: Scale, pace: Pace, workers: int, replay: str = "automatic", first: int = 0) -> dict[str, object]:
    """What the YAML wants to know."""
    return {
        "CALL_TIMEOUT": f"{pace.call_seconds}s",
        "LOGIN_TIMEOUT": f"{pace.login_seconds}s",
        "MAX_FILE_AGE": scale.max_file_age,
        "FIRST": first,
        "AT_LEAST": scale.values,
        "RATE": scale.rate,
        "POISON_EVERY": NUMBERING.poison_every,
        "CONTESTED_EVERY": NUMBERING.contested_every,
        "WORKERS": workers,
        "REPLAY": replay,
    }


def storm(run: CountedRun, agent: AgentProcess, faults: Faults, scale: Scale, pace: Pace, seed: int, say: Say) -> Storm:
    """Inject faults until enough have happened and the source has ended."""
    storm = Storm(faults, seed)
    began = reported = time.monotonic()
    while not run.ended:
        happened = storm.step()
        if happened >= scale.faults and re.search("from files|in files [1-9]", run.status):  # an outage was long enough
            run.enough()
        now = time.monotonic()
        if now - reported >= 10:
            reported = now
            say(f"{now - began:4.0f} s: {happened} faults; {run.status}")
        assert agent.running(), agent.output
        assert now - began < scale.storm_seconds * pace.patience, (
            f"{happened} faults in {now - began:.0f} s:\n{agent.output[-3000:]}"
        )
    return storm


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("scale", SCALES)
def test_after_the_storm_each_value_is_in_the_table_once(
    case: Case, database: Database, weather: Weather, pace: Pace, scale: Scale, workers: int, seed: int, say: Say
) -> None:
    run = CountedRun(case, database.server, NUMBERING)
    say(f"seed {seed}, {workers} workers")
    began = time.monotonic()
    with named(seed):
        with run.agent(words(scale, pace, workers), weather.environ) as agent:
            happened = storm(run, agent, weather.faults, scale, pace, seed, say).happened
            stormed = time.monotonic() - began
            run.wait_for_catch_up(scale.catch_up_seconds * pace.patience)
            took = time.monotonic() - began
            run.stop()
        weather.faults.clear()  # those that are left are not for this test's own calls
        tally = run.tally()
        ledger = agent.ledger("warehouse")
        assert ledger["collected"] == tally.in_table + tally.rejected
        assert ledger["dropped"] == ledger["pending"] == 0
        assert ledger["diverted"] > 0, "no outage was long enough"
        assert happened.total() >= scale.faults
        assert database.server.failures() == []
    say(
        f"{ledger['collected']:,} values, {happened.total()} faults in {stormed:.0f} s, caught up after {took:.0f} s: "
        f"{tally.in_table:,} in the table once, {tally.rejected:,} rejected; {ledger['diverted']:,} by the fallback; "
        f"{ledger['duplicates']:,} recognised"
    )
    say(", ".join(f"{kind}: {count}" for kind, count in sorted(happened.items()) if count))


@pytest.mark.parametrize(
    "weather", ["in_the_database", pytest.param("in_the_network", marks=pytest.mark.chaos)], indirect=True
)
@pytest.mark.parametrize("workers", WORKERS)
def test_before_the_catch_up_only_an_ambiguous_commit_puts_a_value_into_both_places(
    case: Case, database: Database, weather: Weather, pace: Pace, workers: int, seed: int, say: Say
) -> None:
    run = CountedRun(case, database.server, NUMBERING)
    say(f"seed {seed}, {workers} workers")
    with named(seed):
        with run.agent(words(SHORT, pace, workers, replay="off"), weather.environ) as agent:
            storm(run, agent, weather.faults, SHORT, pace, seed, say)
            run.stop()
        weather.faults.clear()
        waiting = list(rows_in_files(run.waiting_files()))
        both = in_both(rows_in_table(database.server), waiting)
        assert {row.reason for row in both} <= {"ambiguous_commit"}, both[:5]
        ledger = agent.ledger("warehouse")
        assert len(waiting) == ledger["diverted"]
        assert ledger["collected"] == sum(
            ledger[account] for account in ("delivered", "duplicates", "rejected", "diverted")
        )

        # The next run goes on counting, and writes the backlog of the one before.
        with run.agent(words(replace(SHORT, values=1000), pace, workers, first=run.emitted), weather.environ):
            run.wait_for_catch_up(SHORT.catch_up_seconds * pace.patience)
            run.stop()
        run.tally()


def in_both(table: Iterable[Found], waiting: Sequence[Found]) -> list[Found]:
    """Rows that wait in the fallback and are in the table as well, value included."""
    held = {(row.number, row.text) for row in table}
    return [row for row in waiting if (row.number, row.text) in held]
