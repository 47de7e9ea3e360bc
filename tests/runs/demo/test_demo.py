"""What a newcomer sees first: the root agent.yaml, with no PLC and no database."""

import json
import re
import shutil
import socket
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

from agent_core.testing.agent_process import AgentProcess, wait_until

ROOT = Path(__file__).parents[3]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_simulated_line_fills_a_database_that_one_can_query_and_a_page_that_moves(tmp_path: Path) -> None:
    port = free_port()
    text = (ROOT / "agent.yaml").read_text(encoding="utf-8").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    (tmp_path / "agent.yaml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "demo", tmp_path / "demo")

    with AgentProcess(tmp_path / "agent.yaml") as agent:
        agent.wait_for(f"http://127.0.0.1:{port}/")
        wait_until(lambda: agent.output.count("records/s") >= 20, what="two seconds of status lines")
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/buffer/writer/metrics", timeout=120) as answer:
            assert json.load(answer)["successful_writes"] > 0
        assert agent.stop() == 0, agent.output

    last = re.findall(r"collected [\d,]+ .* written [\d,]+, in memory [\d,]+, .*lost 0", agent.output)
    assert last, agent.output
    ledger = agent.ledger("local")
    assert ledger["collected"] == ledger["delivered"] > 500
    with closing(sqlite3.connect(tmp_path / "demo.db")) as database:
        [[rows, tags]] = database.execute("SELECT count(*), count(DISTINCT tag_name) FROM TAG_DATA")
        assert rows == ledger["delivered"]
        assert tags == 280
        [[latest]] = database.execute("SELECT count(*) FROM TAG_DATA_latest")
        assert latest == tags
        kinds = {kind for (kind,) in database.execute("SELECT DISTINCT value_type FROM TAG_DATA")}
        assert {"float", "int", "bool", "str"} <= kinds
