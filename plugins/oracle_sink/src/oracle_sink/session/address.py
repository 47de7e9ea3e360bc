"""Address: the hosts of a dsn, and whether they answer. For diagnosis; the driver itself does the log-ins."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import oracledb

from agent_core.api import Finding, Severity
from agent_core.api.whole_file import read_whole
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import translate

_CERTIFICATE_DAYS: Final = 30
_WALLET_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener should be."""

    host: str
    port: int
    secure: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def addresses_of(config: OracleSinkConfig) -> list[Address]:
    """All addresses of the dsn, also from tnsnames.ora. Raises ConfigurationError."""
    try:
        parameters = oracledb.ConnectParams(config_dir=None if config.config_dir is None else str(config.config_dir))
        parameters.parse_connect_string(config.dsn)
    except DRIVER_ERRORS as error:
        raise translate(error, f"read dsn {config.dsn}") from error
    columns = [_listed(parameters.host), _listed(parameters.port), _listed(parameters.protocol)]
    return [
        Address(str(host), int(port), str(protocol).lower() == "tcps")
        for host, port, protocol in zip(*columns, strict=True)
    ]


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def reach(address: Address, config: OracleSinkConfig) -> Finding:
    """Connect over TCP and, for tcps, do the TLS handshake. Each takes at most ``timeouts.connect``."""
    limit = config.timeouts.connect_seconds
    subject = f"TLS {address}" if address.secure else f"TCP {address}"
    start = time.monotonic()
    try:
        with socket.create_connection((address.host, address.port), timeout=limit) as plain:
            took = (time.monotonic() - start) * 1000
            if not address.secure:
                return Finding(Severity.OK, subject, f"answers in {took:.0f} ms")
            with _context(config).wrap_socket(plain, server_hostname=address.host) as secure:
                return _certificate(subject, secure)
    except ssl.SSLCertVerificationError as error:
        step = "put the certificate of its authority in ewallet.pem, and set wallet_location: to that folder"
        return Finding(Severity.CRITICAL, subject, f"certificate refused: {error.verify_message}", step)
    except TimeoutError:
        return Finding(
            Severity.CRITICAL, subject, f"no answer within {limit:g} s", "check the firewalls between here and there"
        )
    except socket.gaierror as error:
        return Finding(
            Severity.CRITICAL, subject, f"name not found: {error.strerror}", "check the host in dsn: and the DNS"
        )
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
