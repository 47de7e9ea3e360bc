"""``tagferry check``: wrong addresses by file and line, and ``--plan``, over the shipped plugins and no device."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_core.cli.main import main

CONFIG = """\
sources:
  - id: line1
    type: polling_source
    config:
      devices:
        - {{id: PLC01, driver: modbus_driver, address: "127.0.0.1:1"}}
      wrong_tags: {wrong_tags}
      groups:
        - id: OVEN
          device: PLC01
          interval: {interval}
          tags:
            - {{name: TEMPERATURE, address: "{address}", data_type: REAL}}
            - {{name: PRESSURE, address: "hr:110", data_type: INT}}
        - {{id: LINE, device: PLC01, interval: 10s, tags_from: tags.csv}}
sinks:
  - {{id: local, type: sqlite_sink, config: {{path: data.db}}}}
"""
TAGS = "name,address,data_type\n속도,hr:1,WORD\nCOUNT,{address},DWORD\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(
    folder: Path,
    in_yaml: str = "hr:100",
    in_csv: str = "hr:200",
    wrong_tags: str = "refuse",
    interval: str = "1s",
) -> None:
    text = CONFIG.format(address=in_yaml, wrong_tags=wrong_tags, interval=interval)
    (folder / "agent.yaml").write_text(text, encoding="utf-8")
    (folder / "tags.csv").write_text(TAGS.format(address=in_csv), encoding="utf-8")


@pytest.mark.parametrize("command", ["check", "run"])
def test_an_address_that_the_driver_does_not_know_is_named_with_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    write(folder, in_yaml="hx:100", in_csv="hr:65536")
    assert main([command]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == (
        f"{folder / 'tags.csv'}:3: tag COUNT: 'hr:65536' is outside the area: it counts from 0 to 65535"
    )
    start = "agent.yaml:13:15: sources[0].config.groups[0].tags[0]: tag TEMPERATURE: 'hx:100' is not a Modbus address"
    assert lines[1].startswith(start)
    assert lines[2] == "2 problems"


def test_the_same_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, in_yaml="hx:100")
    assert main(["check", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["valid"] is False
    (problem,) = found["problems"]
    assert (problem["severity"], problem["file"], problem["line"], problem["column"]) == ("error", "agent.yaml", 13, 15)


def test_wrong_tags_that_are_to_be_left_out_are_warnings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, in_yaml="hx:100", in_csv="hr:65536", wrong_tags="leave_out")
    assert main(["check", "--plan"]) == 0
    out, err = capsys.readouterr()
    assert [line.split(": ")[0] for line in err.splitlines()] == [f"{folder / 'tags.csv'}:3", "agent.yaml:13:15"]
    assert err.count("warning: tag ") == 2
    assert "agent.yaml is valid; 2 warnings" in out
    assert "\n  OVEN, every 1 s: 1 tag in 1 request" in out


def test_the_plan_says_what_will_be_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder, in_csv="hr:30")
    assert main(["check", "--plan"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-10:] == [
        "",
        "PLC01 by modbus_driver: 4 tags in 3 requests, about 30 ms to read them all, 1% of the time",
        "  OVEN, every 1 s: 2 tags in 1 request, 8 of 11 words wasted, about 10 ms",
        "    hr 100 to 110: 2 tags, 8 words wasted",
        "  LINE, every 10 s: 2 tags in 2 requests, 0 of 3 words wasted, about 20 ms",
        "    hr 1: 1 tag",
        "    hr 30 to 31: 1 tag",
        "line1: 4 tags, 2 records/s; times are estimates at 10 ms a request, tagferry doctor measures them",
        "",
        "agent.yaml is valid",
    ]


def test_the_plan_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder)
    assert main(["check", "--plan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (device,) = found["plan"]
    assert {key: device[key] for key in ("source", "device", "driver", "tags", "requests", "scan_seconds")} == {
        "source": "line1",
        "device": "PLC01",
        "driver": "modbus_driver",
        "tags": 4,
        "requests": 3,
        "scan_seconds": 0.03,
    }
    assert device["groups"][0]["requests"] == [{"what": "hr 100 to 110", "tags": 2, "words": 11, "wasted_words": 8}]
    assert "plan" not in found["sources"][0]
    assert main(["check", "--json"]) == 0
    assert "plan" not in json.loads(capsys.readouterr().out)


def test_a_device_that_is_asked_too_much_is_a_warning_with_its_line(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(folder, interval="10ms")
    assert main(["check"]) == 0
    assert capsys.readouterr().err.startswith(
        "agent.yaml:6:11: sources[0].config.devices[0]: warning: device PLC01: its groups need about 100% of the time"
    )


def test_without_a_source_that_plans_there_is_no_plan(agent: object, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--plan"]) == 0
    assert "no source has a plan" in capsys.readouterr().out
