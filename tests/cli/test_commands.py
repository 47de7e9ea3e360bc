"""``check``, ``plugins``, ``schema`` and the command itself, when nothing is wrong."""

from __future__ import annotations

import errno
import io
import json
import signal
import subprocess
import sys

import pytest
from cli.conftest import VALID, Command
from jsonschema import Draft202012Validator
from registry.distribution import SINK

from agent_core import __version__
from agent_core.api import API_VERSION
from agent_core.cli.main import main


def test_help_teaches_with_examples(agent: Command) -> None:
    result = agent("--help")
    assert result.code == 0
    assert "tagferry run line2.yaml --status-every 5s" in result.out
    assert "exit codes:" in result.out


COMMANDS = ["run", "check", "doctor", "replay", "status", "top", "trigger", "try", "catalog", "plugins", "schema"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples_and_exit_codes(agent: Command, command: str) -> None:
    result = agent(command, "--help")
    assert result.code == 0
    assert f"examples:\n  tagferry {command}" in result.out
    assert "exit codes:\n  0 " in result.out


def test_version(agent: Command) -> None:
    assert agent("--version").out == f"tagferry {__version__}\n"


def test_check_shows_the_parts_and_the_advice_of_plugins(agent: Command) -> None:
    result = agent("check")
    assert result.code == 0
    assert result.err == "agent.yaml:3:5: sources[0]: warning: 350 values/s\n"
    assert result.out.splitlines() == [
        "part       id           type         settings",
        "source     line1        plc_source   -> warehouse",
        "sink       warehouse    table_sink   from line1; ring_buffer; 500 records or 0.5 s; 3 retries; 1 worker",
        "extension  web_monitor  web_monitor",
        f"line-1 keeps its state in {agent.folder / 'state'} and stops within 30 s",
        "agent.yaml is valid; 1 warning",
    ]


def test_check_contacts_and_writes_nothing(agent: Command) -> None:
    before = sorted(path.name for path in agent.folder.iterdir())
    agent.process("check", environ={"PYTHONDONTWRITEBYTECODE": "1"})
    assert sorted(path.name for path in agent.folder.iterdir()) == before


def test_check_as_json(agent: Command) -> None:
    result = agent("check", "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert found["valid"] is True
    assert found["name"] == "line-1"
    assert [problem["severity"] for problem in found["problems"]] == ["warning"]
    assert found["sinks"][0]["inputs"] == ["line1"]
    assert found["sinks"][0]["buffer"] == "ring_buffer"


def test_plugins_lists_what_works_and_what_does_not(agent: Command) -> None:
    agent.add_plugin("broken_sink", "import driver_that_is_nowhere", distribution="vendor-broken", version="0.9")
    result = agent.process("plugins")
    assert result.code == 0
    assert result.err == ""
    rows = [line.split() for line in result.out.splitlines()]
    assert ["table_sink", "sink", "1.2.3", "any", "dist-table-sink", "a", "sink", "for", "tests"] in rows
    assert "broken:\n  broken_sink (vendor-broken 0.9): plugin broken_sink of vendor-broken cannot be imported: " in (
        result.out
    )
    assert "No module named 'driver_that_is_nowhere'" in result.out


def test_plugins_shows_what_each_is_built_for_and_refuses_what_does_not_fit(agent: Command) -> None:
    agent.add_plugin("new_sink", SINK, requires=[f"tagferry>={API_VERSION},<99"])
    agent.add_plugin("old_sink", SINK, requires=["tagferry>=0.0.1,<0.1"], distribution="acme-old", version="0.9")
    result = agent.process("plugins")
    assert result.code == 0
    assert result.err == ""
    rows = [line.split()[:5] for line in result.out.splitlines()]
    assert ["new_sink", "sink", "1.2.3", f">={API_VERSION},<99", "dist-new-sink"] in rows
    assert (
        "broken:\n  old_sink (acme-old 0.9): plugin old_sink of acme-old is built for tagferry >=0.0.1,<0.1"
        in result.out
    )


def test_a_plugin_for_another_version_stops_the_start_when_it_is_named(agent: Command) -> None:
    agent.add_plugin("old_sink", SINK, requires=["tagferry<0.1"], distribution="acme-old")
    assert agent("check").code == 0
    agent.write(VALID.replace("table_sink", "old_sink"))
    for command in ("check", "run"):
        result = agent(command)
        assert result.code == 2
        assert "plugin old_sink of acme-old is built for tagferry <0.1, and this is tagferry" in result.err
        assert "pip install --upgrade tagferry acme-old" in result.err


def test_plugins_as_json(agent: Command) -> None:
    agent.add_plugin("broken_sink", "import driver_that_is_nowhere")
    found = json.loads(agent("plugins", "--json").out)
    (sink,) = [plugin for plugin in found["plugins"] if plugin["type"] == "table_sink"]
    assert sink == {
        "type": "table_sink",
        "kinds": ["sink"],
        "version": "1.2.3",
        "built_for": "",
        "distribution": "dist-table-sink",
        "summary": "a sink for tests",
    }
    assert [broken["type"] for broken in found["broken"]] == ["broken_sink"]


def test_the_schema_accepts_the_example(agent: Command) -> None:
    result = agent("schema")
    assert result.code == 0
    schema = json.loads(result.out)
    Draft202012Validator.check_schema(schema)
    assert {"source.plc_source", "sink.table_sink", "driver.bus_driver"} <= set(schema["$defs"])


def test_the_schema_is_written_to_a_file_and_broken_plugins_are_named(agent: Command) -> None:
    agent.add_plugin("broken_sink", "import driver_that_is_nowhere")
    result = agent("schema", "-o", "agent.schema.json")
    assert result.code == 0
    assert result.out == ""
    assert "warning: left out: plugin broken_sink" in result.err
    written = json.loads((agent.folder / "agent.schema.json").read_text(encoding="utf-8"))
    assert written["title"] == "agent.yaml"


def test_a_schema_that_cannot_be_written_is_one_line(agent: Command) -> None:
    result = agent("schema", "-o", "nowhere/agent.schema.json")
    assert result.code == 1
    assert result.err == "error: No such file or directory: nowhere/agent.schema.json\n"


@pytest.mark.parametrize(
    ("create", "problem"),
    [
        ("None", "creates is not a sink: it is None, not a Sink"),
        ("Part", "creates is not a sink: it is the class Part, not a Sink"),
        ("object()", "it has no method write"),
        ("1 / 0", "raised in create: ZeroDivisionError: division by zero"),
        ("__import__('sys').exit(3)", "raised in create: SystemExit: 3"),
    ],
)
def test_a_plugin_that_makes_no_part_is_a_problem_with_a_place(agent: Command, create: str, problem: str) -> None:
    agent.add_plugin("odd_sink", SINK.replace("Part(),", f"{create},"))
    agent.write(VALID.replace("table_sink", "odd_sink"))
    for command in ("check", "run", "doctor"):
        result = agent(command)
        assert result.code == 2, command
        assert "agent.yaml:" in result.err
        assert ": sinks[0].type: " in result.err
        assert "odd_sink (dist-odd-sink 1.2.3)" in result.err
        assert problem in result.err
        assert "Traceback" not in result.err


def test_ctrl_c_before_anything_runs_is_130(agent: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("agent_core.cli.commands.check.load_config", interrupted)
    result = agent("check")
    assert result.code == 130
    assert result.err == "\ninterrupted\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a test cannot send Ctrl-C on Windows")
def test_ctrl_c_while_a_plugin_is_imported_is_130_without_traceback(agent: Command) -> None:
    agent.add_plugin("slow_sink", "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(30)")
    result = agent.process("plugins")
    assert result.code == 130
    assert "Traceback" not in result.err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_reader_that_has_seen_enough_is_not_an_error(agent: Command) -> None:
    command = f"{sys.executable} -m agent_core schema | head -1; exit ${{PIPESTATUS[0]}}"
    if sys.platform == "win32":
        pytest.skip("needs a shell with pipes")
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PYTHONPATH": ":".join([*sys.path, *map(str, agent.homes)]), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(("yaml", "code"), [(VALID, 1), (VALID.replace("ring_buffer", "nowhere"), 2)])
def test_an_output_that_finds_no_room_is_a_failure_unless_there_is_a_worse_one(
    agent: Command, yaml: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    agent.write(yaml)
    monkeypatch.setattr(sys, "stdout", Full())
    assert main(["check", "--json"]) == code
    assert capsys.readouterr().err == ("error: standard output: No space left on device\n" if code == 1 else "")


def test_a_letter_that_a_terminal_cannot_show_is_an_escape(agent: Command) -> None:
    agent.write(VALID.replace("line-1", "línea-1"))
    result = agent.process("check", "--json", environ={"PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"})
    assert result.code == 0
    assert r"l\xednea-1" in result.out


def test_main_never_raises(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("agent_core.cli.commands.plugins.Registry", broken)
    assert main(["plugins"]) == 1
    assert capsys.readouterr().err.startswith("error: RuntimeError: a defect\n")
