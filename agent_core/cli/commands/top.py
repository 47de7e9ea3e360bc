"""``tagferry top``: the dashboard for a machine without a browser."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING, Final

from agent_core.api import AgentError
from agent_core.cli import exit_code
from agent_core.cli.monitor.address import add_monitor_arguments, monitor_client
from agent_core.cli.monitor.client import MonitorClient, MonitorRefused, MonitorUnreachable
from agent_core.cli.monitor.live_status import LiveStatus
from agent_core.cli.subcommand import Subcommands, command_parser
from agent_core.cli.text.duration import interval

if TYPE_CHECKING:
    from rich.console import Console

    from agent_core.cli.monitor.top_view import TopView

REFRESH_SECONDS: Final = 1.0


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "top",
        "watch a running agent in the terminal",
        "Shows what the dashboard shows: the pipeline with live numbers, alerts with the next step, groups.\n"
        "Ctrl-C closes the view; the agent keeps running.",
        "  tagferry top\n  tagferry top --url http://10.0.0.5:8080\n  tagferry top --once",
    )
    add_monitor_arguments(parser)
    parser.add_argument(
        "--once", action="store_true", help="print it once; the default when standard output is not a terminal"
    )
    parser.add_argument(
        "--every", type=interval, default=REFRESH_SECONDS, metavar="DURATION", help="how often to refresh; default: 1s"
    )
    parser.set_defaults(command=top)


def top(arguments: argparse.Namespace) -> int:
    try:
        from rich.console import Console
    except ImportError:
        raise AgentError("tagferry top needs the package rich: pip install rich") from None
    from agent_core.cli.monitor.top_view import TopView

    client, console, view = monitor_client(arguments), Console(), TopView()
    if arguments.once or not console.is_terminal:
        view.update(LiveStatus.of(client.get("/api/live")), _rates(client))
        console.print(view.render(console.width, None))
        return exit_code.OK
    return _watch(client, console, view, arguments.every)


def _watch(client: MonitorClient, console: Console, view: TopView, every_seconds: float) -> int:
    from rich.live import Live

    view.update(LiveStatus.of(client.get("/api/live")), _rates(client))
    with Live(console=console, screen=True, auto_refresh=False) as screen:
        try:
            while True:
                screen.update(view.render(console.width, console.height), refresh=True)
                time.sleep(every_seconds)
                try:
                    view.update(LiveStatus.of(client.get("/api/live")))
                except (MonitorUnreachable, MonitorRefused) as error:
                    view.lost(str(error))
        except KeyboardInterrupt:
            pass
    sys.stdout.flush()
    return exit_code.OK


def _rates(client: MonitorClient) -> list[float]:
    """Records per second of the last minutes, oldest first."""
    found = client.get("/api/history").get("records_per_second")
    return [float(value) for value in found] if isinstance(found, list) else []
