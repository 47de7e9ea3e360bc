"""The statements of ddl/ are those that the plugin renders, and they create tables that the sink can fill."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import sqlglot
from oracle_sink.config import OracleSinkConfig
from oracle_sink.sink import OracleSink
from oracle_sink.table.ddl import Storage, render
from oracle_standin.process import Standin

from agent_core.api import Batch, Origin, Secret, WriteOutcome, load_schema, settings

from ..conftest import DEFAULTS

MakeSink = Callable[..., OracleSink]
FOLDER = Path(__file__).parents[2] / "ddl"


@pytest.fixture
def config() -> OracleSinkConfig:
    properties = cast("dict[str, dict[str, object]]", load_schema("oracle_sink")["properties"])
    defaults = {key: properties[key]["default"] for key in ("table", "columns")}
    account = {"dsn": "d", "user": "u", "password": Secret(lambda: "p")}
    return settings(OracleSinkConfig, DEFAULTS | defaults | account)


@pytest.mark.parametrize("storage", Storage)
def test_the_scripts_are_what_is_rendered(storage: Storage, config: OracleSinkConfig) -> None:
    script = (FOLDER / f"{storage}.sql").read_text(encoding="utf-8")
    statements = "\n".join(line for line in script.splitlines() if not line.startswith("--")).strip()
    assert statements == render(config, storage)


@pytest.mark.parametrize("storage", Storage)
def test_a_script_makes_a_table_that_the_sink_fills(
    storage: Storage, make_sink: MakeSink, recreate: Callable[[str], None], database: Standin, config: OracleSinkConfig
) -> None:
    create, index = render(replace(config, table="tagferry_test"), storage).removesuffix(";").split(";\n")
    recreate(create)
    database.sql(index.removesuffix(" LOCAL"))  # which the stand-in does not parse
    sink = make_sink()
    sink.open()
    batch = Batch.of(Origin("s", "d", "g"), ("가" * 100, "b"), (1.0, "나" * 255), 1_767_225_600_000_000_000)
    assert sink.write(batch) == WriteOutcome(inserted=2)
    assert sink.write(batch) == WriteOutcome(inserted=0, duplicates=2)


def test_a_table_is_rendered_for_the_columns_that_are_mapped(config: OracleSinkConfig) -> None:
    columns: dict[str, object] = {
        "id": {"expression": "plant.seq.NEXTVAL"},
        "tag": "name",
        "num": "value_number",
        "ns": {"field": "timestamp_ns"},
        "line": {"constant": "LINE-1"},
        "loaded": {"expression": "sysdate"},
    }
    text = render(replace(config, table="plant.t", columns=columns), Storage.HEAP)
    assert 'CREATE SEQUENCE "PLANT"."SEQ"' in text
    assert 'CREATE TABLE "PLANT"."T"' in text
    assert '"NUM" BINARY_DOUBLE,' in text
    assert 'PRIMARY KEY ("TAG", "NS")' in text
    assert '"LOADED" DATE NOT NULL' in text
    assert len(sqlglot.parse(re.sub(r" CACHE \d+", "", text), dialect="oracle")) >= 3
    with pytest.raises(ValueError, match="partitions need"):
        render(replace(config, columns=columns), Storage.PARTITIONED)
