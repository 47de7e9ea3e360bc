"""LoginLimit: how long a log-in may take, so that each address of the dsn is tried.

The driver tries one address after the other, each for ``timeouts: connect``. A name may have several: a SCAN name has
three. If the first site is away and nothing refuses the connection, a limit shorter than that would cut every log-in
off before the second site is tried. One ``connect`` more is for what follows: TLS and the password.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import Final, NamedTuple

import oracledb

from agent_core.api import SinkError
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.dsn.address import connect_parameters, listed
from oracle_sink.session.dsn.mistake import is_alias, is_central

NAME_ADDRESSES: Final = 3
"""How many addresses a name is taken to have; ``tagferry doctor`` asks the DNS."""


class Attempts(NamedTuple):
    """What one log-in may try: ``addresses``, each for ``connect_seconds``, in ``rounds`` with pauses between them."""

    addresses: int
    connect_seconds: float
    rounds: int = 1
    pause_seconds: float = 0.0

    @property
    def several(self) -> bool:
        """Whether there is an address after the first."""
        return self.addresses * self.rounds > 1

    @property
    def needed_seconds(self) -> float:
        """For a log-in by way of the last address."""
        pauses = self.pause_seconds * (self.rounds - 1)
        return self.connect_seconds * (self.addresses * self.rounds + 1) + pauses


def login_seconds(config: OracleSinkConfig) -> float:
    """``timeouts: login``, or where it is not set the time that the dsn needs. Reads tnsnames.ora."""
    configured = config.timeouts.login_seconds
    if configured is not None:
        return configured
    return attempts_of(config).needed_seconds


def attempts_of(config: OracleSinkConfig) -> Attempts:
    """Judged by the dsn, also from tnsnames.ora: a name counts as ``NAME_ADDRESSES``, an IP address as one."""
    if not is_central(config.dsn):
        with suppress(SinkError, ValueError):  # the log-in itself says what is wrong
            return _attempts(connect_parameters(config), NAME_ADDRESSES)
    return Attempts(NAME_ADDRESSES, config.timeouts.connect_seconds)


def least_attempts(config: OracleSinkConfig) -> Attempts | None:
    """What is certain without a network or a file; None for what only those tell.

    A single host is one address, unless its name says that it is a SCAN; of several sites, each may be one.
    """
    if is_central(config.dsn) or is_alias(config.dsn):
        return None
    try:
        parameters = connect_parameters(config)
    except (SinkError, ValueError):
        return None
    hosts = [str(host) for host in listed(parameters.host)]
    several = len(hosts) > 1 or "scan" in hosts[0].lower()
    return _attempts(parameters, NAME_ADDRESSES if several else 1)


def _attempts(parameters: oracledb.ConnectParams, name_addresses: int) -> Attempts:
    addresses = sum(1 if _is_one(str(host)) else name_addresses for host in listed(parameters.host))
    # A dsn may set these for each of its descriptions; the longest counts.
    connect = max(float(str(seconds)) for seconds in listed(parameters.tcp_connect_timeout))
    retries = max(int(str(count)) for count in listed(parameters.retry_count))
    pause = max(float(str(seconds)) for seconds in listed(parameters.retry_delay))
    return Attempts(addresses, connect, 1 + retries, pause)


def _is_one(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
