"""Dsn: what is wrong with a ``dsn:`` as written. Uses no network, and does not read names from tnsnames.ora."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import oracledb

from oracle_sink.config import OracleSinkConfig

_SIMPLE: Final = "write dsn: as host:port/service, such as dbhost:1521/FREEPDB1"
_ADDRESS: Final = "(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=dbhost)(PORT=1521))"
_FULL: Final = f"write {_ADDRESS}(CONNECT_DATA=(SERVICE_NAME=FREEPDB1)))"
_SID: Final = f"{_SIMPLE}; if there is only a SID, {_ADDRESS}(CONNECT_DATA=(SID=ORCL)))"
_NAME: Final = "set config_dir: to the folder of tnsnames.ora, or write dsn: as host:port/service"

_JDBC: Final = re.compile(r"jdbc:", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[^/@()\s]+/[^/@()\s]+")
_WITH_SID: Final = re.compile(r"[^:/()\s]+:\d+:[\w$#.]+")
_PASSWORD: Final = re.compile(r"(?:password|passwd|pwd)\s*=", re.IGNORECASE)
_ALIAS: Final = re.compile(r"[\w.$#-]+")
_CENTRAL: Final = re.compile(r"(?:ldaps?|config-\w+)://", re.IGNORECASE)
"""Resolved at log-in by a directory or a plugin of the driver."""

_PORT: Final = re.compile(r":([^:/,\]]*)/")
_LAST_PORT: Final = 65_535


class DsnMistake(NamedTuple):
    """``message`` repeats only a name of the dsn, because it may contain a password. ``hint`` shows the right form."""

    message: str
    hint: str


def dsn_mistake(config: OracleSinkConfig) -> DsnMistake | None:
    """The first mistake. What only the client libraries of Thick mode can read is left to them."""
    text = config.dsn.strip()
    if _JDBC.match(text):
        address = text.rpartition("@")[2].lstrip("/")
        hint = f"write dsn: as {address}" if _PLAIN.fullmatch(address) else _SID
        return DsnMistake("is a JDBC URL: only the part after @ belongs here", hint)
    if not text.startswith("(") and "@" in text.partition("?")[0]:
        return DsnMistake("contains an account: use the keys user: and password:", _SIMPLE)
    if _PASSWORD.search(text):
        return DsnMistake("contains a password: it would be in every message", "use the key wallet_password:")
    if _WITH_SID.fullmatch(text):
        return DsnMistake("an address has no second colon: the service follows a slash", _SID)
    if config.thick is not None or _CENTRAL.match(text):
        return None
    if _ALIAS.fullmatch(text):
        if config.config_dir is None and not oracledb.defaults.config_dir:
            return DsnMistake(f"{text!r} is a name from tnsnames.ora, but config_dir: is not set", _NAME)
        return None
    return _unreadable(text)


def is_alias(dsn: str) -> bool:
    """True if tnsnames.ora has the addresses."""
    return _ALIAS.fullmatch(dsn.strip()) is not None


def is_central(dsn: str) -> bool:
    """True if a directory or a configuration server has the addresses."""
    return _CENTRAL.match(dsn.strip()) is not None


def _unreadable(text: str) -> DsnMistake | None:
    """What the driver cannot parse."""
    described = text.startswith("(")
    form = _FULL if described else _SIMPLE
    parameters = oracledb.ConnectParams()
    try:
        parameters.parse_connect_string(text)
    except (oracledb.Error, ValueError):
        if text.count("(") != text.count(")"):
            return DsnMistake(f"has {text.count('(')} ( and {text.count(')')} )", form)
        port = None if described else _PORT.search(text.partition("://")[2] or text)
        if port is not None and not port[1].isdecimal():
            return DsnMistake("the port is not a number", form)
        return DsnMistake("cannot be read: it is not a complete " + ("description" if described else "address"), form)
    hosts = parameters.host if isinstance(parameters.host, list) else [parameters.host]
    ports = parameters.port if isinstance(parameters.port, list) else [parameters.port]
    if not all(hosts):
        return DsnMistake("has no host", form)
    for number in ports:
        if not 0 < int(number or 0) <= _LAST_PORT:
            return DsnMistake(f"{number} is not a port", form)
    return None
