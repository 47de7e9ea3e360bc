"""``tagferry catalog``: over the shipped polling source, and over fakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli.conftest import Command
from registry.distribution import SOURCE

CONFIG = """\
sources:
  - id: line1
    type: polling_source
    config:
      devices: [{id: PLC01, driver: modbus_driver, address: "127.0.0.1:502"}]
      groups:
        - {id: LINE, device: PLC01, interval: 10s, tags_from: tags.csv}
sinks:
  - {id: local, type: sqlite_sink, config: {path: data.db}}
"""
TAGS = "name,address,data_type\n속도,hr:1,WORD\nCOUNT,hr:2,DWORD\n"

CONVERTER = """
from agent_core.api import Conversion
class Converter:
    forms = {".txt": "a text"}
    def convert(self, origin, targets, options):
        return Conversion(1, 2, (), tuple(targets))
"""


@pytest.fixture
def plant(agent: Command) -> Command:
    """In a folder with a tag list and a configuration that polls it."""
    agent.write(CONFIG)
    agent.write(TAGS, "tags.csv")
    return agent


def test_what_a_configuration_polls_goes_into_each_form_and_comes_back(plant: Command) -> None:
    done = plant("catalog", "export", "--to", "groups.yaml")
    assert (done.code, done.err) == (0, "")
    assert done.out == "1 group, 2 tags -> groups.yaml\n"
    assert plant("catalog", "import", "groups.yaml", "--to", "again.csv").code == 0
    lines = (plant.folder / "again.csv").read_text(encoding="utf-8-sig").splitlines()
    assert lines == ["name,address,data_type,group", "속도,hr:1,uint16,LINE", "COUNT,hr:2,uint32,LINE"]


def test_the_options_of_an_import_fill_in_what_a_form_leaves_unsaid(plant: Command) -> None:
    options = ("--device", "PLC07", "--interval", "250ms", "--json")
    done = plant("catalog", "import", "tags.csv", *options, "--to", "out.yaml")
    assert json.loads(done.out) == {"groups": 1, "tags": 2, "written": ["out.yaml"], "problems": []}
    text = (plant.folder / "out.yaml").read_text(encoding="utf-8")
    assert "device: PLC07\n" in text
    assert 'interval: "250ms"\n' in text


def test_every_row_that_is_wrong_is_named_and_nothing_is_written(plant: Command) -> None:
    plant.write(TAGS.replace("WORD", "WORX"), "tags.csv")
    done = plant("catalog", "import", "tags.csv", "--to", "out.yaml")
    assert done.code == 2
    assert [line.split(": unknown")[0] for line in done.err.splitlines()] == [
        "tags.csv:2: column data_type",
        "tags.csv:3: column data_type",
        "2 problems",
    ]
    assert not (plant.folder / "out.yaml").exists()
    as_json = json.loads(plant("catalog", "import", "tags.csv", "--json", "--to", "out.yaml").out)
    assert (as_json["written"], len(as_json["problems"])) == ([], 2)


def test_with_leave_out_the_good_rows_are_converted(plant: Command) -> None:
    plant.write(TAGS.replace("DWORD", "WORX"), "tags.csv")
    done = plant("catalog", "import", "tags.csv", "--leave-out", "--to", "out.csv")
    assert (done.code, done.out) == (0, "1 group, 1 tag -> out.csv\n")
    assert done.err.startswith("tags.csv:3: warning: column data_type: unknown data type 'WORX'")


def test_no_file_is_written_over_without_force(plant: Command) -> None:
    done = plant("catalog", "export", "--to", "tags.csv")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "tags.csv: it exists already (name another file, or say --force)",
    )
    assert (plant.folder / "tags.csv").read_text(encoding="utf-8") == TAGS
    assert plant("catalog", "export", "--force", "--to", "tags.csv").code == 0


def test_a_folder_that_is_not_there_is_one_line(plant: Command) -> None:
    done = plant("catalog", "export", "--to", "nowhere/out.yaml", "--to", "nowhere/out.csv")
    assert done.code == 2
    assert done.err.splitlines()[:2] == [
        f"{Path('nowhere/out.yaml')}: there is no folder nowhere",
        f"{Path('nowhere/out.csv')}: there is no folder nowhere",
    ]


def test_a_source_is_chosen_where_there_are_several(plant: Command) -> None:
    second = CONFIG.replace("line1", "line2").replace("LINE", "LINE2").partition("sinks:")[0].removeprefix("sources:\n")
    plant.write(CONFIG.replace("sinks:", second.replace("tags.csv", "tags2.csv") + "sinks:"))
    plant.write(TAGS, "tags2.csv")
    done = plant("catalog", "export", "--to", "out.csv")
    assert (done.code, done.err) == (2, "error: say with --source which one: line1, line2\n")
    assert plant("catalog", "export", "--source", "line2", "--to", "out.csv").code == 0
    assert "LINE2" in (plant.folder / "out.csv").read_text(encoding="utf-8-sig")
    done = plant("catalog", "export", "--source", "line3", "--to", "out2.csv")
    assert done.err == "error: no source 'line3' has lists of tags; known: line1, line2\n"


def test_a_configuration_without_tag_lists_is_refused(agent: Command) -> None:
    done = agent("catalog", "export", "--to", "out.csv")
    assert (done.code, done.err) == (2, "error: no source has lists of tags\n")


def test_any_source_may_bring_a_converter(plant: Command) -> None:
    source = SOURCE.replace('"a source for tests")', '"a source for tests", catalog=Converter())')
    plant.add_plugin("txt_source", CONVERTER + source)
    done = plant("catalog", "import", "x.txt", "--to", "y.txt")
    assert done.code == 2
    assert done.err == "error: say with --type whose lists they are: polling_source, txt_source\n"
    assert plant("catalog", "import", "x.txt", "--type", "txt_source", "--to", "y.txt").out == (
        "1 group, 2 tags -> y.txt\n"
    )
    done = plant("catalog", "import", "x.txt", "--type", "plc_source", "--to", "y.txt")
    assert done.err.startswith("error: no source 'plc_source' converts lists of tags; known: polling_source, ")
