"""``tagferry trigger``: poll a handshake group of a running agent now."""

from __future__ import annotations

import argparse
import json
from urllib.parse import quote

from agent_core.cli import exit_code
from agent_core.cli.monitor.address import add_monitor_arguments, monitor_client
from agent_core.cli.subcommand import Subcommands, command_parser


def add_parser(commands: Subcommands[argparse.ArgumentParser]) -> None:
    parser = command_parser(
        commands,
        "trigger",
        "poll a handshake group of a running agent now",
        "Asks the running agent to poll GROUP and waits for the result. Triggers within a second share one poll.",
        "  tagferry trigger ORDER_START\n  tagferry trigger ORDER_START --url http://10.0.0.5:8080",
        "0 the group was polled   1 it was not, or the agent does not answer   2 mistake on the command line",
    )
    parser.add_argument("group", metavar="GROUP", help="id of the polling group")
    add_monitor_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(command=trigger)


def trigger(arguments: argparse.Namespace) -> int:
    answer = monitor_client(arguments).post(f"/api/polling/groups/{quote(arguments.group, safe='')}/trigger")
    if arguments.json:
        print(json.dumps(answer, indent=2, ensure_ascii=False))
    elif answer.get("success"):
        tags = answer.get("tags_read")
        noun = "tag" if tags == 1 else "tags"
        print(f"{arguments.group}: {tags} {noun} read in {answer.get('duration_ms')} ms")
    else:
        print(f"{arguments.group} was not polled: {answer.get('message')}")
    return exit_code.OK if answer.get("success") else exit_code.FAILED
