"""Checks of the configuration that JSON Schema cannot say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

from agent_core.api import AgentError, Config, ConfigProblem, settings
from http_monitor.config import HttpMonitorConfig, Protect
from http_monitor.door.listen_address import ListenAddress

TYPE: Final = "http_monitor"
LEAST_TOKEN_CHARACTERS: Final = 16
"""A shorter token can be guessed over a network."""


def check_config(config: Config) -> list[ConfigProblem]:
    """Everything that is wrong with the monitors of a configuration."""
    problems: list[ConfigProblem] = []
    taken: dict[tuple[str, int], str] = {}
    for number, entry in enumerate(cast("Sequence[Config]", config.get("extensions") or ())):
        if entry.get("type") != TYPE:
            continue
        path = ("extensions", number, "config")
        monitor = settings(HttpMonitorConfig, cast(Config, entry["config"]))
        problems.extend(_check(monitor, path))
        try:
            address = ListenAddress.parse(monitor.listen)
        except ValueError:
            continue
        other = taken.setdefault((address.host, address.port), f"extensions[{number}]")
        if address.port and other != f"extensions[{number}]":
            problems.append(
                ConfigProblem(
                    f"{address} is already taken by {other}", (*path, "listen"), "give each monitor its own port"
                )
            )
    return problems


def _check(monitor: HttpMonitorConfig, path: tuple[str | int, ...]) -> Iterator[ConfigProblem]:
    try:
        address = ListenAddress.parse(monitor.listen)
    except ValueError as error:
        yield ConfigProblem(str(error), (*path, "listen"))
        return
    if monitor.token is None:
        if not address.loopback:
            yield ConfigProblem(
                f"{address} can be reached from other machines, so a token is required",
                (*path, "listen"),
                "add token: ${MONITOR_TOKEN}, or listen on 127.0.0.1",
            )
        if monitor.protect is Protect.EVERYTHING:
            yield ConfigProblem("protect: everything needs a token", (*path, "protect"), "add token: ${MONITOR_TOKEN}")
        return
    try:
        length = len(monitor.token.reveal().strip())
    except AgentError:
        return  # the core reports what cannot be resolved
    if not length:
        yield ConfigProblem("the token is empty", (*path, "token"), "use at least 16 random characters")
    elif length < LEAST_TOKEN_CHARACTERS:
        yield ConfigProblem(
            f"the token has only {length} characters", (*path, "token"), "use at least 16 random ones", warning=True
        )
