"""Tag lists: what is accepted, and how each mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from polling_source.config import BackoffConfig, BadRecords, DeviceConfig, GroupConfig, PollingSourceConfig, WrongTags
from polling_source.tags.catalog import Catalog
from polling_source.tags.tag import Place, PlacedTag, parse_tag
from polling_source.tags.tag_list import TagList

from agent_core.api import ByteOrder, ConfigProblem, DataType, GroupMode, TagSpec, WordOrder

HEADER = "name,address,data_type,length,encoding,scale,offset,word_order,byte_order\n"


def group(id_: str = "G", tags: list[dict[str, object]] | None = None, tags_from: Path | None = None) -> GroupConfig:
    return GroupConfig(id_, "PLC01", GroupMode.FIXED, 1.0, tags=tags, tags_from=tags_from)


def messages(problems: object) -> list[str]:
    assert isinstance(problems, list | tuple)
    return [str(problem) for problem in problems]


def test_a_row_of_texts_and_a_row_of_yaml_mean_the_same() -> None:
    texts = {
        "name": " OVEN ",
        "address": "hr:1",
        "data_type": "REAL",
        "length": "",
        "encoding": "",
        "scale": "0.1",
        "offset": "-5",
        "word_order": "LITTLE",
        "byte_order": "",
    }
    yaml: dict[str, object] = {
        "name": "OVEN",
        "address": "hr:1",
        "data_type": "float32",
        "encoding": "utf-8",
        "scale": 0.1,
        "offset": -5,
        "word_order": "little",
    }
    expected = TagSpec("OVEN", "hr:1", DataType.FLOAT32, 0, "utf-8", 0.1, -5.0, WordOrder.LITTLE, None)
    for fields in (texts, yaml):
        tag = parse_tag(fields, Place())
        assert isinstance(tag, PlacedTag)
        assert tag.spec == expected


def test_a_string_has_a_length_an_encoding_and_a_byte_order() -> None:
    fields = {"name": "LOT", "address": "D1", "data_type": "STRING", "length": "16", "encoding": "shift_jis"}
    tag = parse_tag({**fields, "byte_order": "little"}, Place())
    assert isinstance(tag, PlacedTag)
    assert (tag.spec.length_bytes, tag.spec.encoding, tag.spec.byte_order) == (16, "shift_jis", ByteOrder.LITTLE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "column name: is empty"),
        ({"name": "A\tB"}, "column name: 'A\\tB' has a character that cannot be printed"),
        ({"address": None}, "column address: is empty"),
        ({"data_type": "flot32"}, "column data_type: unknown data type 'flot32'; known: bool"),
        ({"data_type": "string"}, "column length: a string needs its length in bytes"),
        ({"length": "two"}, "column length: 'two' is not a number of bytes"),
        ({"length": 8}, "column length: uint16 has 2 bytes, not 8; leave it out"),
        ({"encoding": "utf-9"}, "column encoding: 'utf-9' is not a text encoding"),
        ({"encoding": "base64"}, "column encoding: 'base64' is not a text encoding"),
        ({"scale": "0,1"}, "column scale: '0,1' is not a number"),
        ({"scale": "nan"}, "column scale: 'nan' is not a number"),
        ({"scale": 0}, "column scale: 0 would make every value 0"),
        ({"scale": 1e300}, "column scale: 1e+300 is not between 1e-15 and 1e+15"),
        ({"data_type": "bool", "scale": 2}, "column scale: a bool has no scale"),
        ({"offset": True}, "column offset: True is not a number"),
        ({"min": 5, "max": 4}, "column max: 4 is less than min, 5"),
        ({"data_type": "string", "length": 4, "min": 5}, "column min: a string has no min"),
        ({"deadband": "-0.5"}, "column deadband: -0.5 is less than 0"),
        ({"on_change": "maybe"}, "column on_change: 'maybe' is neither true nor false"),
        ({"enum": "0=STOP;RUN"}, "column enum: 'RUN' is not number=text; write 0=STOP;1=RUN"),
        ({"enum": "0=STOP;0=RUN"}, "column enum: 0 has two texts"),
        ({"enum": "0="}, "column enum: '0=' is not number=text"),
        ({"enum": "0=STOP", "deadband": 1}, "column deadband: a tag with texts for its numbers has no deadband"),
        ({"data_type": "REAL", "enum": "0=STOP"}, "column enum: only whole numbers"),
        ({"word_order": "middle"}, "column word_order: 'middle' is none of big, little"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, object], message: str) -> None:
    problems = parse_tag({"name": "T", "address": "hr:1", "data_type": "uint16", **changes}, Place())
    assert isinstance(problems, list)
    assert len(problems) == 1
    assert problems[0].message.startswith(message)


def test_a_csv_file_gives_the_tags_of_all_rows_or_of_the_groups_rows(tmp_path: Path) -> None:
    plain = tmp_path / "plain.csv"
    plain.write_text('\ufeffname,address,data_type\r\nA,hr:1,WORD\r\n\r\n"B, left",hr:2,REAL\r\n', encoding="utf-8")
    grouped = tmp_path / "grouped.csv"
    grouped.write_text("Group,Name,Address,Data_Type\nG2,C,hr:3,INT\nG3,D,hr:4,INT\nG2,E,hr:5,INT\n", encoding="utf-8")
    tags = TagList.load([group("G1", tags_from=plain), group("G2", tags_from=grouped), group("G3", tags_from=grouped)])
    assert not tags.problems
    names = {id_: [tag.spec.name for tag in found] for id_, found in tags.tags.items()}
    assert names == {"G1": ["A", "B, left"], "G2": ["C", "E"], "G3": ["D"]}


def test_every_bad_row_is_named_with_file_line_and_column(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text(
        HEADER + "A,hr:1,WORD,,,,,,\n,hr:2,WORX,,,,,,\nC,hr:3,WORD,,,x,,,\nD,hr:4,WORD,,,,,,,,\n", encoding="utf-8"
    )
    tags = TagList.load([group(tags_from=file)])
    assert [tag.spec.name for tag in tags.tags["G"]] == ["A"]
    found = messages(tags.tag_problems)
    assert found[0] == f"{file}:3: column name: is empty"
    assert found[1].startswith(f"{file}:3: column data_type: unknown data type 'WORX'")
    assert found[2] == f"{file}:4: column scale: 'x' is not a number"
    assert found[3] == f"{file}:5: 11 cells where the first line names 9 columns"
    assert len(found) == 4


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "1: column name is missing"),
        (b"name;address;data_type\nA;hr:1;WORD\n", "1: column name is missing (separate the columns with commas)"),
        (b"name,adress,address,data_type\n", "1: unknown column 'adress' (did you mean address?)"),
        (b"name,address,data_type,name\n", "1: column name appears twice"),
        ("name,address,data_type\nA,hr:1,WORD\n온도,hr:2,WORD\n".encode("cp949"), "3: the tag list is not UTF-8 (save"),
        (b'name,address,data_type\n"A,hr:1,WORD\n', "2: the tag list is not a CSV file: unexpected end of data"),
        (b"name,address,data_type,group\nA,hr:1,WORD,\n", "2: column group: is empty"),
    ],
)
def test_a_file_that_is_no_tag_list_is_told_so(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "tags.csv"
    file.write_bytes(content)
    tags = TagList.load([group(tags_from=file)])
    found = messages([*tags.problems, *tags.tag_problems])
    assert found[0].removeprefix(f"{file}:").strip().startswith(message)


def test_a_file_that_is_missing_empty_or_without_the_group_is_told_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("name,address,data_type\n", encoding="utf-8")
    other = tmp_path / "other.csv"
    other.write_text("name,address,data_type,group\nA,hr:1,WORD,G9\n", encoding="utf-8")
    tags = TagList.load(
        [
            group("G1", tags_from=tmp_path / "gone.csv"),
            group("G2", tags_from=empty),
            group("G3", tags_from=other),
            group("G4", tags=[]),
            group("G5"),
            group("G6", tags=[], tags_from=other),
        ]
    )
    found = messages([problem for problem in tags.problems if not problem.warning])
    assert found[0].startswith("groups[0].tags_from: cannot read the tag list: No such file or directory (")
    assert "empty.csv has no tags" in found[1]
    assert "no row of" in found[2]
    assert "it has G9" in found[2]
    assert found[3] == "groups[3]: group G4 has no tags"
    assert "group G5: write either tags or tags_from" in found[4]
    assert "group G6: write either tags or tags_from" in found[5]


def test_rows_of_groups_that_nobody_polls_are_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("name,address,data_type,group\nA,hr:1,WORD,G\nB,hr:2,WORD,GG\nC,hr:3,WORD,GG\n", encoding="utf-8")
    (problem,) = TagList.load([group(tags_from=file)]).problems
    assert problem.warning
    assert problem.line == 3
    assert problem.message == "2 tags belong to groups that are not configured: GG"


def test_a_tag_name_is_unique_in_its_source(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    file.write_text("name,address,data_type\nA,hr:1,WORD\nB,hr:2,WORD\nA,hr:3,WORD\n", encoding="utf-8")
    yaml: list[dict[str, object]] = [{"name": "B", "address": "hr:1", "data_type": "WORD"}]
    groups = (group("G1", tags_from=file), group("G2", tags=yaml))
    devices = (DeviceConfig("PLC01", "fake_driver", False, 1, {}),)
    polling = PollingSourceConfig(
        devices, groups, None, WrongTags.REFUSE, BadRecords.NONE, BackoffConfig(1.0, 2.0), 60.0, 10
    )
    problems = Catalog.load(polling, ("sources", 0, "config")).problems
    hint = "(a tag name is unique in its source)"
    assert messages(problems) == [
        f"{file}:4: tag A of group G1 is already in group G1, {file}:2 {hint}",
        f"sources[0].config.groups[1].tags[0]: tag B of group G2 is already in group G1, {file}:3 {hint}",
    ]


def test_a_problem_in_the_yaml_carries_its_path() -> None:
    tags: list[dict[str, object]] = [{"name": "A", "address": "hr:1", "data_type": "WORX"}]
    (problem,) = TagList.load([group(tags=tags)], ("sources", 2, "config")).tag_problems
    assert isinstance(problem, ConfigProblem)
    assert problem.path == ("sources", 2, "config", "groups", 0, "tags", 0)
