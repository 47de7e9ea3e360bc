"""Secrets in clear text: no message repeats one, however it was mistyped, and who can read the file is looked at."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from config.conftest import Yaml

from agent_core.config import Redaction
from agent_core.config.clear_text import others_can_read

CONFIG = """\
sources: [{id: line1, type: polling_source, config: {devices: [{id: A, driver: simulator_driver}]}}]
sinks:
  - id: db
    type: database_sink
    config:
      dsn: db:1521/X
      table: T
      password: ${PASSWORD}
"""
TIGER = "hunter2tiger"

posix = pytest.mark.skipif(os.name != "posix", reason="the mode of a file says nothing here")


@pytest.mark.parametrize(
    "mistake",
    [
        "password: *hunter2tiger",
        "password: !hunter2tiger",
        "password: !hunter2tiger x",
        "password: &a [hunter2tiger]",
        "password: {hunter2tiger}",
        "password: {a: hunter2tiger}",
        "password: @hunter2tiger",
        "password: %hunter2tiger",
        "password: `hunter2tiger`",
        "password: |hunter2tiger",
        'password: "hunter2tiger',
        'password: "hunter2tiger"x',
        "password: 'hunter2tiger'x",
        "password: a: hunter2tiger",
        "password:hunter2tiger",
        "password:hunter2tiger: ",
        "passwrod: hunter2tiger",
        "password: [1, hunter2tiger]",
        "password: ${hunter2tiger!}",
        "password: ${hunter2tiger",
        "password: x${}hunter2tiger",
        "port: ${PORT:-hunter2tiger}",
        "port: ${PORT:-x}\n      password: ${MISSING}hunter2tiger",
        "pool: {password:hunter2tiger}",
        "pool: {min: user/hunter2tiger@db}",
        "pool: [scott/hunter2tiger@//db:1521/X]",
        "pool: scott/hunter2tiger@db",
        "port: opc.tcp://user:hunter2tiger@plc:4840",
        "port: user:hunter2tiger@plc:502",
        "port: jdbc:oracle:thin:scott/hunter2tiger@db:1521:X",
        "port: http://user:hunter2tiger@proxy/path",
        "port: https://user:hunter2@tiger@proxy/path",
    ],
)
def test_no_problem_repeats_a_mistyped_secret(yaml: Yaml, mistake: str) -> None:
    key = "password" if "password" in mistake.partition(":")[0] else ""
    text = CONFIG.replace("password: ${PASSWORD}", mistake) if key else f"{CONFIG}      {mistake}\n"
    found = yaml.problems(text, environ={"PASSWORD": "x"})
    assert found
    for line in found:
        assert line.startswith("agent.yaml:")
        assert "tiger" not in line
        assert "hunter2" not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("log in to scott/tiger@db:1521/X as scott", "log in to ***@db:1521/X as scott"),
        ("opc.tcp://user:tiger@plc:4840", "opc.tcp://***@plc:4840"),
        ("db/X?wallet_password=tiger&x=1", "db/X?wallet_password=***&x=1"),
        ("(SECURITY=(WALLET_PASSWORD = tiger))", "(SECURITY=(WALLET_PASSWORD = ***))"),
        ("password=***", "password=***"),
        ("cannot read /data/line@2/tags.csv:3", "cannot read /data/line@2/tags.csv:3"),
        ("mail plant@example.com at 12:30", "mail plant@example.com at 12:30"),
        ("http://proxy:8080/path", "http://proxy:8080/path"),
    ],
)
def test_accounts_in_addresses_are_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert Redaction().redact(text) == shown


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter; those of pytest are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        if os.name == "posix" and not others_can_read(_file(Path(folder) / "probe", 0o644)):
            pytest.skip("the folder for temporary files is closed to others")
        yield Path(folder)


def _file(path: Path, mode: int) -> Path:
    path.touch()
    path.chmod(mode)
    return path


def warnings(folder: Path, password: str, mode: int, **environ: str) -> list[str]:
    yaml = Yaml(folder)
    _file(yaml.file, mode)
    config = yaml.load(CONFIG.replace("${PASSWORD}", password), environ=environ)
    return [str(warning).replace(f"{folder}{os.sep}", "") for warning in config.warnings]


@posix
@pytest.mark.parametrize("password", ["hunter2tiger", "${P:-hunter2tiger}", "hunter2${P}"])
def test_a_secret_in_clear_text_in_an_open_file_is_a_warning(open_folder: Path, password: str) -> None:
    (warning,) = warnings(open_folder, password, 0o644, P="tiger")
    assert warning == (
        "agent.yaml:8:17: sinks[0].config.password: a secret in clear text, in a file that every user of this machine "
        "can read (chmod 640 agent.yaml, or write ${NAME} or ${file:PATH} instead)"
    )


@posix
def test_no_warning_where_nobody_else_can_read_it(open_folder: Path) -> None:
    assert warnings(open_folder, TIGER, 0o640) == []
    assert warnings(open_folder, "${P}", 0o644, P=TIGER) == []
    open_folder.chmod(0o700)
    assert warnings(open_folder, TIGER, 0o644) == []


@posix
def test_an_open_env_file_is_a_warning_when_secrets_come_from_it(open_folder: Path) -> None:
    _file(open_folder / ".env", 0o644).write_text(f"P={TIGER}\n", encoding="utf-8")
    (warning,) = warnings(open_folder, "${P}", 0o644)
    assert warning.startswith(
        ".env:1:1: there are secrets in it, and every user of this machine can read it (chmod 640"
    )
    assert warnings(open_folder, "${Q}", 0o644, Q=TIGER) == []
    _file(open_folder / ".env", 0o640)
    assert warnings(open_folder, "${P}", 0o644) == []
