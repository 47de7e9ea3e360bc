"""The process: its options, its one line of output, its end."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import oracledb
import pytest
from oracle_standin.process import Standin, StandinError


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "oracle_standin", *arguments]


def test_help_teaches() -> None:
    result = subprocess.run(command("--help"), capture_output=True, text=True, check=True)
    assert "examples:" in result.stdout
    assert "stand-in, not Oracle" in result.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_the_ddl_has_run(tmp_path: Path, number: signal.Signals) -> None:
    ddl = tmp_path / "tables.sql"
    ddl.write_text("-- two tables;\nCREATE TABLE one (a NUMBER);\n\nCREATE TABLE two (b NUMBER) TABLESPACE users\n/\n")
    arguments = command("--user", "plant/secret", "--service", "MES", "--ddl", str(ddl), "--character-set", "UTF8")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = process.stdout.readline().split()[1].removeprefix("port=")
        with oracledb.connect(user="plant", password="secret", dsn=f"127.0.0.1:{port}/mes") as opened:
            tables = opened.cursor().execute("SELECT table_name FROM user_tables ORDER BY 1").fetchall()
            assert tables == [("ONE",), ("TWO",)]
            query = "SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'"
            assert opened.cursor().execute(query).fetchall() == [("UTF8",)]
            process.send_signal(number)
            assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "text"), [(["--user", "scott"], "NAME/PASSWORD"), (["--ddl", "x.sql"], "ORA-00902")]
)
def test_what_cannot_work_ends_at_once(tmp_path: Path, arguments: list[str], text: str) -> None:
    (tmp_path / "x.sql").write_text("CREATE TABLE t (a CLOB)")
    result = subprocess.run(command(*arguments), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert text in result.stderr


def test_a_port_in_use_is_said() -> None:
    with Standin() as first, pytest.raises(StandinError, match="did not start"):
        Standin(port=first.port).start()


def test_ddl_that_fails_stops_the_process() -> None:
    db = Standin(ddl=["CREATE TABLE t (a CLOB)"])
    with pytest.raises(StandinError, match="ORA-00902"):
        db.start()
    with pytest.raises(StandinError, match="not running"):
        db.counters()


def test_a_stopped_stand_in_says_so() -> None:
    db = Standin()
    db.stop()
    with pytest.raises(StandinError, match="not running"):
        db.counters()


def test_the_same_port_can_be_used_again() -> None:
    with Standin() as first:
        port = first.port
    with Standin(port=port) as second:
        assert second.port == port
        assert second.sessions() == []
        with pytest.raises(StandinError, match="no user"):
            second.expire_password("nobody")
        with pytest.raises(StandinError, match="ORA-00942"):
            second.sql("SELECT * FROM nowhere")
        assert second.sql("SELECT TIMESTAMP '2026-01-01 00:00:00', 1.5, 7 FROM dual") == [
            ["2026-01-01T00:00:00", 1.5, 7]
        ]
