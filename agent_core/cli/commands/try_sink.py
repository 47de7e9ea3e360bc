"""``tagferry try``: let a running agent probe a sink now."""

from __future__ import annotations

import argparse
import time
from typing import Final
from urllib.parse import quote

from agent_core.api import AgentError, SinkState
from agent_core.cli import exit_code
from agent_core.cli.monitor.address import add_monitor_arguments, monitor_client
from agent_core.cli.monitor.client import MonitorClient
from agent_core.cli.monitor.live_status import LiveSink, LiveStatus
from agent_core.cli.subcommand import Subcommands, command_parser
from agent_core.cli.text.duration import duration

WAIT_SECONDS: Final = 30.0
LOOK_SECONDS: Final = 0.25


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "try",
        "let a running agent try a sink that is not up now",
        "A sink that is down is tried at intervals. This command makes the next attempt due at once, for example when\n"
        "the database is back or a password was changed, and waits for what comes of it.",
        "  tagferry try warehouse\n  tagferry try warehouse --url http://10.0.0.5:8080",
        "0 the sink is up   1 it is not, or the agent does not answer   2 mistake on the command line",
    )
    parser.add_argument("sink", metavar="SINK", help="id of the sink")
    add_monitor_arguments(parser)
    parser.add_argument(
        "--timeout", type=duration, default=WAIT_SECONDS, metavar="DURATION", help="how long to wait; default: 30s"
    )
    parser.set_defaults(command=try_sink)


def try_sink(arguments: argparse.Namespace) -> int:
    client, sink_id = monitor_client(arguments), arguments.sink
    answer = client.post(f"/api/sinks/{quote(sink_id, safe='')}/try")
    deadline = time.monotonic() + arguments.timeout
    sink = _look(client, sink_id)
    # An attempt that failed has set the time of the next one.
    while answer.get("success") and sink.state is not SinkState.UP and not sink.next_probe_seconds:
        if time.monotonic() >= deadline:
            break
        time.sleep(LOOK_SECONDS)
        sink = _look(client, sink_id)
    if sink.state is SinkState.UP:
        print(f"{sink_id} is up")
        return exit_code.OK
    print(f"{sink_id} is {sink.state}: {sink.last_error or answer.get('message')}")
    return exit_code.FAILED


def _look(client: MonitorClient, sink_id: str) -> LiveSink:
    for sink in LiveStatus.of(client.get("/api/live")).sinks:
        if sink.sink_id == sink_id:
            return sink
    raise AgentError(f"the agent has no sink {sink_id!r} any more")
