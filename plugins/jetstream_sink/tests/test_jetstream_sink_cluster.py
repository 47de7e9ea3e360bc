"""A cluster of three that loses its leader, two nodes, and all three: what was delivered is in the stream."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings, TimeoutsConfig
from jetstream_buffer.testing import NatsServer
from jetstream_sink.config import JetstreamSinkConfig, Repeats
from jetstream_sink.sink import JetstreamSink

from agent_core.api import ComponentContext, SinkError
from agent_core.testing.sinks import numbered_batch

from .stored import stored_batches, with_jetstream

STALL_SECONDS = 30.0
"""Of a cluster on one busy machine; an idle one takes 5 to 7 s to elect a leader."""
STREAM = "CLUSTER"


def free_ports(count: int) -> list[int]:
    with_port = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in with_port]
    for one in with_port:
        one.close()
    return ports


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[dict[str, NatsServer]]:
    ports = free_ports(3)
    routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
    nodes = {}
    for number, port in enumerate(ports):
        cluster = f"cluster {{ name: c, listen: 127.0.0.1:{port}, routes: [{routes}] }}"
        nodes[f"n{number}"] = NatsServer(tmp_path / f"n{number}", f"server_name: n{number}\n{cluster}").start()
    yield nodes
    for node in nodes.values():
        node.kill()


@pytest.mark.chaos
def test_a_cluster_that_loses_its_leader_two_nodes_and_all_keeps_what_was_delivered(
    nodes: dict[str, NatsServer], tmp_path: Path
) -> None:
    servers = tuple(node.url for node in nodes.values())
    config = ServerConfig(servers, None, None, None, None, None, None, TimeoutsConfig(2.0, 2.0))
    settings = StreamSettings(STREAM, "cluster", 64_000_000, 3, 3600.0)
    context = ComponentContext("edge", "line-1", tmp_path, "jetstream_sink")
    sink = JetstreamSink(JetstreamSinkConfig(config, settings, Repeats.RECOGNISED_DOWNSTREAM), context)
    delivered: list[int] = []
    opened = False

    def write(number: int) -> None:
        """As the core does: the same records again until they are taken."""
        nonlocal opened
        end = time.monotonic() + STALL_SECONDS
        while True:
            try:
                if not opened:
                    sink.open()
                    opened = True
                sink.write(numbered_batch(10, number))
            except SinkError:
                assert time.monotonic() < end, "the stall is too long"
                time.sleep(0.2)
            else:
                delivered.append(number)
                return

    def leader() -> str:
        cluster = with_jetstream(running()[0].url, lambda jetstream: jetstream.stream_info(STREAM)).cluster
        assert cluster is not None
        return str(cluster.leader)

    def running() -> list[NatsServer]:
        return [node for node in nodes.values() if node.running]

    number = 0

    def some() -> None:
        nonlocal number
        for _ in range(20):
            write(number)
            number += 1

    some()
    for _ in range(3):
        lost = nodes[leader()]
        lost.kill()
        some()
        lost.start()
        some()
    for count in (2, 3):
        lost_nodes = list(nodes.values())[:count]
        for node in lost_nodes:
            node.kill()
        for node in lost_nodes:
            node.start()
        some()
    sink.close()
    kept = [stamp for batch in stored_batches(servers[0], STREAM) for stamp in set(batch.stamps())]
    assert set(kept) == set(delivered) == set(range(number))
    assert len(kept) - len(set(kept)) <= 5, "repeats that the server did not recognise"
