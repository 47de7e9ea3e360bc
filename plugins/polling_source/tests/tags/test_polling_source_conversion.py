"""Catalogues turned into another form and back."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polling_source.config import GroupConfig, TriggerConfig
from polling_source.plugin import agent_register_source
from polling_source.tags.contents import Contents, ListedDevice
from polling_source.tags.conversion import _from_file, _write
from polling_source.tags.csv_tags import CsvTags
from polling_source.tags.tag import Place, PlacedTag, parse_tag, tag_fields
from polling_source.tags.yaml_export import write_yaml

from agent_core.api import ConfigError, Conversion, ConversionOptions, DataType, GroupMode

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
            - {name: on, address: "hr:3", data_type: INT, scale: 0.1, on_change: true}
            - {name: STATE, address: "hr:4", data_type: WORD, enum: "0=STOP;1=RUN, slow"}
            - {name: 오븐_LOT, address: "hr:5", data_type: STRING, length: 8, encoding: shift_jis, byte_order: little}
        - id: ORDER
          device: PLC01
          mode: handshake
          interval: 1s
          trigger: {address: "hr:9.10", reset: true}
          tags_from: t.csv
"""


def convert(origin: Path | Mapping[str, object], *targets: Path, **options: object) -> Conversion:
    converter = agent_register_source().catalog
    assert converter is not None
    return converter.convert(origin, targets, ConversionOptions(**options))  # type: ignore[arg-type]


def problems(origin: Path, *targets: Path, **options: object) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        convert(origin, *targets, **options)
    return [str(problem) for problem in raised.value.problems]


@pytest.fixture
def agent_yaml(tmp_path: Path) -> Path:
    (tmp_path / "agent.yaml").write_text(AGENT_YAML, encoding="utf-8")
    (tmp_path / "t.csv").write_text("name,address,data_type,deadband\nSPEED,hr:9,REAL,0.5\n", encoding="utf-8")
    return tmp_path / "agent.yaml"


def test_yaml_becomes_a_tag_list_and_yaml_that_refers_to_it(agent_yaml: Path, tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    tags, groups = tmp_path / "lists" / "tags.csv", tmp_path / "groups.yaml"
    done = convert(agent_yaml, tags, groups)
    assert (done.groups, done.tags, done.problems, done.written) == (2, 5, (), (tags, groups))
    assert tags.read_bytes().startswith(b"\xef\xbb\xbf"), "or Excel takes it for the local code page"
    assert tags.read_text(encoding="utf-8-sig").splitlines() == [
        "name,address,data_type,length,encoding,scale,byte_order,min,max,deadband,on_change,enum,group",
        "TEMP,hr:1,float32,,,,,-10.0,90.5,,,,OVEN",
        "on,hr:3,int16,,,0.1,,,,,true,,OVEN",
        'STATE,hr:4,uint16,,,,,,,,,"0=STOP;1=RUN, slow",OVEN',
        "오븐_LOT,hr:5,string,8,shift_jis,,little,,,,,,OVEN",
        "SPEED,hr:9,float32,,,,,,,0.5,,,ORDER",
    ]
    written = yaml.safe_load(groups.read_text(encoding="utf-8"))
    assert written == {
        "devices": [{"id": "PLC01", "driver": "modbus_driver", "address": "127.0.0.1:5020"}],
        "groups": [
            {
                "id": "OVEN",
                "device": "PLC01",
                "mode": "fixed",
                "interval": "500ms",
                "resend": "600s",
                "tags_from": "lists/tags.csv",
            },
            {
                "id": "ORDER",
                "device": "PLC01",
                "mode": "handshake",
                "interval": "1s",
                "trigger": {"address": "hr:9.10", "reset": True},
                "tags_from": "lists/tags.csv",
            },
        ],
    }


def test_a_catalogue_is_the_same_after_a_way_through_every_form(agent_yaml: Path, tmp_path: Path) -> None:
    tags, groups, inline = tmp_path / "tags.csv", tmp_path / "groups.yaml", tmp_path / "inline.yaml"
    convert(agent_yaml, tags, groups)
    convert(groups, inline)
    original, _ = _from_file(agent_yaml, ConversionOptions())
    arrived, _ = _from_file(inline, ConversionOptions())
    assert without_places(arrived) == without_places(original)


def test_a_plants_own_file_is_never_written(agent_yaml: Path, tmp_path: Path) -> None:
    file = tmp_path / "scada.db"
    assert problems(agent_yaml, file, tmp_path / "out.csv", replace=True) == [
        f"{file}: a plant's SQLite catalogue is only read (write .csv or .yaml)"
    ]
    assert not file.exists()
    assert not (tmp_path / "out.csv").exists()


def without_places(contents: Contents) -> tuple[object, object, object]:
    groups = [
        (group.id, group.device, group.mode, group.interval, group.trigger, group.stale_after, group.resend)
        for group in contents.groups
    ]
    tags = {id_: [(tag.spec, tag.rule) for tag in placed] for id_, placed in contents.tags.items()}
    return contents.devices, groups, tags


def test_a_plants_catalogue_becomes_yaml_with_its_devices(tmp_path: Path) -> None:
    file, out = tmp_path / "scada.db", tmp_path / "plant.yaml"
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            """
            CREATE TABLE plc_connections (plc_code, ip_address, port, network_no, station_no);
            CREATE TABLE polling_groups (group_name, plc_id, mode, interval_ms);
            CREATE TABLE tags (tag_address, tag_name, data_type, scale, polling_group_id);
            INSERT INTO plc_connections VALUES ('PLC01', '10.0.0.1', 5010, 1, 255);
            INSERT INTO polling_groups VALUES ('PROCESS1', 1, 'FIXED', 1500);
            INSERT INTO tags VALUES ('D1', 'TEMP', 'WORD', 0.1, 1), ('D2', 'LOT', 'STRING', NULL, 1);
            """
        )
    convert(file, out, string_length=8)
    groups = [
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
    assert yaml.safe_load(out.read_text(encoding="utf-8")) == {"groups": groups}
    line = '- {id: PLC01, driver: DRIVER, address: "10.0.0.1:5010"}  # network_no 1, station_no 255'
    assert line in out.read_text(encoding="utf-8")
    convert(file, out, string_length=8, driver="melsec_driver", replace=True)
    assert yaml.safe_load(out.read_text(encoding="utf-8"))["devices"][0]["driver"] == "melsec_driver"
    (problem,) = problems(file, out, replace=True)
    assert problem.endswith("tags:2: column length: a string needs its length in bytes")


def test_a_tag_list_alone_gets_the_device_and_interval_that_are_said(tmp_path: Path) -> None:
    file, out = tmp_path / "tags.csv", tmp_path / "out.yaml"
    file.write_text("name,address,data_type,group\nA,D1,WORD,G\nB,D2,WORD,H\n", encoding="utf-8")
    assert convert(file, out, device="PLC07", interval_seconds=0.25).groups == 2
    groups = yaml.safe_load(out.read_text(encoding="utf-8"))["groups"]
    assert [(group["id"], group["device"], group["interval"]) for group in groups] == [
        ("G", "PLC07", "250ms"),
        ("H", "PLC07", "250ms"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tags.csv", "name,address,data_type\nA,hr:1,WORX\n", "tags.csv:2: column data_type: unknown"),
        ("agent.yaml", "groups: [\n", "agent.yaml:1:9: "),
        ("agent.yaml", "sources: []", "agent.yaml: there are no groups"),
        (
            "agent.yaml",
            "x: [{groups: [{id: G, interval: 1s, tags: [{name: A, address: a, data_type: X}]}]}]",
            "agent.yaml:1:44: x[0].groups[0].tags[0]: column data_type: unknown",
        ),
        ("scada.db", "no database", "cannot read the catalogue"),
        ("tags.txt", "", "tags.txt: its name does not say what kind of catalogue it is (.csv, .yaml"),
    ],
)
def test_a_catalogue_with_mistakes_is_not_turned(tmp_path: Path, name: str, content: str, message: str) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    assert message in problems(file, tmp_path / "out.csv", tmp_path / "out.yaml")[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_good_rows_go_on_when_wrong_ones_are_to_be_left_out(tmp_path: Path) -> None:
    file, out = tmp_path / "tags.csv", tmp_path / "out.csv"
    file.write_text("name,address,data_type\nA,hr:1,WORX\nB,hr:2,WORD\nB,hr:3,WORD\n", encoding="utf-8")
    done = convert(file, out, leave_out=True)
    assert (done.tags, [(problem.line, problem.warning) for problem in done.problems]) == (1, [(2, True), (4, True)])
    assert [tag.spec.address for _, tag in CsvTags.read(out).rows] == ["hr:2"]


def test_no_file_is_written_over_unless_that_is_said(agent_yaml: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("precious", encoding="utf-8")
    assert problems(agent_yaml, out) == [f"{out}: it exists already (name another file, or say --force)"]
    assert out.read_text(encoding="utf-8") == "precious"
    convert(agent_yaml, out, replace=True)
    assert len(CsvTags.read(out).rows) == 5


def test_the_plants_list_is_loaded_from_every_form_and_written_into_each_in_time_that_grows_with_its_length(
    tmp_path: Path,
) -> None:
    groups, count, parts = 10, 3491, 8
    lines = [f"라인{n % groups}_온도_{n},D{n * 2},REAL,G{n % groups}" for n in range(count)]
    seconds: dict[int, float] = {}
    for tags in (count // parts, count):
        origin = tmp_path / f"{tags}.csv"
        origin.write_text("\n".join(["name,address,data_type,group", *lines[:tags]]), encoding="utf-8")
        begun = time.thread_time()
        for file in (tmp_path / f"{tags}_a.yaml", tmp_path / f"{tags}_a.csv"):
            assert convert(origin, file).tags == tags
            origin = file
        seconds[tags] = time.thread_time() - begun
    assert {tag.spec.name for _, tag in CsvTags.read(origin).rows} == {line.split(",")[0] for line in lines}
    assert seconds[count] < 4 * parts * seconds[count // parts], "it would be 64 times as long if it were quadratic"


texts = st.text(st.characters(categories=("L", "N", "P", "S")) | st.just(" "), min_size=1).map(str.strip).filter(bool)
durations = st.none() | st.integers(1, 10_000_000).map(lambda milliseconds: milliseconds / 1000)


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
            "deadband_percent": draw(st.none() | st.floats(0, 100)),
        }
    fields["on_change"] = draw(st.booleans())
    fields["word_order"] = draw(st.sampled_from([None, "big", "little"]))
    tag = parse_tag(fields, Place())
    assert isinstance(tag, PlacedTag), tag
    return tag


@st.composite
def group_configs(draw: st.DrawFn) -> GroupConfig:
    bit = draw(st.sampled_from([None, "M7", "D100.A", "co:5", "hr:9.10", "DB1.DBX0.3", "ns=2;s=A.B", "B0110"]))
    trigger = None if bit is None else TriggerConfig(bit, draw(st.booleans()))
    mode = draw(st.sampled_from(list(GroupMode))) if bit is None else GroupMode.HANDSHAKE
    needs_interval = mode is GroupMode.FIXED or bit is not None
    interval = draw(durations.filter(lambda seconds: (seconds or 0) >= 0.01)) if needs_interval else None
    # Of a stale_after shorter than its interval, tagferry check complains.
    stale = draw(durations.filter(lambda seconds: seconds is None or seconds >= (interval or 0)))
    return GroupConfig("G", draw(st.sampled_from(["PLC 1", "설비1"])), mode, interval, trigger, stale, draw(durations))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(group_configs(), st.lists(placed_tags(), min_size=1, max_size=5, unique_by=lambda tag: tag.spec.name))
def test_whatever_groups_and_tags_are_they_come_back_from_each_form(
    tmp_path: Path, group: GroupConfig, tags: list[PlacedTag]
) -> None:
    contents = Contents([ListedDevice(group.device, "driver", "10.0.0.1:5010")], [group], {"G": tags})
    for name in ("a.yaml", "a.csv"):
        file = tmp_path / name
        _write(contents, file, None)
        options = ConversionOptions(driver="driver", encoding="cp949")
        found, wrong = _from_file(file, options)
        assert not wrong
        if name == "a.csv":
            assert without_places(found)[2] == without_places(contents)[2]
        else:
            assert without_places(found)[:2] == without_places(contents)[:2]
            assert [same_scale(tag) for tag in found.tags["G"]] == [same_scale(tag) for tag in tags]
    assert [parse_tag(tag_fields(tag), Place()) for tag in tags] == tags


def same_scale(tag: PlacedTag) -> tuple[object, ...]:
    """A scale of 1 and an offset of 0 mean the same: the value is a float, and stays the same number."""
    spec = tag.spec
    scale, offset = spec.scale, spec.offset
    if scale is not None or offset is not None:
        scale, offset = (1.0 if scale is None else scale), (offset or 0.0)
    return (spec.name, spec.address, spec.data_type, spec.length_bytes, spec.encoding, scale, offset, tag.rule)


def test_yaml_is_what_the_core_reads_too(tmp_path: Path) -> None:
    """No word of it means something else than a text to a YAML 1.1 reader."""
    tags = [parse_tag({"name": name, "address": "1:30", "data_type": "INT"}, Place()) for name in ("on", "null", "1e3")]
    file = tmp_path / "a.yaml"
    placed = [tag for tag in tags if isinstance(tag, PlacedTag)]
    write_yaml(Contents([], [GroupConfig("no", "y", GroupMode.FIXED, 0.25)], {"no": placed}), file, None)
    (read,) = yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
    assert (read["id"], read["device"]) == ("no", "y")
    assert [tag["name"] for tag in read["tags"]] == ["on", "null", "1e3"]
    assert {tag["address"] for tag in read["tags"]} == {"1:30"}
