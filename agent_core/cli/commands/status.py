"""``tagferry status``: the status of a running agent, with exit codes that monitoring systems know."""

from __future__ import annotations

import argparse
import json
from typing import Final

from agent_core.api import AgentError, GroupState, Severity
from agent_core.cli.monitor.address import add_monitor_arguments, monitor_client
from agent_core.cli.monitor.client import MonitorUnreachable
from agent_core.cli.monitor.live_status import LiveSink, LiveStatus
from agent_core.cli.subcommand import Subcommands, command_parser
from agent_core.cli.text.duration import duration
from agent_core.cli.text.span_text import span_text
from agent_core.cli.text.whereabouts_text import whereabouts_text

OK: Final = 0
WARNING: Final = 1
CRITICAL: Final = 2
UNKNOWN: Final = 3
"""The codes of Nagios' plugins (Monitoring Plugins Development Guidelines, section 2.3), which most systems know."""

ANSWER_SECONDS: Final = 3.0
"""A monitoring system waits 5 to 10 s for a check: with the start of the command this stays below 5 s."""

_WORDS: Final = {OK: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL", UNKNOWN: "UNKNOWN"}
_HEALTH: Final = {"ok": OK, "degraded": WARNING, "failing": CRITICAL}


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "status",
        "show a running agent's status (exit code for monitoring)",
        "Asks the monitor of a running agent for its sinks, the age of their last delivery, its groups and alerts.",
        "  tagferry status\n  tagferry status --max-age 60s\n  tagferry status --url http://10.0.0.5:8080 --json",
        "0 ok   1 warning   2 critical, or no agent answers   3 unknown: the agent could not be asked",
    )
    add_monitor_arguments(parser)
    parser.add_argument(
        "--max-age",
        type=duration,
        metavar="DURATION",
        help="critical when the last delivery of a sink is older, such as 60s",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=status)


def status(arguments: argparse.Namespace) -> int:
    try:
        answer = monitor_client(arguments).at_most(ANSWER_SECONDS).get("/api/live")
        live = LiveStatus.of(answer)
    except MonitorUnreachable as error:
        return _failed(CRITICAL, str(error), as_json=arguments.json)
    except (AgentError, OSError) as error:
        return _failed(UNKNOWN, str(error), as_json=arguments.json)
    code, problems = _judge(live, arguments.max_age)
    if arguments.json:
        judged = {"status": _WORDS[code].lower(), "exit_code": code, "problems": problems}
        age = {"last_delivery_age_seconds": live.last_delivery_age_seconds}
        print(json.dumps({**judged, **age, **answer}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(live, code, problems)))
    return code


def _judge(live: LiveStatus, max_age_seconds: float | None) -> tuple[int, list[str]]:
    """The exit code, and what this command itself finds wrong."""
    code, problems = _HEALTH.get(live.health, UNKNOWN), []
    if live.phase != "running":
        problems.append(f"the agent is {live.phase}")
        code = max(code, WARNING)
    for sink in live.sinks if max_age_seconds is not None else ():
        age = live.uptime_seconds if sink.last_delivery_age_seconds is None else sink.last_delivery_age_seconds
        if max_age_seconds is not None and age > max_age_seconds:
            problems.append(f"{sink.sink_id}: the last delivery was {span_text(age)} ago, more than --max-age")
            code = CRITICAL
    return code, problems


def _lines(live: LiveStatus, code: int, problems: list[str]) -> list[str]:
    age = live.last_delivery_age_seconds
    delivery = "nothing delivered yet" if age is None else f"last delivery {span_text(age)} ago"
    first = f"{_WORDS[code]} {live.name}: {live.verdict}, {live.records_per_second:,.0f} records/s, {delivery}"
    lines = [f"{first}, up for {span_text(live.uptime_seconds)}"]
    if len(live.sinks) > 1:
        lines.append(f"  records: {whereabouts_text(live.whereabouts)}")
    lines += [_sink_line(sink) for sink in live.sinks]
    if live.groups:
        stopped = sum(group.state is GroupState.STOPPED for group in live.groups)
        away = sum(group.state is GroupState.BACKING_OFF for group in live.groups)
        lines.append(f"  groups: {len(live.groups) - stopped - away} running, {stopped} stopped, {away} backing off")
    if live.tags_not_good:
        lines.append(f"  tags: {live.tags_not_good:,} of {live.tags:,} are not good")
    lines += [f"! {problem}" for problem in problems]
    for alert in live.alerts:
        lines.append(f"{'!!' if alert.severity is Severity.CRITICAL else '!'} {alert.subject}: {alert.message}")
        lines.append(f"   next step: {alert.next_step}")
    return lines


def _sink_line(sink: LiveSink) -> str:
    age = sink.last_delivery_age_seconds
    parts = [
        f"  {sink.sink_id} {sink.state}: {whereabouts_text(sink.whereabouts)}",
        f"buffer {sink.outlook.fill_pct:.0f} % full",
        "no delivery yet" if age is None else f"last delivery {span_text(age)} ago",
    ]
    if sink.buffer.backlog_messages is not None:
        parts.append(f"{sink.buffer.backlog_messages:,} messages wait for any agent")
    if sink.backlog_text:
        parts.append(sink.backlog_text)
    if sink.next_probe_seconds is not None:
        parts.append(f"next probe in {span_text(sink.next_probe_seconds)}")
    return ", ".join(parts)


def _failed(code: int, message: str, *, as_json: bool) -> int:
    if as_json:
        found = {"status": _WORDS[code].lower(), "exit_code": code, "problems": [message]}
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(f"{_WORDS[code]} {message}")
    return code
