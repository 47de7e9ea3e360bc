"""The statements of ddl/ are those that the plugin renders, and they create tables that the sink can fill."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlglot
from oracle_sink.config import OracleSinkConfig
from oracle_sink.sink import OracleSink
from oracle_sink.table.ddl import RECOMMENDED, Storage, render
from oracle_standin.process import Standin

from agent_core.api import Batch, Origin, Secret, WriteOutcome, load_schema, settings

from ..conftest import DEFAULTS

MakeSink = Callable[..., OracleSink]
FOLDER = Path(__file__).parents[2] / "ddl"


@pytest.fixture
def config() -> OracleSinkConfig:
    account = {"dsn": "d", "user": "u", "password": Secret(lambda: "p")}
    return settings(OracleSinkConfig, DEFAULTS | account | {"table": "TAG_DATA", "columns": RECOMMENDED})


@pytest.mark.parametrize("storage", Storage)
def test_the_scripts_are_what_is_rendered(storage: Storage, config: OracleSinkConfig) -> None:
    script = (FOLDER / f"{storage}.sql").read_text(encoding="utf-8")
    assert script.endswith(f"\n{render(config, storage)}\n")


@pytest.mark.parametrize("storage", Storage)
def test_a_script_makes_a_table_that_the_sink_fills_with_and_without_numbers_of_their_own(
    storage: Storage, make_sink: MakeSink, recreate: Callable[[str], None], database: Standin, config: OracleSinkConfig
) -> None:
    script = render(replace(config, table="tagferry_test"), storage)
    create, index = re.split(r";\n(?:-- .*\n)*-- (?=CREATE)", script.removesuffix(";"))
    recreate(create)
    database.sql(index)
    columns = load_schema("oracle_sink")["properties"]["columns"]["default"]  # type: ignore[index]
    for start, mapping in enumerate((columns, RECOMMENDED)):
        sink = make_sink(columns=dict(mapping))
        sink.open()
        at = 1_767_225_600_000_000_000 + start
        batch = Batch.of(Origin("s", "d", "g"), ("가" * 100, "b"), (1.5, "나" * 255), at + start * 1000)
        assert sink.write(batch) == WriteOutcome(inserted=2)
        assert sink.write(batch) == WriteOutcome(inserted=0, duplicates=2)
    assert database.sql("SELECT value_number, tag_value FROM tagferry_test ORDER BY timestamp, tag_name") == [
        [None, "나" * 255], [None, "1.5"], [None, "나" * 255], [1.5, None]
    ]  # fmt: skip


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
    assert '\n-- CREATE INDEX "PLANT"."IX_T_TIME"' in text
    assert len(sqlglot.parse(re.sub(r" CACHE \d+", "", text), dialect="oracle")) >= 3
    with pytest.raises(ValueError, match="partitions need"):
        render(replace(config, columns=columns), Storage.PARTITIONED)
