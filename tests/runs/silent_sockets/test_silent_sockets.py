"""More silent connections than the process has descriptors: the real agent polls, writes, and answers probes."""

from __future__ import annotations

import re
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from runs.conftest import Case, rows_of_csv

from agent_core.testing.agent_process import wait_until
from agent_core.testing.suite.patience import PATIENCE_SECONDS

resource = pytest.importorskip("resource", reason="Windows does not limit descriptors")

DESCRIPTORS = 128
SILENT = 2 * DESCRIPTORS
HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@contextmanager
def few_descriptors() -> Iterator[None]:
    """For the processes that are started meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_silent_connections_take_no_descriptor_from_the_data_path_and_no_place_from_a_probe(tmp_path: Path) -> None:
    case = Case(tmp_path / "run", Path(__file__).parent)
    with ExitStack() as stack:
        with few_descriptors():
            agent = stack.enter_context(case.agent())
        agent.wait_for("dashboard opened")
        found = re.search(r"url=(http://127\.0\.0\.1:(\d+)/)", agent.output)
        assert found is not None
        url, port = found[1], int(found[2])

        def metric(name: str) -> float:
            with urllib.request.urlopen(f"{url}metrics", timeout=PATIENCE_SECONDS) as answer:
                text = answer.read().decode()
            return float(re.search(rf"^{name}(?:{{.*}})? (.+)$", text, re.MULTILINE)[1])  # type: ignore[index]

        for number in range(SILENT):
            silent = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)))
            silent.sendall(HALF_A_HEAD if number % 2 else b"")
        before = metric("tagferry_records_delivered_total")
        wait_until(lambda: metric("tagferry_records_delivered_total") > before + 20, what="writing")
        assert metric("tagferry_records_dropped_total") == 0
        assert agent.stop() == 0
        ledger = agent.ledger("files")
    assert "connections full" in agent.output
    assert (ledger["dropped"], ledger["diverted"]) == (0, 0)
    written = [row for file in (case.folder / "out" / "files").glob("backup_*") for row in rows_of_csv(file)]
    assert len(written) == ledger["delivered"] == ledger["collected"]
