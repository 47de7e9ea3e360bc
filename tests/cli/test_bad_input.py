"""What a user may get wrong: every mistake has its place, its path and the nearest name; never a traceback."""
# ruff: noqa: E501 - a line of the output is a line here

from __future__ import annotations

import json

import pytest
from cli.conftest import VALID, Command
from registry.distribution import SINK

BAD_INPUT = [
    pytest.param(
        VALID.replace("type: table_sink", "type: tabel_sink"),
        "agent.yaml:11:11: sinks[0].type: no plugin is called 'tabel_sink' (did you mean table_sink?)",
        id="unknown plugin",
    ),
    pytest.param(
        VALID.replace("bus_driver", "buss_driver"),
        "agent.yaml:7:31: sources[0].config.devices[0].driver: no plugin is called 'buss_driver' (did you mean bus_driver?)",
        id="unknown driver",
    ),
    pytest.param(
        VALID.replace("      table: TAG_DATA", "      {}"),
        "agent.yaml:12:5: sinks[0].config: missing key 'table' (Where rows go)",
        id="missing key",
    ),
    pytest.param(
        VALID.replace("table: TAG_DATA", "table: [TAG_DATA]"),
        "agent.yaml:13:7: sinks[0].config.table: expected text, got a list",
        id="wrong type",
    ),
    pytest.param(
        VALID.replace('5020"', '5020", timeout: 2'),
        "agent.yaml:7:79: sources[0].config.devices[0].timeout: expected a duration such as 500ms, 1s or 5m, got 2 (write 2s for seconds)",
        id="number for a duration",
    ),
    pytest.param(
        VALID.replace("table: TAG_DATA", "tabel: TAG_DATA\n      table: x"),
        "agent.yaml:13:7: sinks[0].config.tabel: unknown key 'tabel' (known: table, password)",
        id="unknown key",
    ),
    pytest.param(
        VALID.replace("agent: {name", "agent: {nam"),
        "agent.yaml:1:9: agent.nam: unknown key 'nam' (did you mean name?)",
        id="misspelt key",
    ),
    pytest.param(
        VALID.replace("TAG_DATA", "${TABLE_THAT_IS_NOT_SET}"),
        "agent.yaml:13:14: sinks[0].config.table: the variable TABLE_THAT_IS_NOT_SET is not set",
        id="unset variable",
    ),
    pytest.param(
        VALID.replace("id: warehouse", "id: line1"),
        "agent.yaml:10:9: sinks[0].id: the id 'line1' is already used (by sources[0], line 3; ids must be unique in the file)",
        id="two components with one id",
    ),
    pytest.param(
        VALID.replace("    config:\n      table", "    config:\n\ttable"),
        "agent.yaml:13:1: there is a tab here (indent YAML with spaces)",
        id="tab",
    ),
    pytest.param(
        VALID.replace("      table: TAG_DATA", "      table: TAG_DATA\n      table: OTHER"),
        "agent.yaml:14:7: sinks[0].config.table: key 'table' appears twice (first at line 13)",
        id="duplicate key",
    ),
    pytest.param(
        VALID.replace("    type: table_sink", "    type: table_sink\n    inputs: [lin1]"),
        "agent.yaml:12:14: sinks[0].inputs[0]: no source has the id 'lin1' (did you mean line1?)",
        id="unknown input",
    ),
    pytest.param(
        VALID.replace("TAG_DATA", "TAG_DATA # \xe4").encode("latin-1"),
        "agent.yaml:13:25: the file is not UTF-8: byte 0xe4 (save it as UTF-8)",
        id="not UTF-8",
    ),
    pytest.param("", "agent.yaml:1:1: the file is empty (it needs sources: and sinks:)", id="empty"),
]


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(("text", "problem"), BAD_INPUT)
def test_a_mistake_is_one_line_and_exit_code_2(agent: Command, text: str | bytes, problem: str, command: str) -> None:
    agent.write(text)
    result = agent(command)
    assert result.code == 2
    *lines, summary = result.err.splitlines()
    (only,) = [line for line in lines if "warning: " not in line]
    assert only.startswith(problem)
    assert summary.startswith("1 problem")
    assert result.out == ""


def test_a_broken_third_party_plugin_that_is_named_stops_the_start(agent: Command) -> None:
    agent.add_plugin("broken_sink", "import driver_that_is_nowhere", distribution="vendor-broken")
    agent.write(VALID.replace("type: table_sink", "type: broken_sink"))
    result = agent.process("run")
    assert result.code == 2
    assert result.err.splitlines() == [
        "agent.yaml:11:11: sinks[0].type: plugin broken_sink of vendor-broken cannot be imported: ModuleNotFoundError: No module named 'driver_that_is_nowhere'",
        "1 problem",
    ]


def test_a_broken_third_party_plugin_that_is_not_named_does_not_matter(agent: Command) -> None:
    agent.add_plugin("broken_sink", "import driver_that_is_nowhere")
    assert agent("check").code == 0


def test_a_plugin_that_two_distributions_claim_is_refused_with_both_names(agent: Command) -> None:
    agent.add_plugin("table_sink", SINK, distribution="vendor-other")
    result = agent("check")
    assert result.code == 2
    assert "vendor-other" in result.err
    assert "dist-table-sink" in result.err


def test_every_mistake_of_a_file_is_reported_at_once_as_the_user_sees_it(agent: Command) -> None:
    agent.write(
        """\
agent: {nam: x, shutdown_timeout: 30}
sources:
  - id: line1
    type: plc_sorce
  - id: line1
    type: plc_source
    config:
      devices:
        - {id: A, driver: bus_driver, adress: "h:1", timeout: 2}
sinks:
  - id: warehouse
    type: table_sink
    config: {table: "${TABLE_THAT_IS_NOT_SET}", table: x}
    workers: many
buffer: {type: ring_buffer}
"""
    )
    result = agent.process("run")
    assert result.code == 2
    assert result.out == ""
    assert "Traceback" not in result.err
    *lines, summary = result.err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "agent.yaml:1:9",
        "agent.yaml:1:35",
        "agent.yaml:4:11",
        "agent.yaml:5:9",
        "agent.yaml:9:11",
        "agent.yaml:9:39",
        "agent.yaml:9:63",
        "agent.yaml:13:21",
        "agent.yaml:13:49",
        "agent.yaml:14:14",
    ]
    assert summary == "10 problems"


def test_a_key_of_control_characters_stays_on_its_line(agent: Command) -> None:
    agent.write(VALID.replace("agent: {name", 'agent: {"\\n\\e[2J": 1, name'))
    (line, _) = agent("check").err.splitlines()
    assert line.startswith(r"agent.yaml:1:9: agent.\n\x1b[2J: unknown key")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["run", "nowhere.yaml"], "nowhere.yaml: no such file"),
        (["check", "."], ".: "),
    ],
)
def test_a_file_that_cannot_be_read(agent: Command, arguments: list[str], message: str) -> None:
    result = agent(*arguments)
    assert result.code == 2
    assert result.err.startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["rnu"], "invalid choice: 'rnu'"),
        (["run", "--status-every", "5"], "argument --status-every: expected a duration such as 500ms"),
        (["run", "--status-every", "1ms"], "argument --status-every: must be at least 100ms"),
        (["check", "a", "b"], "tagferry check: error: unrecognized arguments: b\n"),
        (["chek"], "; did you mean check?\n"),
        (["Doctor"], "; did you mean doctor?\n"),
        (["replay", "--preveiw"], "unrecognized arguments: --preveiw; did you mean --preview?\n"),
        (["doctor", "--time-out=5s"], "unrecognized arguments: --time-out=5s; did you mean --timeout?\n"),
        (["check", "--debug"], "--debug; --debug comes before the command\n"),
        (["catalog", "exprot"], "; did you mean export?\n"),
        (["qqq"], "'schema')\n"),
    ],
)
def test_a_mistake_on_the_command_line(agent: Command, arguments: list[str], message: str) -> None:
    result = agent(*arguments)
    assert result.code == 2
    assert message in result.err


def test_problems_as_json(agent: Command) -> None:
    agent.write(VALID.replace("table_sink", "tabel_sink"))
    result = agent("check", "--json")
    assert result.code == 2
    assert json.loads(result.out) == {
        "valid": False,
        "problems": [
            {
                "severity": "error",
                "file": "agent.yaml",
                "line": 11,
                "column": 11,
                "path": ["sinks", 0, "type"],
                "message": "no plugin is called 'tabel_sink'",
                "hint": "did you mean table_sink?",
            }
        ],
    }


def test_a_secret_is_in_no_output(agent: Command) -> None:
    (agent.folder / ".env").write_text("PW=hunter2\n", encoding="utf-8")
    agent.write(VALID.replace("table: TAG_DATA", "table: x\n      password: ${PW}\n      pasword: ${PW}"))
    for command in (["check"], ["check", "--json"], ["--debug", "check"], ["run"]):
        result = agent(*command)
        assert result.code == 2
        assert "hunter2" not in result.out + result.err
