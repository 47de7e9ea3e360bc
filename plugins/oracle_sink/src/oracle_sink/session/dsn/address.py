"""Address: the hosts of a dsn, and whether they answer. For diagnosis; the driver itself does the log-ins."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

import oracledb

from agent_core.api import Finding, Severity
from agent_core.api.files.whole_file import read_whole
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import translate

_CERTIFICATE_DAYS: Final = 30
_WALLET_BYTES: Final = 16 * 1024 * 1024
_MOST_ADDRESSES: Final = 32
"""How many are tried at a time, each in a thread of its own."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener should be: the host as written, and one of the addresses that the name has, once it is known."""

    host: str
    port: int
    secure: bool
    ip: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        resolved = f" ({self.ip})" if self.ip not in (None, self.host) else ""
        return f"{host}:{self.port}{resolved}"


def connect_parameters(config: OracleSinkConfig) -> oracledb.ConnectParams:
    """The dsn as the driver reads it, also from tnsnames.ora, with the sink's own values. Raises ConfigurationError."""
    try:
        parameters: oracledb.ConnectParams = oracledb.ConnectParams(
            config_dir=None if config.config_dir is None else str(config.config_dir),
            tcp_connect_timeout=config.timeouts.connect_seconds,
            retry_count=0,
        )
        parameters.parse_connect_string(config.dsn)
    except DRIVER_ERRORS as error:
        raise translate(error, f"read dsn {config.dsn}") from error
    return parameters


def addresses_of(config: OracleSinkConfig) -> list[Address]:
    """All addresses of the dsn, also from tnsnames.ora. Raises ConfigurationError."""
    parameters = connect_parameters(config)
    columns = [listed(parameters.host), listed(parameters.port), listed(parameters.protocol)]
    return [
        Address(str(host), int(str(port)), str(protocol).lower() == "tcps")
        for host, port, protocol in zip(*columns, strict=True)
    ]


def listed(value: object) -> list[object]:
    """The driver has one value where all are the same, else a list."""
    return value if isinstance(value, list) else [value]


def explore(addresses: Sequence[Address], config: OracleSinkConfig) -> list[Finding]:
    """Look up every host, and try each of its IP addresses: one finding for each, in the order of the dsn.

    All at the same time, so it takes ``timeouts.connect`` for the lookup, once more for TCP, and once more for TLS. A
    lookup that takes longer is left to its daemon thread.
    """
    limit = config.timeouts.connect_seconds
    found: list[Finding | Address] = []
    for address, answer in zip(addresses, _at_once(_looked_up, addresses, limit), strict=True):
        if answer is None:
            step = "check the DNS"
            found.append(Finding(Severity.CRITICAL, str(address), f"name not looked up within {limit:g} s", step))
        elif isinstance(answer, Finding):
            found.append(answer)
        else:
            found += [replace(address, ip=ip) for ip in answer]
    tried = [address for address in found if isinstance(address, Address)][:_MOST_ADDRESSES]
    reached = dict(zip(tried, _at_once(lambda one: reach(one, config), tried, 2 * limit + 1), strict=True))
    return [one if isinstance(one, Finding) else reached.get(one) or _silent(str(one), limit) for one in found]


def _looked_up(address: Address) -> list[str] | Finding:
    try:
        answers = socket.getaddrinfo(address.host.strip("[]"), address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        step = "check the host in dsn: and the DNS"
        return Finding(Severity.CRITICAL, str(address), f"name not found: {error.strerror}", step)
    ips = list(dict.fromkeys(str(answer[4][0]) for answer in answers))
    if all(ipaddress.ip_address(ip.partition("%")[0]).is_loopback for ip in ips):
        return ips[-1:]  # this machine under its two names
    return ips


def _at_once(call: Callable[[T], R], items: Sequence[T], seconds: float) -> list[R | None]:
    """The results of the calls, each in a thread of its own; None for what has not returned in time."""
    results: list[R | None] = [None] * len(items)

    def run(number: int) -> None:
        results[number] = call(items[number])

    threads = [
        threading.Thread(target=run, args=(number,), name="oracle_sink-address", daemon=True)
        for number in range(len(items))
    ]
    for thread in threads:
        thread.start()
    ends_at = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, ends_at - time.monotonic()))
    return results.copy()


def _silent(subject: str, seconds: float) -> Finding:
    return Finding(
        Severity.CRITICAL, subject, f"no answer within {seconds:g} s", "check the firewalls between here and there"
    )


def reach(address: Address, config: OracleSinkConfig) -> Finding:
    """Connect over TCP and, for tcps, do the TLS handshake. Each takes at most ``timeouts.connect``."""
    limit = config.timeouts.connect_seconds
    subject = f"TLS {address}" if address.secure else f"TCP {address}"
    start = time.monotonic()
    try:
        with socket.create_connection((address.ip or address.host, address.port), timeout=limit) as plain:
            took = (time.monotonic() - start) * 1000
            if not address.secure:
                return Finding(Severity.OK, subject, f"answers in {took:.0f} ms")
            with _context(config).wrap_socket(plain, server_hostname=address.host) as secure:
                return _certificate(subject, secure)
    except ssl.SSLCertVerificationError as error:
        step = "put the certificate of its authority in ewallet.pem, and set wallet_location: to that folder"
        return Finding(Severity.CRITICAL, subject, f"certificate refused: {error.verify_message}", step)
    except TimeoutError:
        return _silent(subject, limit)
    except OSError as error:
        step = "check host and port in dsn:, and whether the listener runs (lsnrctl status)"
        return Finding(Severity.CRITICAL, subject, str(error), step)


def _context(config: OracleSinkConfig) -> ssl.SSLContext:
    """As the driver does it: with the certificates of the wallet, if any. The driver checks the name itself."""
    context = ssl.create_default_context()
    context.check_hostname = False
    if config.wallet_location is not None:
        wallet = config.wallet_location / "ewallet.pem"
        password = None if config.wallet_password is None else config.wallet_password.reveal()
        context.load_verify_locations(wallet)
        if b"PRIVATE KEY" in read_whole(wallet, _WALLET_BYTES):
            context.load_cert_chain(wallet, password=password)
    return context


def _certificate(subject: str, secure: ssl.SSLSocket) -> Finding:
    until = str((secure.getpeercert() or {}).get("notAfter", ""))
    message = f"{secure.version()}, certificate valid until {until}"
    if until and (ssl.cert_time_to_seconds(until) - datetime.now(UTC).timestamp()) / 86_400 < _CERTIFICATE_DAYS:
        return Finding(Severity.WARNING, subject, message, "renew the server's certificate")
    return Finding(Severity.OK, subject, message)
