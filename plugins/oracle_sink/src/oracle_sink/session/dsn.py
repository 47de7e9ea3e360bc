"""Dsn: what is wrong with a ``dsn:`` as it is written. Asks no network, and no tnsnames.ora for its names."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import oracledb

from oracle_sink.config import OracleSinkConfig

_SIMPLE: Final = "write dsn: as host:port/service, such as dbhost:1521/FREEPDB1"
_ADDRESS: Final = "(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=dbhost)(PORT=1521))"
_FULL: Final = f"write {_ADDRESS}(CONNECT_DATA=(SERVICE_NAME=FREEPDB1)))"
_SID: Final = f"{_SIMPLE}; where there is no service but a SID, {_ADDRESS}(CONNECT_DATA=(SID=ORCL)))"
_NAME: Final = "set config_dir: to the folder of tnsnames.ora, or write dsn: as host:port/service"

_JDBC: Final = re.compile(r"jdbc:", re.IGNORECASE)
_PLAIN: Final = re.compile(r"[^/@()\s]+/[^/@()\s]+")
_WITH_SID: Final = re.compile(r"[^:/()\s]+:\d+:[\w$#.]+")
_ALIAS: Final = re.compile(r"[\w.$#-]+")
_CENTRAL: Final = re.compile(r"(?:ldaps?|config-\w+)://", re.IGNORECASE)
"""Resolved by a directory or a plugin of the driver, which is asked at the log-in."""

_PORT: Final = re.compile(r":([^:/,\]]*)/")
_LAST_PORT: Final = 65_535


class DsnMistake(NamedTuple):
    """``message`` repeats no more of the dsn than a name: it may hold a password. ``hint`` shows the right form."""

    message: str
    hint: str


def dsn_mistake(config: OracleSinkConfig) -> DsnMistake | None:
    """The first thing wrong with it. What only the client libraries of Thick mode can read is left to them."""
    text = config.dsn.strip()
    if _JDBC.match(text):
        address = text.rpartition("@")[2].lstrip("/")
        hint = f"write dsn: as {address}" if _PLAIN.fullmatch(address) else _SID
        return DsnMistake("is a URL of JDBC: only what follows its @ belongs here", hint)
    if not text.startswith("(") and "@" in text.partition("?")[0]:
        return DsnMistake("names an account: user: and password: have keys of their own", _SIMPLE)
    if _WITH_SID.fullmatch(text):
        return DsnMistake("a second colon is no part of an address: a service follows a slash", _SID)
    if config.thick is not None or _CENTRAL.match(text):
        return None
    if _ALIAS.fullmatch(text):
        if config.config_dir is None and not oracledb.defaults.config_dir:
            return DsnMistake(f"{text!r} is a name of tnsnames.ora, and nothing says where that file is", _NAME)
        return None
    return _unreadable(text)


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
            return DsnMistake(f"the port {port[1]!r} is no number", form)
        return DsnMistake("cannot be read: " + ("no complete description" if described else "no address"), form)
    hosts = parameters.host if isinstance(parameters.host, list) else [parameters.host]
    ports = parameters.port if isinstance(parameters.port, list) else [parameters.port]
    if not all(hosts):
        return DsnMistake("names no host", form)
    for number in ports:
        if not 0 < int(number or 0) <= _LAST_PORT:
            return DsnMistake(f"{number} is no port", form)
    return None
