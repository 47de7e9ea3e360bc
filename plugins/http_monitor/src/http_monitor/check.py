"""Checks of the configuration that JSON Schema cannot say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from agent_core.api import AgentError, Config, ConfigError, ConfigProblem, Secret, settings
from http_monitor.config import RESERVED_NAMES, HttpMonitorConfig, Protect, Tls
from http_monitor.door.access_policy import reachable_from_elsewhere
from http_monitor.door.certificate import load
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.proxies import is_prefix, network
from http_monitor.door.tokens import LEAST_TOKEN_CHARACTERS

TYPE = "http_monitor"
OWN_PATHS = ("/api", "/assets", "/ws", "/metrics", "/healthz", "/readyz")

Where = tuple[str | int, ...]


def check_config(config: Config) -> list[ConfigProblem]:
    """Everything that is wrong with the monitors of a configuration."""
    problems: list[ConfigProblem] = []
    taken: dict[tuple[str, int], str] = {}
    for number, entry in enumerate(cast("Sequence[Config]", config.get("extensions") or ())):
        if entry.get("type") != TYPE:
            continue
        path = ("extensions", number, "config")
        monitor = settings(HttpMonitorConfig, cast(Config, entry["config"]))
        problems += [*_tokens(monitor, path), *_proxies(monitor, path)]
        if monitor.tls is not None:
            problems += _tls(monitor.tls, (*path, "tls"))
        try:
            address = ListenAddress.parse(monitor.listen)
        except ValueError as error:
            problems.append(ConfigProblem(str(error), (*path, "listen")))
            continue
        problems += _exposure(monitor, address, path)
        other = taken.setdefault((address.host, address.port), f"extensions[{number}]")
        if address.port and other != f"extensions[{number}]":
            problems.append(
                ConfigProblem(
                    f"{address} is already taken by {other}", (*path, "listen"), "give each monitor its own port"
                )
            )
    return problems


def _exposure(monitor: HttpMonitorConfig, address: ListenAddress, path: Where) -> Iterator[ConfigProblem]:
    """Whether whoever can reach the monitor can use it, and only they."""
    everything = monitor.protect is Protect.EVERYTHING
    if everything and monitor.public_reading:
        yield ConfigProblem("public_reading contradicts protect: everything", (*path, "public_reading"), "remove one")
    if monitor.named_tokens:
        return
    if everything:
        yield ConfigProblem("protect: everything needs a token", (*path, "protect"), "add token: ${MONITOR_TOKEN}")
    if monitor.public_reading or not reachable_from_elsewhere(monitor, address):
        return
    if not address.loopback:
        yield ConfigProblem(
            f"{address} can be reached from other machines, so a token is required",
            (*path, "listen"),
            "add token: ${MONITOR_TOKEN}, say public_reading: true to show everything and control nothing, or listen "
            "on 127.0.0.1",
        )
        return
    key = next(key for key in ("allowed_hosts", "trusted_proxies", "root_path") if getattr(monitor, key))
    yield ConfigProblem(
        f"{key} lets others reach the monitor through a proxy, so reading and changing need a token, and none is "
        "configured: every call is refused",
        (*path, key),
        "add token: ${MONITOR_TOKEN}, or public_reading: true to show everything and control nothing",
        warning=True,
    )


def _tokens(monitor: HttpMonitorConfig, path: Where) -> Iterator[ConfigProblem]:
    places: list[tuple[str, Secret, Where]] = []
    if monitor.token is not None:
        places.append(("token", monitor.token, (*path, "token")))
    names: set[str] = set()
    for number, named in enumerate(monitor.tokens):
        where = (*path, "tokens", number)
        if named.name in RESERVED_NAMES:
            yield ConfigProblem(f"{named.name} has a meaning of its own", (*where, "name"), "use another name")
        elif named.name in names:
            yield ConfigProblem(f"another token is called {named.name}", (*where, "name"), "use another name")
        names.add(named.name)
        places.append((named.name, named.token, (*where, "token")))
    owners: dict[str, str] = {}
    for name, secret, where in places:
        try:
            text = secret.reveal().strip()
        except AgentError:
            continue  # the core reports what cannot be resolved
        if len(text) < LEAST_TOKEN_CHARACTERS:
            several = "" if len(text) == 1 else "s"
            said = f"the token has only {len(text)} character{several}" if text else "the token is empty"
            step = f"use at least {LEAST_TOKEN_CHARACTERS} random characters, such as those of: openssl rand -hex 16"
            yield ConfigProblem(said, where, step)
        elif not (text.isascii() and text.isprintable()):
            yield ConfigProblem("the token has characters that no header can carry", where, "use printable ASCII")
        elif text in owners:
            yield ConfigProblem(f"{owners[text]} has the same token", where, "give everybody a token of their own")
        owners.setdefault(text, name)


def _proxies(monitor: HttpMonitorConfig, path: Where) -> Iterator[ConfigProblem]:
    for number, text in enumerate(monitor.trusted_proxies):
        try:
            network(text)
        except ValueError as error:
            yield ConfigProblem(str(error), (*path, "trusted_proxies", number))
    root = monitor.root_path
    if root and not (root.startswith("/") and root.strip("/") and is_prefix(root)):
        yield ConfigProblem("expected a path such as /line-1", (*path, "root_path"))
    elif any(root.rstrip("/") == own or root.startswith(f"{own}/") for own in OWN_PATHS):
        yield ConfigProblem(f"{root} is a path of the monitor itself", (*path, "root_path"), "use another one")


def _tls(tls: Tls, path: Where) -> Iterator[ConfigProblem]:
    try:
        load(tls)
    except ConfigError as error:
        yield ConfigProblem(str(error), path)
        return
    if os.name == "posix" and _others_can_read(tls.key):
        yield ConfigProblem(
            f"every user of this machine can read the key {tls.key}",
            (*path, "key"),
            f"chmod 600 {tls.key}",
            warning=True,
        )


def _others_can_read(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False
