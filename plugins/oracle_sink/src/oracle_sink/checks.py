"""Checks: what JSON Schema cannot say about an ``oracle_sink``. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from agent_core.api import Config, ConfigProblem, settings
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.dsn.login_limit import least_attempts
from oracle_sink.session.dsn.mistake import dsn_mistake
from oracle_sink.session.setup import statement_mistakes
from oracle_sink.table.identifiers import parse_table
from oracle_sink.table.mapping import read_key, read_mapping

_TYPE = "oracle_sink"
_SHORT_LIFE_SECONDS = 60.0
_USER = re.compile(r"[^\[\]]+(?:\[[^\[\]]+\])?")


def problems(config: Config) -> Sequence[ConfigProblem]:
    """Everything wrong with the oracle sinks of a whole configuration."""
    found: list[ConfigProblem] = []
    modes: set[bool] = set()
    for index, sink in enumerate(cast("Sequence[Mapping[str, object]]", config.get("sinks", ()))):
        if sink.get("type") != _TYPE:
            continue
        typed = settings(OracleSinkConfig, cast(Config, sink["config"]))
        path = ("sinks", index, "config")
        found.extend(sink_problems(typed, path))
        found.extend(_too_short_a_login(typed, path))
        if 0 < typed.pool.max_age_seconds < _SHORT_LIFE_SECONDS:
            message = (
                f"{typed.pool.max_age_seconds:g} s: each session logs in that often, which costs the server a process"
            )
            found.append(ConfigProblem(message, (*path, "pool", "max_age"), "write 1h, or 0s", warning=True))
        workers = sink.get("workers", 1)
        if isinstance(workers, int) and workers > typed.pool.max:
            found.append(
                ConfigProblem(
                    f"{workers} workers share {typed.pool.max} database sessions",
                    (*path, "pool", "max"),
                    "raise pool: max: or lower workers:",
                    warning=True,
                )
            )
        modes.add(typed.thick is not None)
        if len(modes) > 1:
            message = "a process is either thin or thick, but the oracle sinks differ"
            found.append(ConfigProblem(message, (*path, "thick"), "set the same thick: for every oracle_sink"))
    return found


def sink_problems(config: OracleSinkConfig, path: tuple[str | int, ...] = ()) -> Iterator[ConfigProblem]:
    """Everything wrong with one sink's ``config:``; ``path`` leads to it."""
    if (wrong := dsn_mistake(config)) is not None:
        yield ConfigProblem(wrong.message, (*path, "dsn"), wrong.hint)
    if not config.user.startswith('"'):
        for sign, what, key in (("/", "a password", "password:"), ("@", "an address", "dsn:")):
            if sign in config.user:
                yield ConfigProblem(f"contains {what}", (*path, "user"), f"use the key {key}")
        if not _USER.fullmatch(config.user):
            hint = 'write "proxy[target]", with the password of proxy'
            yield ConfigProblem("is neither an account nor a proxy for one", (*path, "user"), hint)
    try:
        parse_table(config.table)
    except ValueError as error:
        yield ConfigProblem(str(error), (*path, "table"))
    if config.watermark is not None:
        try:
            if parse_table(config.watermark) == parse_table(config.table):
                yield ConfigProblem("is the table of the records", (*path, "watermark"), "create ddl/watermark.sql")
        except ValueError as error:
            yield ConfigProblem(str(error), (*path, "watermark"))
    mapping, mistakes = read_mapping(config.columns)
    for mistake in mistakes:
        where = (*path, "columns") if mistake.column is None else (*path, "columns", mistake.column)
        yield ConfigProblem(str(mistake), where)
    if not mistakes:
        for position, text in read_key(config.key, mapping)[1]:
            yield ConfigProblem(text, (*path, "key", position))
    for wrong_statement in statement_mistakes(config.session):
        where = (*path, "session", wrong_statement.position)
        yield ConfigProblem(wrong_statement.message, where, wrong_statement.hint)
    if config.pool.min > config.pool.max:
        yield ConfigProblem(f"min {config.pool.min} is more than max {config.pool.max}", (*path, "pool", "min"))
    for key, seconds in (("connect", config.timeouts.connect_seconds), ("login", config.timeouts.login_seconds)):
        if seconds is not None and seconds <= 0:
            yield ConfigProblem("must be longer than 0", (*path, "timeouts", key))
    if config.timeouts.call_seconds <= 0:
        # To the driver, 0 means no limit.
        yield ConfigProblem("must be longer than 0", (*path, "timeouts", "call"))


def _too_short_a_login(config: OracleSinkConfig, path: tuple[str | int, ...]) -> Iterator[ConfigProblem]:
    login = config.timeouts.login_seconds
    attempts = least_attempts(config)
    if login is None or attempts is None or not attempts.several or login >= attempts.needed_seconds:
        return
    message = (
        f"{login:g} s end before the last address of the dsn is tried: {attempts.addresses} addresses (a name may have "
        f"three) take {attempts.connect_seconds:g} s each, and the log-in as long again"
    )
    hint = f"remove it, or set at least {attempts.needed_seconds:g}s"
    yield ConfigProblem(message, (*path, "timeouts", "login"), hint, warning=True)
