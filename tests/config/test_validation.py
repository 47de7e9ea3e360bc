"""Schema errors as the user reads them: place, path, what is wrong, what was meant."""
# ruff: noqa: E501 - a line of the output is a line here

from __future__ import annotations

import pytest
from config.conftest import VALID, Yaml
from config.installed import Installed

SOURCE = VALID.partition("sinks:")[0]
SINKS = SOURCE + "sinks:\n"
DATABASE = SINKS + "  - id: db\n    type: database_sink\n    config: {dsn: d, password: p, table: T%s}\n"


def sink(lines: str) -> str:
    return SINKS + "  - id: k\n    type: csv_sink\n" + "".join(f"    {line}\n" for line in lines.splitlines())


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("workers: 0", "10:14: sinks[0].workers: must be at least 1, got 0"),
        ("workers: 65", "10:14: sinks[0].workers: must be at most 64, got 65"),
        ('workers: "2"', '10:14: sinks[0].workers: expected a whole number, got "2" (write it without quotes)'),
        ("workers: 1.5", "10:14: sinks[0].workers: expected a whole number, got 1.5"),
        ("workers: true", "10:14: sinks[0].workers: expected a whole number, got true"),
        ("workers:", "10:5: sinks[0].workers: expected a whole number, got nothing"),
        ("workers: [1]", "10:5: sinks[0].workers: expected a whole number, got a list"),
        ("worker: 1", "10:5: sinks[0].worker: unknown key 'worker' (did you mean workers?)"),
        ("divert: never", "10:13: sinks[0].divert: expected one of after_retries, under_pressure, got \"never\""),
        (
            "divert: after-retries",
            '10:13: sinks[0].divert: expected one of after_retries, under_pressure, got "after-retries" (did you mean after_retries?)',
        ),
        ("batch: {max_records: 0}", "10:26: sinks[0].batch.max_records: must be at least 1, got 0"),
        (
            "batch: {max_wait: 5}",
            "10:23: sinks[0].batch.max_wait: expected a duration such as 500ms, 1s or 5m, got 5 (write 5s for seconds)",
        ),
        (
            "batch: {max_wait: 5 years}",
            '10:23: sinks[0].batch.max_wait: expected a duration such as 500ms, 1s, 5m, 2h or 7d: the unit is one of ms, s, m, h, d, got "5 years"',
        ),
        (
            "batch: {max_wait: soon}",
            '10:23: sinks[0].batch.max_wait: expected a duration such as 500ms, 1s, 5m, 2h or 7d, got "soon"',
        ),
        ("batch: {max_wait: 2h}", '10:23: sinks[0].batch.max_wait: must be at most 1h, got "2h"'),
        ("retry: {multiplier: 0.5}", "10:25: sinks[0].retry.multiplier: must be at least 1, got 0.5"),
        ("retry: {jitter: 2}", "10:21: sinks[0].retry.jitter: must be at most 1, got 2"),
        ("retry: 3", "10:12: sinks[0].retry: expected a mapping (key: value), got 3"),
        ("inputs: line1", '10:13: sinks[0].inputs: expected a list, got "line1" (write [...], or one entry per line after -)'),
        ("inputs: []", "10:5: sinks[0].inputs: must not be empty"),
        ("inputs: [line1, line1]", "10:5: sinks[0].inputs: contains an entry twice"),
        ("fallback: {config: {}}", "10:5: sinks[0].fallback: missing key 'type' (The sink plugin)"),
        (
            "fallback: {type: csv_sink, replay: never}",
            '10:40: sinks[0].fallback.replay: expected one of automatic, off, got "never"',
        ),
        ("config: {max_size: 64}", "10:24: sinks[0].config.max_size: expected a size such as 1024B, 10MB or 64MiB, got 64 (write 64B for bytes)"),
        ("config: {max_size: 1KiB}", '10:24: sinks[0].config.max_size: must be at least 1MiB, got "1KiB"'),
        ('config: {directory: ""}', '10:25: sinks[0].config.directory: expected a path, got ""'),
        ("config: {dirctory: x}", "10:14: sinks[0].config.dirctory: unknown key 'dirctory' (did you mean directory?)"),
        ("config: {zzz: x}", "10:14: sinks[0].config.zzz: unknown key 'zzz' (known: directory, max_size, key)"),
        ("config: text", '10:13: sinks[0].config: expected a mapping (key: value), got "text"'),
    ],
)  # fmt: skip
def test_one_mistake_is_one_line(yaml: Yaml, lines: str, problem: str) -> None:
    assert yaml.problems(sink(lines)) == [f"agent.yaml:{problem}"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (", tls: yes", "10:50: sinks[0].config.tls: expected true or false, got \"yes\" (write true)"),
        (", table2: x", "10:45: sinks[0].config.table2: unknown key 'table2' (known: dsn, user, password, table, port, tls, pool, max_lag, columns)"),
        (", user: 7", "10:51: sinks[0].config.user: expected text, got 7 (put it in quotes)"),
        (", pool: {mn: 1}", "10:52: sinks[0].config.pool.mn: unknown key 'mn' (did you mean min?)"),
        (", max_lag: x", '10:54: sinks[0].config.max_lag: expected a number or nothing, got "x"'),
        (", columns: {c: 5}", "10:58: sinks[0].config.columns.c: expected text or a mapping (key: value), got 5"),
        (", columns: {c: {field: 5}}", "10:66: sinks[0].config.columns.c.field: expected text, got 5 (put it in quotes)"),
        (", columns: {c: {feld: x}}", None),
    ],
)  # fmt: skip
def test_a_plugins_own_keys_are_checked_the_same_way(yaml: Yaml, more: str, problem: str | None) -> None:
    found = yaml.problems(DATABASE % more)
    if problem is None:
        assert all(line.startswith("agent.yaml:10:") for line in found)
        assert any("unknown key 'feld' (did you mean field?)" in line for line in found)
    else:
        assert found == [f"agent.yaml:{problem}"]


def test_missing_keys_are_named_with_what_they_are_for(yaml: Yaml) -> None:
    text = SINKS + "  - id: db\n    type: database_sink\n    config:\n      dsn: d\n"
    assert yaml.problems(text) == [
        "agent.yaml:10:5: sinks[0].config: missing key 'password' (How)",
        "agent.yaml:10:5: sinks[0].config: missing key 'table' (The table to write to)",
    ]


def test_a_missing_config_is_reported_at_its_component(yaml: Yaml) -> None:
    text = SINKS + "  - id: db\n    type: database_sink\n"
    assert yaml.problems(text) == [
        "agent.yaml:8:5: sinks[0]: missing key 'config' (database_sink needs dsn, password, table)",
    ]


def test_a_missing_section_is_reported_at_the_top(yaml: Yaml) -> None:
    assert yaml.problems("agent: {name: x}\n") == [
        "agent.yaml:1:1: missing key 'sources' (Where records come from)",
        "agent.yaml:1:1: missing key 'sinks' (Where records go)",
    ]


def test_a_section_in_which_everything_is_commented_out_is_empty(yaml: Yaml) -> None:
    config = yaml.load(VALID + "extensions:\n  # - type: http_monitor\nlog:\nagent:\n")
    assert config.extensions == ()
    assert config.log.level == "info"
    assert yaml.problems("sources:\nsinks:\n") == [
        "agent.yaml:1:1: sources: must not be empty",
        "agent.yaml:2:1: sinks: must not be empty",
    ]


def test_an_id_is_fit_for_files_and_metrics(yaml: Yaml) -> None:
    found = yaml.problems(VALID.replace("id: warehouse", "id: my warehouse/1"))
    assert found == [
        'agent.yaml:8:9: sinks[0].id: "my warehouse/1" is not allowed here (it must match ^[A-Za-z0-9][A-Za-z0-9_.-]*$)'
    ]


def test_all_problems_are_reported_at_once_in_the_order_of_the_file(yaml: Yaml) -> None:
    text = """\
agent: {nam: x, shutdown_timeout: 30}
sources:
  - id: line1
    type: poling_source
  - id: line2
    type: polling_source
    config:
      devices:
        - {id: A, driver: modbus_drivr}
        - {id: B, driver: modbus_driver, adress: "h:1", timeout: 2}
      groups:
        - {id: G, mode: fixd, interval: fast, tags_from: tags.csv}
sinks:
  - id: db
    type: database_sink
    config: {dsn: "${DSN}", password: p, tabel: T}
    workers: many
"""
    assert [line.partition(": ")[0] for line in yaml.problems(text)] == [
        "agent.yaml:1:9",
        "agent.yaml:1:35",
        "agent.yaml:4:11",
        "agent.yaml:9:27",
        "agent.yaml:10:11",
        "agent.yaml:10:42",
        "agent.yaml:10:66",
        "agent.yaml:12:25",
        "agent.yaml:12:41",
        "agent.yaml:16:5",
        "agent.yaml:16:19",
        "agent.yaml:16:42",
        "agent.yaml:17:14",
    ]


def test_an_unknown_plugin_gets_the_nearest_and_no_second_complaint(yaml: Yaml) -> None:
    found = yaml.problems(VALID.replace("csv_sink", "cvs_sink"))
    assert found == ["agent.yaml:9:11: sinks[0].type: no plugin is called 'cvs_sink' (did you mean csv_sink?)"]


def test_a_plugin_of_another_kind_is_explained(yaml: Yaml) -> None:
    (found,) = yaml.problems(VALID.replace("type: csv_sink", "type: memory_buffer"))
    assert found.startswith("agent.yaml:9:11: sinks[0].type: plugin memory_buffer provides no sink")


def test_a_broken_plugin_that_is_named_stops_with_its_reason(yaml: Yaml) -> None:
    (found,) = yaml.problems(VALID.replace("csv_sink", "broken_sink"))
    assert found == (
        "agent.yaml:9:11: sinks[0].type: plugin broken_sink of dist cannot be imported: ImportError: no driver"
    )


def test_a_disabled_plugin_cannot_be_used(yaml: Yaml) -> None:
    found = yaml.problems(VALID + "plugins: {disabled: [csv_sink]}\n")
    assert found == ["agent.yaml:9:11: sinks[0].type: plugin csv_sink is disabled (plugins: disabled)"]


def test_long_values_are_cut(yaml: Yaml) -> None:
    (found,) = yaml.problems(sink(f"workers: {'x' * 500}"))
    assert len(found) < 150


def test_only_named_plugins_are_loaded(yaml: Yaml) -> None:
    installed = Installed()
    yaml.load(VALID + "plugins: {enabled: [vault]}\n", installed)
    assert sorted(set(installed.loaded)) == ["csv_sink", "memory_buffer", "modbus_driver", "polling_source", "vault"]
