"""The main job while the database is away: nothing lost, nothing twice, every row counted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest
from plant.process import ModbusPlant
from plant.tcp_gate import TcpGate
from runs.conftest import Case, Database

from agent_core.testing.agent_process import AgentProcess, wait_until

pytestmark = pytest.mark.drill


@dataclass(frozen=True)
class Scale:
    """How long the database is away, and how patient the agent is; the short scale is the long one, shrunk."""

    interval: str
    outage_scans: int
    capacity: int
    call_timeout: str
    initial_delay: str
    probe_interval: str


SHORT = Scale("500ms", 3, 4000, "500ms", "100ms", "500ms")
FULL_REFUSED = Scale("1s", 5, 10_000, "10s", "1s", "30s")
FULL_HANG = replace(FULL_REFUSED, outage_scans=15)


def settle_yaml(case: Case, scale: Scale, replay: str = "automatic", fallback: bool = True) -> None:
    file = case.folder / "agent.yaml"
    text = file.read_text(encoding="utf-8")
    for name, value in {
        "SCAN_INTERVAL": scale.interval,
        "CAPACITY": str(scale.capacity),
        "CALL_TIMEOUT": scale.call_timeout,
        "INITIAL_DELAY": scale.initial_delay,
        "PROBE_INTERVAL": scale.probe_interval,
        "REPLAY": replay,
    }.items():
        text = text.replace(name, value)
    if not fallback:
        text = text[: text.index("    fallback:")]
    file.write_text(text, encoding="utf-8")


class Outage:
    """What happens to the database, or to the way there, inside ``with outage(database, gate)``."""

    def __init__(self, database: Database, gate: TcpGate) -> None:
        self.database = database
        self.gate = gate

    def __enter__(self) -> None:
        self.begin()

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        raise NotImplementedError


class Refused(Outage):
    """Nobody listens, and every session is gone."""

    def begin(self) -> None:
        self.gate.obey("pause")

    def end(self) -> None:
        self.gate.obey("resume")


class BlackHole(Outage):
    """The network accepts everything and delivers nothing."""

    def begin(self) -> None:
        self.gate.obey("hang")

    def end(self) -> None:
        self.gate.obey("unhang")
        self.gate.obey("drop")


class HangingExecute(Outage):
    """Every INSERT is received and never answered; only the stand-in can do that."""

    def begin(self) -> None:
        self.database.server.fault("execute", "hang", match="INSERT", times=0)

    def end(self) -> None:
        self.database.server.clear_faults()


OUTAGES = [
    pytest.param(Refused, SHORT, id="refused"),
    pytest.param(BlackHole, SHORT, id="black_hole"),
    pytest.param(HangingExecute, SHORT, id="hanging_in_execute"),
    pytest.param(Refused, FULL_REFUSED, id="refused_for_5_s", marks=pytest.mark.chaos),
    pytest.param(BlackHole, FULL_HANG, id="black_hole_for_15_s", marks=pytest.mark.chaos),
    pytest.param(HangingExecute, FULL_HANG, id="hanging_in_execute_for_15_s", marks=pytest.mark.chaos),
]


def wait_for_scans(case: Case, scans: int) -> None:
    """Until the source has emitted so many batches more, one a group and scan."""
    groups = 10

    def batches() -> int:
        return case.recorded_file.read_bytes().count(b"\n") if case.recorded_file.exists() else 0

    goal = batches() + scans * groups
    wait_until(lambda: batches() >= goal, seconds=scans + 30, what=f"{scans} more scans")


@contextmanager
def outage_in(
    case: Case, database: Database, plant: ModbusPlant, outage: type[Outage], scale: Scale, fallback: bool = True
) -> Iterator[AgentProcess]:
    """An agent that has written rows, and then was without the database for a while; it is back now."""
    settle_yaml(case, scale, fallback=fallback)
    plant.tags_csv(case.folder / "tags.csv")
    with (
        database.behind_a_gate() as (gate, environ),
        case.agent({"PLANT_ADDRESS": plant.address}, environ) as agent,
    ):
        wait_until(lambda: database.count() > 0, what="the first rows in the table")
        with outage(database, gate):
            wait_for_scans(case, scale.outage_scans)
            if fallback and scale.outage_scans * 3491 > scale.capacity:
                assert case.fallback_files(), "more was collected than the buffer holds"
        yield agent


@pytest.mark.parametrize(("outage", "scale"), OUTAGES)
def test_nothing_is_lost_and_all_of_it_comes_back_by_itself(
    case: Case, database: Database, plant: ModbusPlant, outage: type[Outage], scale: Scale
) -> None:
    with outage_in(case, database, plant, outage, scale) as agent:
        wait_until(
            lambda: database.count() > 0 and "warehouse up" in agent.output.rpartition("collected")[2],
            seconds=90,
            what="the sink up again",
        )
        wait_until(lambda: not case.fallback_files(), seconds=90, what="the backlog written back")
        assert agent.stop() == 0, agent.output

    rows, collected = Counter(database.rows()), Counter(case.collected())
    assert max(rows.values()) == 1, "none is twice"
    missing = collected - rows
    left = Counter(case.in_fallback())
    assert not missing - left, f"{(missing - left).total()} of {collected.total()} values are nowhere"
    assert not rows - collected, "nothing that was not collected"
    ledger = agent.ledger("warehouse")
    assert ledger["collected"] == collected.total()
    assert ledger["diverted"] > 0
    assert ledger["dropped"] == ledger["pending"] == 0


@pytest.mark.parametrize(("outage", "scale"), OUTAGES)
def test_without_a_fallback_the_loss_is_counted_exactly(
    case: Case, database: Database, plant: ModbusPlant, outage: type[Outage], scale: Scale
) -> None:
    with outage_in(case, database, plant, outage, scale, fallback=False) as agent:
        before = database.count()
        wait_until(lambda: database.count() > before, seconds=90, what="rows in the table again")
        assert agent.stop() == 0, agent.output

    rows, collected = Counter(database.rows()), Counter(case.collected())
    ledger = agent.ledger("warehouse")
    assert max(rows.values()) == 1, "none is twice"
    assert not rows - collected, "nothing that was not collected"
    assert ledger["dropped"] == (collected - rows).total()
    assert ledger["collected"] == collected.total()
    assert ledger["pending"] == 0
    if scale.outage_scans * 3491 > scale.capacity:
        assert ledger["dropped"] > 0
