"""What ``tagferry check`` says about a dsn, without a network."""

from __future__ import annotations

from pathlib import Path

import oracledb
import pytest
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.dsn.mistake import DsnMistake, dsn_mistake

from agent_core.api import Secret, settings

from ..conftest import DEFAULTS

DESCRIPTION = "(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST=h)(PORT=%s))(CONNECT_DATA=(SERVICE_NAME=x)))"


@pytest.fixture(autouse=True)
def _no_client_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """TNS_ADMIN and ORACLE_HOME of this machine are not the test's."""
    monkeypatch.setattr(oracledb.defaults, "config_dir", None)


def mistake(dsn: str, **config: object) -> DsnMistake | None:
    account = {"dsn": dsn, "user": "u", "password": Secret(lambda: "p")}
    return dsn_mistake(settings(OracleSinkConfig, DEFAULTS | account | config))


@pytest.mark.parametrize(
    "dsn",
    [
        "dbhost:1521/FREEPDB1",
        " dbhost/FREEPDB1 ",
        "//dbhost:1521/x",
        "tcps://dbhost:2484/x?ssl_server_cert_dn=CN=a",
        "h1:1,h2:2/x",
        "h1,h2;h3/x",
        "[::1]:1521/x",
        "h:1521/x:dedicated/inst",
        DESCRIPTION % 1521,
        (DESCRIPTION % 1521).replace("SERVICE_NAME", "SID"),
        "ldap://directory/x",
        "config-file:///etc/db.json",
    ],
)
def test_an_address_is_fine(dsn: str) -> None:
    assert mistake(dsn) is None


@pytest.mark.parametrize(
    ("dsn", "message", "hint"),
    [
        ("127.0.0.1:abc/X", "the port is not a number", "host:port/service"),
        ("tcps://h:abc/X", "the port is not a number", "host:port/service"),
        ("h:99999/x", "99999 is not a port", "host:port/service"),
        ("/x", "has no host", "host:port/service"),
        ("http://h:1521/x", "not a complete address", "host:port/service"),
        ("h:1521", "not a complete address", "host:port/service"),
        ("h:1521/x y", "not a complete address", "host:port/service"),
        ("(DESCRIPTION=(ADDR", "has 2 ( and 0 )", "(DESCRIPTION=(ADDRESS="),
        ("(DESCRIPTION=)", "not a complete description", "(DESCRIPTION=(ADDRESS="),
        (DESCRIPTION % "abc", "not a complete description", "(DESCRIPTION=(ADDRESS="),
        ("jdbc:oracle:thin:@h:1521/x", "JDBC", "write dsn: as h:1521/x"),
        ("jdbc:oracle:thin:@//h:1521/x", "JDBC", "write dsn: as h:1521/x"),
        ("jdbc:oracle:thin:@h:1521:ORCL", "JDBC", "(SID=ORCL)"),
        ("h:1521:ORCL", "second colon", "(SID=ORCL)"),
        ("PLANT.WORLD", "'PLANT.WORLD' is a name from tnsnames.ora", "config_dir:"),
        ("127.0.0.1", "tnsnames.ora", "host:port/service"),
    ],
)
def test_a_mistake_is_named_with_the_right_form(dsn: str, message: str, hint: str) -> None:
    found = mistake(dsn)
    assert found is not None
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize("dsn", ["scott/tiger@h:1521/x", "jdbc:oracle:thin:scott/tiger@//h:1521/x"])
def test_a_password_in_it_is_not_repeated(dsn: str) -> None:
    found = mistake(dsn)
    assert found is not None
    assert "tiger" not in "".join(found)


def test_a_name_is_fine_where_something_says_where_tnsnames_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mistake("PLANT") is not None
    assert mistake("PLANT", config_dir=tmp_path) is None  # whether it is in that file is for tagferry doctor
    monkeypatch.setattr(oracledb.defaults, "config_dir", str(tmp_path))  # TNS_ADMIN
    assert mistake("PLANT") is None


def test_the_client_libraries_read_what_they_can() -> None:
    assert mistake("PLANT", thick={"lib_dir": None}) is None
    assert mistake("jdbc:oracle:thin:@h:1521/x", thick={"lib_dir": None}) is not None
