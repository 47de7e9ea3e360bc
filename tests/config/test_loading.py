"""What a valid file becomes, and the checks beyond the schema."""
# ruff: noqa: E501 - a line of the output is a line here

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

import pytest
from config.conftest import VALID, Yaml
from config.installed import Installed

from agent_core.api import Config, ConfigError, ConfigProblem, PluginError
from agent_core.config import (
    BatchConfig,
    BreakerConfig,
    BufferConfig,
    Divert,
    LogFormat,
    Replay,
    RetryConfig,
    load_config,
)

FULL = """\
agent: {name: line-1, state_dir: ../state, shutdown_timeout: 1m}
plugins: {enabled: [vault], disabled: [broken_sink]}
log: {level: debug, format: json}
sources:
  - id: line1
    type: polling_source
    config:
      devices:
        - {id: PLC01, driver: modbus_driver, address: "127.0.0.1:5020", timeout: 250ms}
        - {id: SIM, driver: simulator_driver, seed: 7}
      groups:
        - {id: G1, mode: fixed, tags_from: tags.csv}
    transforms: [{type: deadband}]
  - {id: line2, type: polling_source, config: {devices: [{id: S, driver: simulator_driver}]}}
buffer: {type: memory_buffer, config: {capacity: 99}}
sinks:
  - id: warehouse
    type: csv_sink
    inputs: [line1]
    buffer: {type: memory_buffer, config: {when_full: block}}
    batch: {max_records: 100, max_wait: 2s}
    retry: {max_retries: 0, initial_delay: 100ms, multiplier: 3, jitter: 0, max_delay: 5m}
    breaker: {probe_interval: 5s, throttled_interval: 10s}
    workers: 4
    divert: under_pressure
    fallback: {type: csv_sink, config: {directory: backup}, replay: off}
  - {id: second, type: csv_sink, config: {directory: /data, max_size: 10MB}}
extensions:
  - {type: http_monitor}
  - {id: named, type: http_monitor}
  - {type: http_monitor}
"""


def test_every_setting_arrives_typed(yaml: Yaml) -> None:
    config = yaml.load(FULL)
    assert (config.name, config.state_dir, config.shutdown_timeout_seconds) == (
        "line-1",
        yaml.folder / "../state",
        60.0,
    )
    assert (config.plugins.enabled, config.plugins.disabled) == (("vault",), ("broken_sink",))
    assert (config.log.level, config.log.format) == ("debug", LogFormat.JSON)
    assert config.file == yaml.file
    line1, line2 = config.sources
    assert (line1.id, line1.type, [transform.type for transform in line1.transforms]) == (
        "line1",
        "polling_source",
        ["deadband"],
    )
    assert line2.transforms == ()
    warehouse, second = config.sinks
    assert warehouse.inputs == ("line1",)
    assert warehouse.buffer == BufferConfig(
        "memory_buffer",
        MappingProxyType({"when_full": "block", "capacity": 10000, "block_limit": 5.0}),
    )
    assert warehouse.batch == BatchConfig(100, 2.0)
    assert warehouse.retry == RetryConfig(0, 0.1, 3.0, 0.0, 300.0)
    assert warehouse.breaker == BreakerConfig(5.0, 10.0)
    assert (warehouse.workers, warehouse.divert) == (4, Divert.UNDER_PRESSURE)
    assert warehouse.fallback is not None
    assert (warehouse.fallback.type, warehouse.fallback.replay) == ("csv_sink", Replay.OFF)
    assert warehouse.fallback.config["directory"] == yaml.folder / "backup"
    assert second.inputs == ("line1", "line2")
    assert second.buffer.config["capacity"] == 99
    assert second.config["directory"] == yaml.folder / "/data"
    assert second.config["max_size"] == 10_000_000
    assert [extension.id for extension in config.extensions] == ["http_monitor", "named", "http_monitor-2"]


def test_defaults_come_from_the_schema(yaml: Yaml) -> None:
    config = yaml.load()
    (sink,) = config.sinks
    assert (config.name, config.state_dir, config.shutdown_timeout_seconds) == ("agent", yaml.folder / "state", 30.0)
    assert (config.log.level, config.log.format) == ("info", LogFormat.CONSOLE)
    assert sink.buffer.type == "memory_buffer"
    assert sink.batch == BatchConfig(500, 0.5)
    assert sink.retry == RetryConfig(3, 1.0, 2.0, 0.2, 60.0)
    assert sink.breaker == BreakerConfig(30.0, 60.0)
    assert (sink.workers, sink.divert, sink.fallback) == (1, None, None)
    assert sink.config == {"directory": yaml.folder / "backup", "max_size": 64 * 2**20, "key": None}


def test_a_device_gets_the_keys_of_its_driver_converted(yaml: Yaml) -> None:
    modbus, simulator = cast("tuple[Mapping[str, object], ...]", yaml.load(FULL).sources[0].config["devices"])
    assert dict(modbus) == {
        "id": "PLC01",
        "driver": "modbus_driver",
        "address": "127.0.0.1:5020",
        "timeout": 0.25,
        "unit_id": 1,
    }
    assert dict(simulator) == {"id": "SIM", "driver": "simulator_driver", "seed": 7}


def test_defaults_are_filled_in_behind_references_and_inside_lists(yaml: Yaml) -> None:
    (group,) = cast("tuple[Mapping[str, object], ...]", yaml.load(FULL).sources[0].config["groups"])
    assert dict(group) == {"id": "G1", "mode": "fixed", "tags_from": yaml.folder / "tags.csv", "interval": 1.0}


def test_everything_is_frozen(yaml: Yaml) -> None:
    config = yaml.load(FULL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.name = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.mapping["sources"] = ()  # type: ignore[index]
    assert isinstance(config.sources[0].config["devices"], tuple)


def test_the_default_buffer_is_named_only_when_a_sink_needs_it(yaml: Yaml) -> None:
    installed = Installed()
    text = FULL.replace("buffer: {type: memory_buffer, config: {capacity: 99}}\n", "")
    yaml.load(text, installed)
    assert "memory_buffer" in installed.loaded
    own = VALID + "    buffer: {type: ring}\n"
    (found,) = yaml.problems(own, installed)
    assert "no plugin is called 'ring'" in found


def test_two_sinks_with_the_default_buffer_do_not_share_its_settings_object(yaml: Yaml) -> None:
    one, other = yaml.load(VALID + "  - {id: b, type: csv_sink, config: {directory: b}}\n").sinks
    assert one.buffer == other.buffer


@pytest.mark.parametrize("name", ["agent.yaml", "sub/../agent.yaml"])
def test_relative_paths_start_at_the_folder_of_the_yaml(yaml: Yaml, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    yaml.load()
    (yaml.folder / "sub").mkdir()
    monkeypatch.chdir(yaml.folder)
    config = load_config(Path(name), Installed(), {})
    directory = config.sinks[0].config["directory"]
    assert isinstance(directory, Path)
    assert directory.is_absolute()
    assert directory.resolve() == yaml.folder / "backup"


def test_problems_name_the_file_as_it_was_given(yaml: Yaml, monkeypatch: pytest.MonkeyPatch) -> None:
    yaml.file.write_text("x: 1\n", encoding="utf-8")
    monkeypatch.chdir(yaml.folder)
    with pytest.raises(ConfigError) as caught:
        load_config(Path("agent.yaml"), Installed(), {})
    assert {problem.file for problem in caught.value.problems} == {"agent.yaml"}


def test_the_cause_of_a_broken_plugin_is_chained(yaml: Yaml) -> None:
    with pytest.raises(ConfigError) as caught:
        yaml.load(VALID.replace("csv_sink", "broken_sink"))
    assert isinstance(caught.value.__cause__, PluginError)
    assert isinstance(caught.value.__cause__.__cause__, ImportError)


def test_one_id_may_name_one_component_only(yaml: Yaml) -> None:
    text = FULL.replace("id: second", "id: LINE1").replace("id: named", "id: warehouse")
    assert yaml.problems(text) == [
        "agent.yaml:27:10: sinks[1].id: the id 'LINE1' is already used (by sources[0], line 5; ids must be unique in the file)",
        "agent.yaml:30:10: extensions[1].id: the id 'warehouse' is already used (by sinks[0], line 17; ids must be unique in the file)",
    ]


def test_inputs_name_sources(yaml: Yaml) -> None:
    text = FULL.replace("inputs: [line1]", "inputs: [line1, lin2, other]")
    assert yaml.problems(text) == [
        "agent.yaml:19:21: sinks[0].inputs[1]: no source has the id 'lin2' (did you mean line2?)",
        "agent.yaml:19:27: sinks[0].inputs[2]: no source has the id 'other' (known: line1, line2)",
    ]


def test_a_source_that_no_sink_takes_is_a_warning(yaml: Yaml) -> None:
    text = FULL.replace("{id: second,", "{id: second, inputs: [line1],")
    (warning,) = yaml.load(text).warnings
    assert (warning.warning, warning.path, warning.line) == (True, ("sources", 1, "id"), 14)
    assert warning.message == "no sink uses the source 'line2'"


def test_a_disabled_plugin_that_does_not_exist_is_a_warning(yaml: Yaml) -> None:
    (warning,) = yaml.load(VALID + "plugins: {disabled: [cvs_sink]}\n").warnings
    assert (warning.message, warning.hint) == ("no plugin is called 'cvs_sink'", "did you mean csv_sink?")


@pytest.mark.parametrize("directory", ["backup", "./backup", "other/../backup", "link"])
def test_two_fallbacks_do_not_share_a_folder(yaml: Yaml, directory: str) -> None:
    (yaml.folder / "backup").mkdir()
    if directory == "link":
        try:
            (yaml.folder / "link").symlink_to(yaml.folder / "backup")
        except OSError:
            pytest.skip("this account may not make links")
    text = VALID + (
        "    fallback: {type: csv_sink, config: {directory: backup}}\n"
        "  - id: second\n"
        "    type: csv_sink\n"
        f"    fallback: {{type: csv_sink, config: {{directory: {directory}}}}}\n"
    )
    (found,) = yaml.problems(text)
    assert found.startswith(
        "agent.yaml:13:52: sinks[1].fallback.config.directory: two fallbacks share a directory "
        "(the other belongs to sinks[0], line 10; give each its own, such as "
    )


def test_ids_and_inputs_are_checked_although_the_schema_has_complaints(yaml: Yaml) -> None:
    text = VALID.replace("id: warehouse", "id: line1\n    inputs: [lin1, 5]\n    workers: 0")
    assert [problem.partition(": ")[2] for problem in yaml.problems(text) if "warning" not in problem] == [
        "sources[0].id: no sink uses the source 'line1' (check the inputs: of the sinks)",
        "sinks[0].id: the id 'line1' is already used (by sources[0], line 2; ids must be unique in the file)",
        "sinks[0].inputs[0]: no source has the id 'lin1' (did you mean line1?)",
        "sinks[0].inputs[1]: expected text, got 5 (put it in quotes)",
        "sinks[0].workers: must be at least 1, got 0",
    ]


def test_a_default_that_is_not_what_its_format_says_is_the_plugins_fault(yaml: Yaml) -> None:
    schema: dict[str, object] = {
        "type": "object",
        "properties": {"every": {"type": "string", "format": "duration", "default": "5"}},
    }
    text = VALID.partition("    config:")[0] + "sinks:" + VALID.partition("sinks:")[2]
    with pytest.raises(
        PluginError, match=r"the default '5' of sources.0.config.every in a plugin's schema: expected a"
    ):
        yaml.load(text, Installed.with_source(schema))


def test_plugins_may_check_what_a_schema_cannot_say(yaml: Yaml) -> None:
    seen: list[Config] = []

    def check(config: Config) -> list[ConfigProblem]:
        seen.append(config)
        return [
            ConfigProblem("too many tags", ("sources", 0, "config", "devices", 0, "address"), "split the group"),
            ConfigProblem("350 values/s", ("sources", 0), warning=True),
            ConfigProblem("bad row", file="tags.csv", line=7),
        ]

    found = yaml.problems(VALID, Installed(check=check))
    assert found == [
        "agent.yaml:2:5: sources[0]: 350 values/s",
        "agent.yaml:6:55: sources[0].config.devices[0].address: too many tags (split the group)",
        "tags.csv:7: bad row",
    ]
    (config,) = seen
    sinks = cast("tuple[Mapping[str, object], ...]", config["sinks"])
    assert cast(Mapping[str, object], sinks[0]["batch"])["max_wait"] == 0.5
    with pytest.raises(TypeError):
        config["x"] = 1  # type: ignore[index]


def test_warnings_alone_stop_nothing(yaml: Yaml) -> None:
    warning = ConfigProblem("350 values/s", ("sources", 0), warning=True)
    config = yaml.load(VALID, Installed(check=lambda config: [warning]))
    (placed,) = config.warnings
    assert (placed.message, placed.file, placed.line, placed.column) == ("350 values/s", str(yaml.file), 2, 5)


def test_a_check_never_prints_a_secret(yaml: Yaml) -> None:
    text = VALID.replace("type: csv_sink", "type: csv_sink\n    config: {key: '${KEY}'}")
    check = lambda config: [ConfigProblem("cannot use hunter2", hint="not hunter2")]  # noqa: E731
    (found,) = yaml.problems(text, Installed(check=check), {"KEY": "hunter2"})
    assert found == "agent.yaml:1:1: cannot use *** (not ***)"


def test_enabled_plugins_may_come_from_the_environment(yaml: Yaml) -> None:
    installed = Installed()
    config = yaml.load(VALID + "plugins: {enabled: ['${VAULT}']}\n", installed, {"VAULT": "vault"})
    assert config.plugins.enabled == ("vault",)
    assert "vault" in installed.loaded
    (found,) = yaml.problems(VALID + "plugins: {enabled: ['${VAULT}', vualt]}\n", installed, {"VAULT": "vault"})
    assert found == "agent.yaml:10:33: plugins.enabled[1]: no plugin is called 'vualt' (did you mean vault?)"


def test_a_reference_plant_is_read_in_a_moment(yaml: Yaml) -> None:
    """3,491 devices' worth of entries in one file; generous, to hold on a busy machine."""
    devices = "\n".join(f"        - {{id: D{n}, driver: simulator_driver, seed: {n}}}" for n in range(3491))
    text = VALID.replace('        - {id: PLC01, driver: modbus_driver, address: "127.0.0.1:5020"}', devices)
    assert len(cast("tuple[object, ...]", yaml.load(text).sources[0].config["devices"])) == 3491


STREAM_SINK = "sinks:\n  - {id: db, type: csv_sink, buffer: {type: stream_buffer}}\n"


def test_an_agent_whose_sinks_all_have_shared_buffers_needs_no_sources(yaml: Yaml) -> None:
    for sources in ("", "sources: []\n"):
        config = yaml.load(sources + STREAM_SINK)
        assert (config.sources, config.sinks[0].inputs) == ((), ())
    default = "buffer: {type: stream_buffer}\nsinks:\n  - {id: db, type: csv_sink, inputs: []}\n"
    assert yaml.load(default).sinks[0].buffer.type == "stream_buffer"
    both = STREAM_SINK + "  - {id: local, type: csv_sink}\n"
    assert yaml.problems(both) == ["agent.yaml:1:1: missing key 'sources' (Where records come from)"]
    assert yaml.problems("sources: []\n" + both) == ["agent.yaml:1:1: sources: must not be empty"]


def test_a_sink_with_a_shared_buffer_has_no_inputs(yaml: Yaml) -> None:
    text = VALID.replace("type: csv_sink", "type: csv_sink\n    buffer: {type: stream_buffer}")
    complaint = "stream_buffer is filled by other agents, so the sink has no inputs (set inputs: [])"
    assert f"agent.yaml:8:5: sinks[0]: {complaint}" in yaml.problems(text)
    named = text.replace("type: csv_sink", "type: csv_sink\n    inputs: [line1]")
    assert f"agent.yaml:10:5: sinks[0].inputs: {complaint}" in yaml.problems(named)
    mixed = text.replace("type: csv_sink", "type: csv_sink\n    inputs: []") + "  - {id: local, type: csv_sink}\n"
    config = yaml.load(mixed)
    assert [sink.inputs for sink in config.sinks] == [(), ("line1",)]
