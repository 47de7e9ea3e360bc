"""A secret in what a plugin raises or says reaches nobody who asks the agent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from http_monitor.config import HttpMonitorConfig
from http_monitor.extension import HttpMonitor
from memory_buffer.plugin import agent_register_buffer
from monitored.http_client import HttpClient, Response
from monitored.web_socket import WebSocketClient
from polling_source.plugin import agent_register_source

from agent_core.api import (
    Batch,
    ComponentContext,
    Config,
    DeviceUnreachable,
    DriverFactory,
    Emit,
    ExtensionFactory,
    Finding,
    Rejection,
    RetryableError,
    Severity,
    SinkFactory,
    SinkState,
    SourceFactory,
    SourceState,
    SystemClock,
    WriteOutcome,
    settings,
)
from agent_core.cli.text.status_text import StatusLine, ledger_lines
from agent_core.config import Redaction, load_config
from agent_core.registry import Catalog, Events, Plugin, Registry
from agent_core.runtime.agent import Agent
from agent_core.testing.agent_process import wait_until
from agent_core.testing.fake_drivers import FakeItemDriver
from agent_core.testing.fakes import FakeBacklog, FakeSink, batch_of

SECRET = "tiger-0123456789"
SAID = f"log in with {SECRET} failed"
YAML = """
agent: {name: line-1, state_dir: state}
sources:
  - id: plc
    type: polling_source
    config:
      devices: [{id: PLC, driver: simulator_driver}]
      groups:
        - {id: CYCLE, device: PLC, interval: 100ms, tags: [{name: T, address: "sine:", data_type: float32}]}
        - {id: ORDER, device: PLC, mode: handshake, tags: [{name: O, address: "sine:", data_type: float32}]}
  - {id: line, type: polling_source, config: {devices: [{id: P2, driver: simulator_driver}], groups: [
      {id: G2, device: P2, interval: 1h, tags: [{name: T2, address: "sine:", data_type: float32}]}]}}
buffer: {type: memory_buffer}
sinks:
  - id: away
    type: sqlite_sink
    config: {path: data.db}
    batch: {max_wait: 10ms}
    retry: {max_retries: 1, initial_delay: 10ms}
    fallback: {type: csv_sink, config: {directory: backup}}
  - id: picky
    type: sqlite_sink
    config: {path: more.db}
    batch: {max_wait: 10ms}
    fallback: {type: csv_sink, config: {directory: more}}
extensions: [{type: http_monitor, config: {token: "${TOKEN}"}}]
"""
"""The parts are then replaced by those below: they know the monitor's token, which is the secret."""


class LeakySource:
    """Emits when told; its thread then dies of an exception, and so does its stop."""

    def __init__(self) -> None:
        self.emitted = threading.Event()

    def open(self) -> None: ...

    def close(self) -> None: ...

    def start(self, emit: Emit) -> None:
        def run() -> None:
            emit(batch_of(1, 2, 3))
            raise ValueError(SAID)

        threading.Thread(target=run, name="leaky-poll", daemon=True).start()

    def stop(self, timeout_seconds: float) -> None:
        raise ValueError(SAID)


class LeakySink(FakeSink):
    """Fails until it is told to work, and has advice to give."""

    fails = True

    def write(self, batch: Batch) -> WriteOutcome:
        if self.fails:
            raise RetryableError(SAID, next_step=f"change {SECRET}")
        return super().write(batch)

    def advice(self) -> Sequence[Finding]:
        return [Finding(Severity.WARNING, "account", SAID, f"change {SECRET}")]


class PickySink(FakeSink):
    def write(self, batch: Batch) -> WriteOutcome:
        return WriteOutcome(0, 0, tuple(Rejection(n, "BAD", SAID) for n in range(len(batch))))


class LeakyFallback(FakeBacklog):
    """``fails``: takes nothing; ``lists``: its folder can be read."""

    fails = False
    lists = True

    def divert(self, batch: Batch, diversion: Any) -> None:
        if self.fails:
            raise RetryableError(SAID)
        super().divert(batch, diversion)

    def backlog(self) -> Any:
        if not self.lists:
            raise OSError(5, SAID)
        return super().backlog()

    def discard(self, file: str) -> int:
        raise RetryableError(SAID)


@dataclass
class Leaky:
    """A running agent of such parts, and its monitor."""

    agent: Agent
    monitor: HttpMonitor
    sink: LeakySink
    fallbacks: dict[str, LeakyFallback]

    def __post_init__(self) -> None:
        self.client = HttpClient(self.monitor.address.port)
        self.texts: dict[str, str] = {}

    def ask(self, path: str, method: str = "GET") -> Response:
        token = {"authorization": f"Bearer {SECRET}"} if method == "POST" else {}
        answer = self.client.request(method, path, token)
        self.texts[f"{method} {path} {answer.status}"] = answer.text
        return answer


@pytest.fixture
def leaky(tmp_path: Path) -> Iterator[Leaky]:
    file = tmp_path / "agent.yaml"
    file.write_text(YAML, encoding="utf-8")
    redaction = Redaction()
    loaded = load_config(file, Registry(), {"TOKEN": SECRET}, redaction)
    source, sinks = LeakySource(), {"away": LeakySink(), "picky": PickySink()}
    fallbacks = {"away": LeakyFallback(), "picky": LeakyFallback()}
    fallbacks["away"].fails = True
    monitors: list[HttpMonitor] = []

    def create_driver(config: Config, context: ComponentContext) -> FakeItemDriver:
        driver = FakeItemDriver()

        def connect() -> None:
            raise DeviceUnreachable(SAID)

        driver.connect = connect  # type: ignore[method-assign]
        return driver

    def create_monitor(config: Config, context: ComponentContext) -> HttpMonitor:
        monitors.append(HttpMonitor(settings(HttpMonitorConfig, {**config, "listen": "127.0.0.1:0"}), context))
        return monitors[0]

    def plugin(name: str, factory: Any) -> Plugin:
        return Plugin(name, "d", "1", "", (factory,))

    def creating(parts: Any) -> Callable[[Config, ComponentContext], Any]:
        return lambda _, context: parts[context.component_id]

    catalog = Catalog(
        [
            plugin("polling_source", agent_register_source()),
            plugin("simulator_driver", DriverFactory("simulator_driver", {}, create_driver, "")),
            plugin("leaky_source", SourceFactory("leaky_source", {}, lambda *_: source, "")),
            plugin("leaky_sink", SinkFactory("leaky_sink", {}, creating(sinks), "")),
            plugin("leaky_fallback", SinkFactory("leaky_fallback", {}, creating(fallbacks), "")),
            plugin("memory_buffer", agent_register_buffer()),
            plugin("http_monitor", ExtensionFactory("http_monitor", {}, create_monitor, "")),
        ]
    )
    polling, other = loaded.sources
    config = replace(
        loaded,
        sources=(polling, replace(other, type="leaky_source")),
        sinks=tuple(
            replace(sink, type="leaky_sink", fallback=replace(sink.fallback, type="leaky_fallback"))
            for sink in loaded.sinks
            if sink.fallback is not None
        ),
    )
    agent = Agent(config, catalog, Events(), SystemClock(), redaction.redact)
    agent.start()
    yield Leaky(agent, monitors[0], sinks["away"], fallbacks)  # type: ignore[arg-type]
    sinks["away"].fails, fallbacks["away"].fails = False, False  # type: ignore[attr-defined]
    agent.try_sink("away")
    agent.shutdown()


def everything_went_wrong(agent: Agent) -> bool:
    away, picky = agent.status().sinks
    _, line = agent.status().sources
    return (
        away.state is SinkState.DOWN
        and any("stores no records" in finding.message for finding in away.advice)
        and picky.ledger.rejected > 0
        and line.state is SourceState.FAILED
        and all(group.last_error for group in agent.polling.groups() if group.group_id == "CYCLE")
    )


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_secret_that_plugins_say_is_nowhere_to_be_seen(leaky: Leaky) -> None:
    agent, monitor, texts = leaky.agent, leaky.monitor, leaky.texts
    wait_until(lambda: everything_went_wrong(agent))
    monitor.state.tick()
    monitor.state.look()
    status = agent.status()
    texts["status"] = repr(status)
    texts["groups"] = repr(agent.polling.groups())
    texts["status line"] = StatusLine().text(status)
    texts["kept with the records"] = repr([why for _, why in leaky.fallbacks["picky"].diversions])

    names = {"group_id": "CYCLE", "sink_id": "picky", "file": "rejected_0.csv"}
    for path, methods in leaky.client.get("/openapi.json").json()["paths"].items():
        if "get" in methods:
            leaky.ask(path.format(**names))
    with WebSocketClient(monitor.address.port, "/ws/polling") as socket:
        texts["websocket"] = json.dumps(socket.receive())
    leaky.ask("/api/polling/groups/ORDER/trigger", "POST")
    leaky.ask("/api/sinks/picky/backups/rejected_0.csv/delete", "POST")
    leaky.fallbacks["picky"].lists = False
    leaky.ask("/api/sinks/picky/backups/rejected_0.csv")
    leaky.ask("/api/sinks/picky/backups/rejected_0.csv/replay", "POST")
    leaky.fallbacks["picky"].lists = True

    leaky.sink.fails, leaky.fallbacks["away"].fails = False, False
    agent.try_sink("away")
    agent.shutdown()
    texts["ledger"] = "\n".join(ledger_lines(agent.status()))
    texts["stop problems"] = "; ".join(agent.stop_problems)

    assert [where for where, text in texts.items() if SECRET in text] == []
    # These have something to hide, or this test would show nothing.
    hiding = {
        "status", "groups", "status line", "kept with the records", "websocket", "stop problems",
        "GET /api/live 200", "GET /api/events 200", "GET /api/rejected 200",
        "GET /api/buffer/health 503", "GET /api/buffer/writer/metrics 200", "GET /api/buffer/metrics 200",
        "GET /api/polling/status 200", "GET /api/polling/groups/CYCLE/status 200",
        "GET /api/sinks/picky/backups/rejected_0.csv 503",
        "POST /api/polling/groups/ORDER/trigger 200",
        "POST /api/sinks/picky/backups/rejected_0.csv/delete 409",
        "POST /api/sinks/picky/backups/rejected_0.csv/replay 503",
    }  # fmt: skip
    assert sorted(where for where in hiding if "***" not in texts.get(where, "")) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_a_client_sends_does_not_tell_whether_it_is_a_secret(leaky: Leaky) -> None:
    for path in (f"/api/polling/groups/{SECRET}/status", f"/api/sinks/{SECRET}/backups/x"):
        answer = leaky.ask(path)
        assert (answer.status, SECRET in answer.text) == (404, True)
