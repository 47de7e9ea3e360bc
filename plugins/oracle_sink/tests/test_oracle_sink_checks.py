"""What ``tagferry check`` says without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from oracle_sink import plugin

from agent_core.api import ComponentContext, Config, ConfigError, Secret, load_schema

SCHEMA = "ALTER SESSION SET CURRENT_SCHEMA = PLANT NLS_DATE_FORMAT = 'HH24:MI;SS'"


def sink(**config: object) -> dict[str, Any]:
    properties = cast("dict[str, dict[str, object]]", load_schema("oracle_sink")["properties"])
    defaults = {key: rules["default"] for key, rules in properties.items() if "default" in rules}
    seconds = {"connect": 5.0, "login": 15.0, "call": 10.0, "wait": 5.0}
    given = {"dsn": "db/x", "user": "u", "password": Secret(lambda: "p"), "timeouts": seconds, "max_future": 1.0}
    pool = {"min": 2, "max": 5, "max_age": 3600.0}
    return {"type": "oracle_sink", "config": defaults | given | {"login_interval": 5.0, "pool": pool} | config}


def check(*sinks: dict[str, Any]) -> list[tuple[str, tuple[str | int, ...], bool]]:
    config = cast(Config, {"sinks": sinks})
    return [(problem.message, problem.path, problem.warning) for problem in plugin.agent_check_config(config)]


def test_the_defaults_and_other_sinks_are_fine() -> None:
    enabled = "ALTER SESSION ENABLE RESUMABLE TIMEOUT 60 NAME 'tag''ferry'"
    assert check(sink(), {"type": "csv_sink", "config": {}}) == []
    assert check(sink(user="proxy[target]")) == []
    assert check(sink(session=[SCHEMA, enabled])) == []
    assert plugin.agent_check_config({}) == []


@pytest.mark.parametrize(
    ("config", "where", "message"),
    [
        ({"dsn": "127.0.0.1:abc/X"}, ("dsn",), "the port is not a number"),
        ({"dsn": "h:1521/x?wallet_password=tiger"}, ("dsn",), "contains a password: it would be in every message"),
        ({"dsn": "(DESCRIPTION=(SECURITY=(WALLET_PASSWORD = tiger)))"}, ("dsn",), "contains a password"),
        ({"user": "scott/tiger"}, ("user",), "contains a password"),
        ({"user": "scott@db"}, ("user",), "contains an address"),
        ({"user": "proxy[target"}, ("user",), "neither an account nor a proxy"),
        ({"table": "a.b.c"}, ("table",), "3 parts"),
        ({"columns": {"A B": "name", "V": "value"}}, ("columns", "A B"), "not an Oracle name"),
        ({"columns": {"T": "name", "t": "value"}}, ("columns", "t"), "listed twice"),
        ({"columns": {"V": "value"}}, ("columns",), "field name"),
        ({"columns": {"T": "name"}}, ("columns",), "value_number"),
        (
            {"columns": {"T": "name", "V": {"field": "value", "time_zone": "UTC"}}},
            ("columns", "V"),
            "time_zone: is for the field timestamp",
        ),
        (
            {"columns": {"T": "name", "V": "value", "S": {"field": "timestamp", "time_zone": "Asia/Seoull"}}},
            ("columns", "S"),
            "Asia/Seoull",
        ),
        (
            {"columns": {"T": "name", "V": "value", "S": {"expression": "USER"}}},
            ("columns", "S"),
            "SEQUENCE.NEXTVAL",
        ),
        (
            {"columns": {"T": "name", "V": "value", "S": {"expression": "x'); DROP TABLE y--.NEXTVAL"}}},
            ("columns", "S"),
            "not an Oracle name",
        ),
        ({"key": ["TAG_NAME", "1"]}, ("key", 1), "not an Oracle name"),
        ({"key": ["TAG"]}, ("key", 0), "TAG is not in columns:"),
        ({"key": ["TAG_NAME", "tag_name"]}, ("key", 1), "listed twice"),
        ({"key": ["S"], "columns": {"T": "name", "V": "value", "S": {"constant": 1}}}, ("key", 0), "only constants"),
        (
            {"key": ["S"], "columns": {"T": "name", "V": "value", "S": {"expression": "SYSDATE"}}},
            ("key", 0),
            "filled by the database",
        ),
        ({"pool": {"min": 3, "max": 2, "max_age": 0.0}}, ("pool", "min"), "more than max"),
        ({"watermark": "t", "table": "T"}, ("watermark",), "is the table of the records"),
        ({"session": ["SELECT 1 FROM dual"]}, ("session", 0), "not an ALTER SESSION statement"),
        ({"session": ["BEGIN x; END;"]}, ("session", 0), "not an ALTER SESSION statement"),
        ({"session": [SCHEMA, "ALTER SESSION SET NLS_LANGUAGE = 'x';"]}, ("session", 1), "semicolon"),
        ({"session": ["alter session set a = 1 -- b"]}, ("session", 0), "comment"),
        ({"session": ["alter session set a = :b"]}, ("session", 0), "bind variable"),
        ({"session": ["alter session set a = 'b"]}, ("session", 0), "quote without an end"),
        (
            {"session": ["alter session set a=p\ntime_zone='+09:00'"]},
            ("session", 0),
            "TIME_ZONE cannot be",
        ),
        ({"session": ["ALTER SESSION SET COMMIT_WRITE = 'BATCH,NOWAIT'"]}, ("session", 0), "on disk"),
        ({"session": ["ALTER SESSION SET CONSTRAINTS=DEFERRED"]}, ("session", 0), "refusal of a row"),
        (
            {"timeouts": {"connect": 5.0, "login": 15.0, "call": 0.0, "wait": 5.0}},
            ("timeouts", "call"),
            "longer than 0",
        ),
    ],
)
def test_a_mistake_is_found_where_it_stands(
    config: dict[str, object], where: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    ((text, path, warning),) = check(sink(), sink(**config))
    assert message in text
    assert (path, warning) == (("sinks", 1, "config", *where), False)
    context = ComponentContext("w", "a", tmp_path, "oracle_sink")
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        plugin.agent_register_sink().create(sink(**config)["config"], context)


def test_more_workers_than_sessions_is_a_warning() -> None:
    ((text, path, warning),) = check(sink() | {"workers": 9})
    assert (path, warning) == (("sinks", 0, "config", "pool", "max"), True)
    assert "9 workers" in text


def test_sessions_of_less_than_a_minute_are_a_warning() -> None:
    for seconds, found in ((5.0, 1), (60.0, 0), (0.0, 0)):
        problems = check(sink(pool={"min": 2, "max": 5, "max_age": seconds}))
        assert [(path[-1], warning) for _, path, warning in problems] == [("max_age", True)] * found


FIRST, SECOND = (
    f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST={host})(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=x)))" for host in "ab"
)
SITES = f"(DESCRIPTION_LIST={FIRST}{SECOND})"


@pytest.mark.parametrize(
    ("dsn", "login", "least"),
    [
        ("db/x", 5.0, None),
        ("plant-scan.example/x", 19.0, "20s"),
        (SITES, 35.0, None),
        (SITES, 15.0, "35s"),
        (SITES, None, None),
        (SITES.replace("HOST=b", "HOST=10.0.0.2"), 20.0, "25s"),
        (FIRST.replace("(ADDRESS", "(RETRY_COUNT=1)(RETRY_DELAY=3)(ADDRESS"), 15.0, "18s"),
        ("ALIAS", 1.0, None),
    ],
)
def test_a_log_in_that_ends_before_the_last_address_is_tried_is_a_warning(
    dsn: str, login: float | None, least: str | None
) -> None:
    limits = {"connect": 5.0, "login": login, "call": 10.0, "wait": 5.0}
    found = plugin.agent_check_config(
        cast(Config, {"sinks": [sink(dsn=dsn, timeouts=limits, config_dir=Path("wallet"))]})
    )
    assert [(problem.path[-1], problem.hint, problem.warning) for problem in found] == (
        [] if least is None else [("login", f"remove it, or set at least {least}", True)]
    )


def test_thin_and_thick_sinks_do_not_mix() -> None:
    ((text, path, _),) = check(sink(), sink(thick={"lib_dir": None}))
    assert path == ("sinks", 1, "config", "thick")
    assert "thin or thick" in text
