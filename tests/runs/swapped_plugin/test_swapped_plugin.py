"""A third party swaps the source, the buffer and the sink without touching the core."""

from pathlib import Path

from runs.conftest import Case

from agent_core.testing.agent_process import wait_until

PARTS = Path(__file__).parent / "parts"


def test_a_run_made_of_third_party_parts_delivers_every_row_in_order(case: Case) -> None:
    out = case.folder / "out.txt"
    with case.agent({"PYTHONPATH": str(PARTS)}) as agent:
        wait_until(lambda: out.exists() and out.read_text("utf-8").count("\n") == 1000, what="all lines")
        assert agent.stop() == 0, agent.output
    assert out.read_text("utf-8").splitlines() == [f"COUNT {n}" for n in range(1000, 0, -1)]
    ledger = agent.ledger("lines")
    assert ledger["collected"] == ledger["delivered"] == 1000
