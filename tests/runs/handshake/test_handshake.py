"""Handshake groups in the real agent on a real server: asked by HTTP, by a command, and by bits in the PLC."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from monitored.http_client import HttpClient
from plant.process import ModbusPlant
from plant.servers.request_log import Outcome
from runs.conftest import Case, Row

from agent_core.testing.agent_process import AGENT, AgentProcess, wait_until
from agent_core.testing.suite.patience import LEEWAY_SECONDS, within

TAGS, GROUPS = 80, 4
FIXED, ASKED, RESET, RISING = (f"LINE1_PROCESS{number}" for number in range(1, 5))
RESET_BIT, RISING_BIT = 100, 200
READ_COILS = 1

ANSWER_SECONDS, BEGIN_SECONDS, MERGE_SECONDS, STATUS_SECONDS = 0.5, 1.0, 1.0, 0.2
"""What the plant asks for, where nothing else keeps the machine busy."""


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[ModbusPlant]:
    """Both bits are set before the agent starts."""
    with ModbusPlant(tmp_path, TAGS, GROUPS) as plant:
        plant.set_coil(RESET_BIT, True)
        plant.set_coil(RISING_BIT, True)
        yield plant


@pytest.fixture
def agent(case: Case, plant: ModbusPlant) -> Iterator[AgentProcess]:
    plant.tags_csv(case.folder / "tags.csv")
    with case.agent({"PLANT_ADDRESS": plant.address}) as agent:
        wait_until(lambda: len(polls(case, plant, FIXED)) > 1, what="the fixed group")
        yield agent


@pytest.fixture
def client(agent: AgentProcess) -> HttpClient:
    found = re.search(r"http://127\.0\.0\.1:(\d+)", agent.output)
    assert found, agent.output
    return HttpClient(int(found[1]))


def polls(case: Case, plant: ModbusPlant, group: str) -> list[float]:
    """When each poll of the group began that gave GOOD rows: seconds of the wall clock."""
    names = {tag.name for tag in plant.catalogue.group(group).tags}
    rows: list[Row] = case.collected() if case.recorded_file.exists() else []
    return sorted({row.timestamp_us / 1e6 for row in rows if row.name in names and row.quality == "GOOD"})


def heard(case: Case, plant: ModbusPlant, group: str, count: int) -> list[float]:
    """As ``polls``, once the recorder has heard of ``count``: it has a thread of its own."""
    wait_until(lambda: len(polls(case, plant, group)) >= count, what=f"poll {count} of {group}")
    begun = polls(case, plant, group)
    assert len(begun) == count
    return begun


def trigger(client: HttpClient, group: str) -> tuple[dict[str, Any], float]:
    """The answer and how long it took."""
    begun = time.monotonic()
    answer = client.post(f"/api/polling/groups/{group}/trigger").json()
    return answer, time.monotonic() - begun


def written(plant: ModbusPlant) -> Counter[int]:
    """How often each address was written, by the agent and by ``set_coil``."""
    return Counter(request.address for request in plant.log.requests() if request.outcome is Outcome.WRITTEN)


def wait_for_looks(plant: ModbusPlant, bit: int, count: int) -> None:
    """Return once the agent has read the bit so many times more."""

    def looks() -> int:
        return sum(request.function == READ_COILS and request.address == bit for request in plant.log.requests())

    wanted = looks() + count
    wait_until(lambda: looks() >= wanted, what=f"{count} looks at the bit {bit}")


def test_a_group_is_polled_when_a_program_asks(
    case: Case, plant: ModbusPlant, agent: AgentProcess, client: HttpClient
) -> None:
    took: list[float] = []
    for count in (1, 2, 3):
        asked_at = time.time()
        answer, seconds = trigger(client, ASKED)
        took.append(seconds)
        assert (answer["success"], answer["tags_read"]) == (True, TAGS // GROUPS)
        assert 0 < answer["duration_ms"] < 1000 * seconds
        begun = heard(case, plant, ASKED, count)
        assert -0.01 < begun[-1] - asked_at < BEGIN_SECONDS + LEEWAY_SECONDS
        time.sleep(MERGE_SECONDS)  # or the next one would be answered with this poll
    assert sorted(took)[1] < ANSWER_SECONDS + LEEWAY_SECONDS, took

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for answer, _ in pool.map(lambda _: trigger(client, ASKED), range(8))]
    assert all(answer["success"] for answer in answers)
    with within(STATUS_SECONDS):
        status = client.get(f"/api/polling/groups/{ASKED}/status").json()
    begun_by_now = status["polls"]
    assert 4 <= begun_by_now < 11, "triggers at once share a poll; a busy machine lets some come later"
    assert (status["merged"], status["failed"]) == (11 - begun_by_now, 0)
    heard(case, plant, ASKED, begun_by_now)

    time.sleep(MERGE_SECONDS)
    command = [*AGENT, "trigger", ASKED, "--url", f"http://127.0.0.1:{client.port}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{TAGS // GROUPS} tags read" in done.stdout
    heard(case, plant, ASKED, begun_by_now + 1)

    assert not trigger(client, FIXED)[0]["success"], "a fixed group waits for nobody"
    assert client.post(f"/api/polling/groups/{ASKED}/stop").json()["success"]
    assert not trigger(client, ASKED)[0]["success"], "a stopped group is not polled"
    assert client.post("/api/polling/groups/NOBODY/trigger").status == 404
    assert agent.stop() == 0, agent.output


def test_bits_in_the_plc_trigger_and_are_reset_as_configured(
    case: Case, plant: ModbusPlant, agent: AgentProcess
) -> None:
    plant.wait_for_coil(RESET_BIT, False)
    heard(case, plant, RESET, 1)  # a bit that is reset triggers although it was set at the start
    assert polls(case, plant, RISING) == [], "one that is not reset has to rise"

    for count in (2, 3, 4):
        set_at = time.time()
        plant.set_coil(RESET_BIT, True)
        plant.wait_for_coil(RESET_BIT, False)
        begun = heard(case, plant, RESET, count)
        assert len(begun) == count, "reset after its rows were handed on, and only once"
        assert begun[-1] - set_at < BEGIN_SECONDS + LEEWAY_SECONDS

    plant.set_coil(RISING_BIT, False)
    wait_for_looks(plant, RISING_BIT, 2)
    plant.set_coil(RISING_BIT, True)
    wait_until(lambda: len(polls(case, plant, RISING)) == 1, what="the poll of the bit that rose")

    group = plant.catalogue.group(RESET)
    plant.refuse(group.first, group.stop - group.first)
    plant.set_coil(RESET_BIT, True)
    agent.wait_for(f"tags bad: group={RESET} count={TAGS // GROUPS}")
    wait_for_looks(plant, RESET_BIT, 5)
    heard(case, plant, RESET, 4)
    assert written(plant)[RESET_BIT] == 5 + 4, "set five times; never reset after a poll that read nothing"
    plant.allow()
    plant.wait_for_coil(RESET_BIT, False)
    heard(case, plant, RESET, 5)

    before = len(polls(case, plant, FIXED))
    assert agent.stop() == 0, agent.output
    assert before > 5, "the fixed group went on all the time"
    assert len(polls(case, plant, RISING)) == 1, "a bit that stays set triggers once"
    assert written(plant) == {RESET_BIT: 5 + 5, RISING_BIT: 3}, "nothing else was written to the PLC"
