"""Catalogues turned into another form and back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from polling_source.__main__ import main
from polling_source.config import GroupConfig
from polling_source.csv_tags import CsvTags
from polling_source.export import tag_fields, yaml_lines
from polling_source.tag import Place, PlacedTag, parse_tag

from agent_core.api import DataType, GroupMode

AGENT_YAML = """
sources:
  - id: line1
    type: polling_source
    config:
      devices: [{id: PLC01, driver: modbus_driver, address: "127.0.0.1:5020"}]
      groups:
        - id: OVEN
          device: PLC01
          interval: 500ms
          resend: 10m
          tags:
            - {name: TEMP, address: "hr:1", data_type: REAL, min: -10, max: 90.5}
            - {name: "on", address: "hr:3", data_type: INT, scale: 0.1, on_change: true}
            - {name: STATE, address: "hr:4", data_type: WORD, enum: "0=STOP;1=RUN, slow"}
            - {name: LOT, address: "hr:5", data_type: STRING, length: 8, encoding: shift_jis, byte_order: little}
        - id: ORDER
          device: PLC01
          mode: handshake
          interval: 1s
          trigger: {address: "co:5", reset: true}
          tags_from: t.csv
"""


def test_yaml_becomes_csv_and_yaml_that_mean_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "agent.yaml").write_text(AGENT_YAML, encoding="utf-8")
    (tmp_path / "t.csv").write_text("name,address,data_type,deadband\nSPEED,hr:9,REAL,0.5\n", encoding="utf-8")
    tags, groups = tmp_path / "tags.csv", tmp_path / "groups.yaml"
    assert main([str(tmp_path / "agent.yaml"), "--csv", str(tags), "--yaml", str(groups)]) == 0
    assert capsys.readouterr().err == "2 groups, 5 tags\n"
    assert tags.read_text(encoding="utf-8").splitlines() == [
        "name,address,data_type,length,encoding,scale,byte_order,min,max,deadband,on_change,enum,group",
        "TEMP,hr:1,float32,,,,,-10.0,90.5,,,,OVEN",
        "on,hr:3,int16,,,0.1,,,,,true,,OVEN",
        'STATE,hr:4,uint16,,,,,,,,,"0=STOP;1=RUN, slow",OVEN',
        "LOT,hr:5,string,8,shift_jis,,little,,,,,,OVEN",
        "SPEED,hr:9,float32,,,,,,,0.5,,,ORDER",
    ]
    assert yaml.safe_load(groups.read_text(encoding="utf-8")) == {
        "groups": [
            {
                "id": "OVEN",
                "device": "PLC01",
                "mode": "fixed",
                "interval": "500ms",
                "resend": "600s",
                "tags_from": tags.as_posix(),
            },
            {
                "id": "ORDER",
                "device": "PLC01",
                "mode": "handshake",
                "interval": "1s",
                "trigger": {"address": "co:5", "reset": True},
                "tags_from": tags.as_posix(),
            },
        ]
    }
    inline = tmp_path / "inline.yaml"
    assert main([str(tags), "--yaml", str(inline)]) == 0
    again = tmp_path / "again.csv"
    assert main([str(inline), "--csv", str(again)]) == 0
    assert again.read_text(encoding="utf-8") == tags.read_text(encoding="utf-8")


def test_a_sqlite_catalogue_becomes_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "scada.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            """
            CREATE TABLE plc_connections (plc_code, ip_address, port);
            CREATE TABLE polling_groups (group_name, plc_id, mode, interval_ms);
            CREATE TABLE tags (tag_address, tag_name, data_type, scale, polling_group_id);
            INSERT INTO plc_connections VALUES ('PLC01', '10.0.0.1', 5010);
            INSERT INTO polling_groups VALUES ('PROCESS1', 1, 'FIXED', 1500);
            INSERT INTO tags VALUES ('D1', 'TEMP', 'WORD', 0.1, 1), ('D2', 'LOT', 'STRING', NULL, 1);
            """
        )
    assert main([str(file), "--string-length", "8"]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == {
        "groups": [
            {
                "id": "PROCESS1",
                "device": "PLC01",
                "mode": "fixed",
                "interval": "1500ms",
                "tags": [
                    {"name": "TEMP", "address": "D1", "data_type": "uint16", "scale": 0.1},
                    {"name": "LOT", "address": "D2", "data_type": "string", "length": 8},
                ],
            }
        ]
    }
    assert main([str(file)]) == 2
    assert "tags:2: column length: a string needs its length" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tags.csv", "name,address,data_type\nA,hr:1,WORX\n", "tags.csv:2: column data_type: unknown"),
        ("agent.yaml", "groups: [", "cannot read the YAML"),
        ("agent.yaml", "sources: []", "there are no groups"),
        ("scada.db", "no database", "cannot read the catalogue"),
    ],
)
def test_a_catalogue_with_mistakes_is_not_turned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, message: str
) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    assert main([str(file), "--csv", str(tmp_path / "out.csv")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


texts = st.text(st.characters(categories=("L", "N", "P", "S")) | st.just(" "), min_size=1).map(str.strip).filter(bool)


@st.composite
def placed_tags(draw: st.DrawFn) -> PlacedTag:
    data_type = draw(st.sampled_from(list(DataType)))
    fields: dict[str, object] = {"name": draw(texts), "address": draw(texts), "data_type": data_type.value}
    if data_type is DataType.STRING:
        fields |= {"length": draw(st.integers(1, 200)), "encoding": draw(st.sampled_from(["utf-8", "euc_kr"]))}
    elif data_type is not DataType.BOOL:
        fields |= {
            "scale": draw(st.none() | st.floats(1e-9, 1e9)),
            "min": draw(st.none() | st.floats(-1e300, 0)),
            "max": draw(st.none() | st.floats(0, 1e300)),
            "deadband": draw(st.none() | st.floats(0, 10)),
        }
    fields["on_change"] = draw(st.booleans())
    fields["word_order"] = draw(st.sampled_from([None, "big", "little"]))
    tag = parse_tag(fields, Place())
    assert isinstance(tag, PlacedTag), tag
    return tag


@settings(max_examples=50, deadline=None)
@given(st.lists(placed_tags(), min_size=1, max_size=5))
def test_whatever_a_tag_is_its_yaml_means_the_same(tags: list[PlacedTag]) -> None:
    group = GroupConfig("G", "PLC 1", GroupMode.FIXED, 0.25)
    text = "\n".join(yaml_lines([group], {"G": tags}, None))
    (read,) = yaml.safe_load(text)["groups"]
    assert read["device"] == "PLC 1"
    assert [parse_tag(entry, Place()) for entry in read["tags"]] == tags
    assert [parse_tag(tag_fields(tag), Place()) for tag in tags] == tags


def test_a_tag_list_that_was_written_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text('name,address,data_type\n"A ""B"", C",hr:1,WORD\n', encoding="utf-8")
    out = tmp_path / "out.csv"
    assert main([str(file), "--csv", str(out)]) == 0
    (row,) = CsvTags.read(out).rows
    assert (row[0], row[1].spec.name) == ("GROUP", 'A "B", C')
