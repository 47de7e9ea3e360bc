"""What run cases share: a plant, a database and a folder to run in."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import oracledb
import pytest
from oracle_standin.process import Standin
from oracle_standin.real_database import RealDatabase, database_under_test
from plant.process import ModbusPlant
from plant.tcp_gate import TcpGate

from agent_core.testing.agent_process import AgentProcess

RUNS = Path(__file__).parent
EPOCH = datetime(1970, 1, 1)
TABLE = """
    CREATE TABLE TAG_DATA (
        tag_name VARCHAR2(100 CHAR) NOT NULL, tag_value VARCHAR2(255 CHAR) NOT NULL,
        timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20) NOT NULL,
        CONSTRAINT PK_TAG_DATA PRIMARY KEY (tag_name, timestamp))"""


class Row(NamedTuple):
    """A value as the table holds it, wherever it was read from."""

    name: str
    text: str
    timestamp_us: int
    quality: str


class Case:
    """A folder of its own for one run: the case's files, the variables its YAML wants, and what came out."""

    def __init__(self, folder: Path, files: Path) -> None:
        shutil.copytree(files, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
        self.folder = folder
        self.recorded_file = folder / "recorded.jsonl"
        self.environ = {
            "PYTHONPATH": os.pathsep.join(filter(None, (str(RUNS / "recorder"), os.environ.get("PYTHONPATH")))),
            "RECORDER_FILE": str(self.recorded_file),
        }

    def agent(self, *environs: Mapping[str, str], echo: bool = False, provokes: Collection[str] = ()) -> AgentProcess:
        """``tagferry run`` in the folder, with these variables on top."""
        environ = dict(self.environ)
        for more in environs:
            environ |= more
        return AgentProcess(self.folder / "agent.yaml", environ, echo=echo, provokes=provokes)

    def collected(self) -> list[Row]:
        """Every row that a source emitted, as a plugin of the run saw it."""
        rows: list[Row] = []
        for line in self.recorded_file.read_text(encoding="utf-8").splitlines():
            for name, value, stamp, quality in zip(*json.loads(line), strict=True):
                rows.append(Row(name, text_of(value), stamp // 1000, QUALITIES[quality]))
        return rows

    def fallback_files(self, sink_id: str = "warehouse", kind: str = "backup") -> list[Path]:
        """The CSV files that wait, parts included; those already replayed are in ``done/``."""
        return sorted((self.folder / "backup" / sink_id).glob(f"{kind}_*"))

    def in_fallback(self, sink_id: str = "warehouse", kind: str = "backup") -> list[Row]:
        """Every row in those files."""
        return [row for file in self.fallback_files(sink_id, kind) for row in rows_of_csv(file)]


QUALITIES = {192: "GOOD", 64: "UNCERTAIN", 0: "BAD"}


def text_of(value: object) -> str:
    """A value as the sink's README says that a text column holds it."""
    if value is None:
        return "BAD"
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else repr(value)


def rows_of_csv(file: Path) -> list[Row]:
    """The rows of a backup file, read without the plugin that wrote it."""
    with file.open(encoding="utf-8", newline="") as stream:
        return [
            Row(
                line["tag_name"],
                {"true": "1", "false": "0"}.get(line["tag_value"], line["tag_value"]) or "BAD",
                _microseconds(line["timestamp"]),
                line["quality"],
            )
            for line in csv.DictReader(stream)
        ]


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text[:26]) - EPOCH) // timedelta(microseconds=1)


class Database:
    """The stand-in (not Oracle), or the real database that the environment names, with the table and what is in it."""

    def __init__(self, server: Standin, *ddl: str) -> None:
        """``ddl`` makes another table of that name, and whatever goes when it is dropped."""
        self.server = server
        self.drop()
        for statement in ddl or (TABLE,):
            server.sql(statement)

    @property
    def real(self) -> bool:
        return isinstance(self.server, RealDatabase)

    @property
    def environ(self) -> Mapping[str, str]:
        return {
            "ORACLE_DSN": self.server.dsn,
            "ORACLE_USER": self.server.user,
            "ORACLE_PASSWORD": self.server.password,
        }

    def drop(self) -> None:
        """Leave no table behind."""
        self.server.drop("TABLE TAG_DATA")

    @contextmanager
    def behind_a_gate(self) -> Iterator[tuple[TcpGate, Mapping[str, str]]]:
        """A gate that can refuse and swallow, and the variables that lead the agent through it."""
        host, port, service = self.server.address
        gate = TcpGate(port, host)
        try:
            yield gate, {**self.environ, "ORACLE_DSN": f"127.0.0.1:{gate.port}/{service}"}
        finally:
            gate.close()

    def count(self) -> int:
        """Committed rows."""
        [[count]] = self.server.sql("SELECT COUNT(*) FROM TAG_DATA")
        return int(count)

    def rows(self) -> list[Row]:
        """Every committed row."""
        with (
            oracledb.connect(user=self.server.user, password=self.server.password, dsn=self.server.dsn) as connection,
            connection.cursor() as cursor,
        ):
            cursor.arraysize = 5000
            cursor.execute("SELECT tag_name, tag_value, timestamp, quality FROM TAG_DATA")
            return [
                Row(name, text, (stamp - EPOCH) // timedelta(microseconds=1), quality)
                for name, text, stamp, quality in cursor
            ]


@pytest.fixture
def case(tmp_path: Path, request: pytest.FixtureRequest) -> Case:
    """The files beside the test, copied into a fresh folder."""
    return Case(tmp_path / "run", request.path.parent)


@pytest.fixture
def database() -> Iterator[Database]:
    with database_under_test() as server:
        database = Database(server)
        yield database
        database.drop()


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[ModbusPlant]:
    """The reference plant: 3,491 tags in 10 groups behind a real Modbus server."""
    with ModbusPlant(tmp_path) as plant:
        yield plant
