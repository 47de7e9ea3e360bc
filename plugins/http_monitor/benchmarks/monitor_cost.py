"""What the monitor costs, in CPU time, and how quickly it answers while 100,000 values a second move.

    python plugins/http_monitor/benchmarks/monitor_cost.py [--seconds 20] [--rounds 3] [--values-per-second 100000]

Runs an agent (a source of 10,000 tags, memory_buffer, a sink that writes every value as text) in a process of its own,
by turns without the monitor and with it at one scrape of /metrics a second, and compares the processes' CPU times:
throughput would hide the cost on a machine with a core to spare. Then it asks the paths in turn, fifty times a second
beside a WebSocket, for the latencies.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from array import array
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from http_monitor.plugin import agent_register_extension
from memory_buffer.plugin import agent_register_buffer
from wsproto import ConnectionType, WSConnection
from wsproto.events import Request

from agent_core.api import (
    Batch,
    ComponentContext,
    Config,
    Emit,
    Origin,
    Segment,
    Sink,
    SinkFactory,
    Source,
    SourceFactory,
    SystemClock,
    WriteOutcome,
)
from agent_core.config import load_config
from agent_core.registry import Catalog, Events, Plugin, Registry
from agent_core.runtime.agent import Agent

PORT = 18_181
YAML = """
agent: {name: benchmark, state_dir: state, shutdown_timeout: 5s}
sources:
  - id: line
    type: polling_source
    config:
      devices: [{id: PLC, driver: simulator_driver}]
      groups: [{id: G, device: PLC, interval: 1s, tags: [{name: T, address: "sine:", data_type: float32}]}]
buffer: {type: memory_buffer, config: {capacity: 1000000}}
sinks: [{id: sink, type: sqlite_sink, config: {path: data.db}}]
"""
"""Source and sink are then replaced by those below."""
MONITOR = f"""
extensions: [{{type: http_monitor, config: {{listen: "127.0.0.1:{PORT}"}}}}]
"""
GROUPS, TAGS_PER_GROUP = 20, 500
PATHS = [
    "/api/live",
    "/api/buffer/status",
    "/api/buffer/metrics",
    "/api/tags?limit=50",
    "/api/polling/status",
    "/metrics",
]


class SteadySource:
    """Emits the groups in turn so that ``values_per_second`` come out."""

    def __init__(self, values_per_second: int) -> None:
        self._interval = TAGS_PER_GROUP / values_per_second
        self._stopped = threading.Event()

    def open(self) -> None: ...

    def close(self) -> None: ...

    def start(self, emit: Emit) -> None:
        threading.Thread(target=self._run, args=(emit,), daemon=True).start()

    def stop(self, timeout_seconds: float) -> None:  # noqa: ARG002 - the contract's argument
        self._stopped.set()

    def _run(self, emit: Emit) -> None:
        origins = [Origin("line", "PLC", f"G{number}") for number in range(GROUPS)]
        names = [tuple(f"G{g}_T{t}" for t in range(TAGS_PER_GROUP)) for g in range(GROUPS)]
        columns = [tuple(n * 1.5 + g for n in range(TAGS_PER_GROUP)) for g in range(7)]
        good, due = bytes((192,)) * TAGS_PER_GROUP, time.monotonic()
        for sequence in itertools.count():
            if self._stopped.is_set():
                return
            group, stamps = sequence % GROUPS, array("q", [time.time_ns()]) * TAGS_PER_GROUP
            segment = Segment(origins[group], sequence, 0, TAGS_PER_GROUP)
            emit(Batch(names[group], columns[sequence % 7], stamps, good, (segment,)))
            due += self._interval
            if (left := due - time.monotonic()) > 0:
                time.sleep(left)


class TextSink:
    """Does per value about what a database driver does: makes a text of it."""

    idempotent = True

    def open(self) -> None: ...

    def close(self) -> None: ...

    def write(self, batch: Batch) -> WriteOutcome:
        texts = [repr(value) for value in batch.values]
        return WriteOutcome(len(texts))


def run_agent(values_per_second: int, monitored: bool, commands: TextIO) -> None:
    """The child: prints its CPU seconds whenever it gets a line, until there are no more."""
    logging.disable(logging.INFO)

    def create_source(_: Config, __: ComponentContext) -> Source:
        return SteadySource(values_per_second)

    def create_sink(_: Config, __: ComponentContext) -> Sink:
        return TextSink()

    catalog = Catalog(
        [
            Plugin("steady", "d", "1", "", (SourceFactory("steady", {}, create_source, ""),)),
            Plugin("text", "d", "1", "", (SinkFactory("text", {}, create_sink, ""),)),
            Plugin("memory_buffer", "d", "1", "", (agent_register_buffer(),)),
            Plugin("http_monitor", "d", "1", "", (agent_register_extension(),)),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "agent.yaml"
        file.write_text(YAML + (MONITOR if monitored else ""), encoding="utf-8")
        loaded = load_config(file, Registry(), environ={})
        config = replace(
            loaded,
            sources=(replace(loaded.sources[0], type="steady", config={}),),
            sinks=(replace(loaded.sinks[0], type="text", config={}),),
        )
        agent = Agent(config, catalog, Events(), SystemClock())
        agent.start()
        for _ in commands:
            print(time.process_time(), agent.status().sinks[0].ledger.delivered, flush=True)
        agent.shutdown()


class AgentInProcess:
    """The child as the parent sees it."""

    def __init__(self, values_per_second: int, monitored: bool) -> None:
        command = [sys.executable, __file__, "--child", "--values-per-second", str(values_per_second)]
        self._process = subprocess.Popen(  # noqa: S603 - this very file
            command + (["--monitored"] if monitored else []), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        time.sleep(3)  # imports and the first second are not what is measured

    def usage(self) -> tuple[float, int]:
        """CPU seconds and rows delivered so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("usage\n")
        self._process.stdin.flush()
        cpu, delivered = self._process.stdout.readline().split()
        return float(cpu), int(delivered)

    def stop(self) -> None:
        self._process.communicate()


def ask(path: str) -> float:
    """One GET; how long it took, in seconds."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"http://127.0.0.1:{PORT}{path}", timeout=10) as answer:
        answer.read()
    return time.perf_counter() - began


def cpu_share(values_per_second: int, seconds: float, monitored: bool) -> tuple[float, float]:
    """CPU seconds per second, and rows delivered per second."""
    agent = AgentInProcess(values_per_second, monitored)
    (cpu, delivered), began = agent.usage(), time.perf_counter()
    while time.perf_counter() - began < seconds:
        if monitored:
            ask("/metrics")
        time.sleep(1)
    (cpu_after, delivered_after), elapsed = agent.usage(), time.perf_counter() - began
    agent.stop()
    return (cpu_after - cpu) / elapsed, (delivered_after - delivered) / elapsed


def latencies(values_per_second: int, seconds: float) -> dict[str, list[float]]:
    """Times of each path, with a WebSocket open beside them."""
    import socket

    agent = AgentInProcess(values_per_second, monitored=True)
    agent.usage()  # answered once it runs
    live = WSConnection(ConnectionType.CLIENT)
    with socket.create_connection(("127.0.0.1", PORT)) as raw:
        raw.sendall(live.send(Request(f"127.0.0.1:{PORT}", "/ws/polling")))
        found: dict[str, list[float]] = {path: [] for path in PATHS}
        end, turn = time.perf_counter() + seconds, itertools.cycle(PATHS)
        while time.perf_counter() < end:
            path = next(turn)
            found[path].append(ask(path))
            time.sleep(0.02)
    agent.stop()
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--values-per-second", type=int, default=100_000)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--monitored", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rate = arguments.values_per_second
    if arguments.child:
        run_agent(rate, arguments.monitored, sys.stdin)
        return
    shares: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(arguments.rounds):
        for monitored in (False, True):
            share, rows = cpu_share(rate, arguments.seconds, monitored)
            shares[monitored].append(share)
            print(
                f"{'with' if monitored else 'without'} monitor: {share:.2%} of a core at {rows:,.0f} rows/s", flush=True
            )
    without, with_monitor = statistics.median(shares[False]), statistics.median(shares[True])
    added, relative = with_monitor - without, with_monitor / without - 1
    print(f"the monitor adds {added:.2%} of a core ({relative:+.1%} of the agent's CPU)")
    for path, times in latencies(rate, arguments.seconds).items():
        p50, p99 = percentile(times, 0.5) * 1000, percentile(times, 0.99) * 1000
        print(f"{path:24} n={len(times)} p50={p50:.1f} ms  p99={p99:.1f} ms  max={max(times) * 1000:.1f} ms")


if __name__ == "__main__":
    main()
