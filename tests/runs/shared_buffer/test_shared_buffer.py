"""An edge fills a stream and two writers empty it; one of them is killed, and no record is lost or doubled."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from jetstream_buffer.testing import NatsServer

from agent_core.testing.agent_process import AgentProcess, wait_until

HERE = Path(__file__).parent


def rows(folder: Path) -> int:
    try:
        with closing(sqlite3.connect(folder / "history.db", timeout=10)) as connection:
            return int(connection.execute("SELECT count(*) FROM TAG_DATA").fetchone()[0])
    except sqlite3.OperationalError:  # the table is not there yet
        return 0


def shared_buffer_case(folder: Path, kills: int) -> None:
    """Kill one of two writers ``kills`` times, by turns; then compare what the edge has delivered with the table."""
    for file in ("edge.yaml", "writer.yaml"):
        shutil.copy(HERE / file, folder)
    server = NatsServer(folder / "nats").start()

    def writer(name: str) -> AgentProcess:
        return AgentProcess(folder / "writer.yaml", {"NATS_URL": server.url, "WRITER": name})

    try:
        with AgentProcess(folder / "edge.yaml", {"NATS_URL": server.url}) as edge, writer("left") as left:
            for number in range(kills):
                with writer(f"right{number}") as right:
                    right.wait_for("database opened")  # it has had a lease
                    right.kill()
            assert edge.stop() == 0, edge.output
            delivered = edge.ledger("stream")["delivered"]
            wait_until(lambda: rows(folder) == delivered, what=f"{delivered} records in the table")
            assert left.stop() == 0, left.output
    finally:
        server.kill()
    ledger = left.ledger("history")
    assert ledger["pending"] == 0
    assert ledger["recovered"] == ledger["delivered"] + ledger["duplicates"] + ledger["rejected"]
    assert ledger["rejected"] == 0, left.output


def test_a_writer_that_is_killed_loses_nothing(tmp_path: Path) -> None:
    shared_buffer_case(tmp_path, kills=1)


@pytest.mark.chaos
def test_twenty_writers_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    shared_buffer_case(tmp_path, kills=20)


@pytest.mark.chaos
def test_a_frozen_writer_and_a_server_that_dies_lose_nothing(tmp_path: Path) -> None:
    for file in ("edge.yaml", "writer.yaml"):
        shutil.copy(HERE / file, tmp_path)
    server = NatsServer(tmp_path / "nats").start()

    def agent(file: str, name: str) -> AgentProcess:
        return AgentProcess(tmp_path / file, {"NATS_URL": server.url, "WRITER": name})

    try:
        with (
            agent("edge.yaml", "edge") as edge,
            agent("writer.yaml", "left") as left,
            agent("writer.yaml", "right") as right,
        ):
            for writer in (left, right):
                writer.wait_for("database opened")
            os.kill(right.pid, signal.SIGSTOP)
            time.sleep(2.0)  # twice its ack_wait: what it holds goes to the other
            server.kill()
            before = edge.output.count("write failed")
            wait_until(lambda: edge.output.count("write failed") > before, what="an outage of the edge's sink")
            server.start()
            os.kill(right.pid, signal.SIGCONT)
            seen = rows(tmp_path)
            wait_until(lambda: rows(tmp_path) > seen + 100, what="more records")
            assert edge.stop() == 0, edge.output
            ledger = edge.ledger("stream")
            stored = ledger["delivered"] + ledger["duplicates"]
            wait_until(lambda: rows(tmp_path) == stored, what=f"{stored} records in the table")
            assert left.stop() == 0, left.output
            assert right.stop() == 0, right.output
    finally:
        server.kill()
    ledgers = [left.ledger("history"), right.ledger("history")]
    assert sum(ledger["pending"] for ledger in ledgers) == 0
    assert sum(ledger["delivered"] for ledger in ledgers) == rows(tmp_path)
    assert sum(ledger["dropped"] for ledger in (edge.ledger("stream"), *ledgers)) == 0
