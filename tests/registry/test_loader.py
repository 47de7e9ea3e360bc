"""Every way in which a third-party plugin can be wrong, with real distributions on sys.path."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest
from registry.distribution import BUFFER, SINK, SOURCE, Distributions

from agent_core import __version__
from agent_core.api import API_VERSION, ConfigProblem, PluginError, SinkFactory
from agent_core.registry import Registry
from agent_core.registry.entrypoints import installed_plugins


def test_a_plugin_is_imported_only_when_it_is_named(distributions: Distributions) -> None:
    distributions.add("first_sink", SINK)
    distributions.add("second_sink", SINK)
    registry = Registry()
    assert registry.names == ("first_sink", "second_sink")
    factory = registry.factory("sink", "first_sink")
    assert isinstance(factory, SinkFactory)
    assert "module_first_sink" in sys.modules
    assert "module_second_sink" not in sys.modules


def test_the_catalogue_knows_where_a_plugin_comes_from(distributions: Distributions) -> None:
    distributions.add("first_sink", SINK, distribution="vendor-first", version="4.5.6")
    registry = Registry()
    registry.load_all()
    (plugin,) = registry.catalog.plugins
    assert (plugin.name, plugin.distribution, plugin.version) == ("first_sink", "vendor-first", "4.5.6")
    assert plugin.kinds == ("sink",)
    assert plugin.summary == "a sink for tests"


def test_one_plugin_may_provide_several_kinds(distributions: Distributions) -> None:
    both = SINK + SOURCE.replace("SCHEMA = {schema}", "")
    distributions.add("both", both)
    assert Registry().load("both").kinds == ("source", "sink")


def test_a_broken_import_does_not_stop_the_others_and_is_a_warning(
    distributions: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    distributions.add("a_broken", "import module_that_is_nowhere")
    distributions.add("b_good", SINK)
    registry = Registry()
    with caplog.at_level(logging.WARNING):
        registry.load_all()
    assert [plugin.name for plugin in registry.catalog.plugins] == ["b_good"]
    (broken,) = registry.catalog.broken
    assert broken.name == "a_broken"
    assert "No module named 'module_that_is_nowhere'" in broken.reason
    (record,) = caplog.records
    assert "a_broken" in record.getMessage()
    assert record.exc_info is None


def test_a_broken_import_that_is_named_stops_with_its_cause(distributions: Distributions) -> None:
    distributions.add("broken", "import module_that_is_nowhere", distribution="vendor-x")
    registry = Registry()
    with pytest.raises(
        PluginError, match="plugin broken of vendor-x cannot be imported: ModuleNotFoundError"
    ) as caught:
        registry.load("broken")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    with pytest.raises(PluginError) as again:
        registry.load("broken")
    assert again.value is caught.value


@pytest.mark.parametrize("source", ["raise SystemExit(3)", "1/0", "syntax error ("])
def test_whatever_an_import_raises_is_contained(distributions: Distributions, source: str) -> None:
    distributions.add("broken", source)
    with pytest.raises(PluginError, match="cannot be imported"):
        Registry().load("broken")


def test_a_plugin_for_another_version_of_the_core_is_refused_before_it_is_imported(
    distributions: Distributions, caplog: pytest.LogCaptureFixture
) -> None:
    distributions.add("old_sink", SINK, distribution="acme-old-sink", requires=["tagferry>=0.0.1,<0.1", "numpy"])
    distributions.add("new_sink", SINK, requires=[f"tagferry>={API_VERSION},<99"])
    registry = Registry()
    with caplog.at_level(logging.WARNING):
        registry.load_all()
    assert [plugin.name for plugin in registry.catalog.plugins] == ["new_sink"]
    (broken,) = registry.catalog.broken
    assert broken.reason == (
        f"plugin old_sink of acme-old-sink is built for tagferry >=0.0.1,<0.1, and this is tagferry {__version__}; "
        "install versions that fit each other (pip install --upgrade tagferry acme-old-sink)"
    )
    assert "module_old_sink" not in sys.modules
    (record,) = caplog.records
    assert broken.reason in record.getMessage()


@pytest.mark.parametrize(
    "requires",
    [
        [],  # a plugin of one's own, in a folder
        ["tagferry"],
        ["tagferry>=0.1"],
        ["tagferry @ file:///somewhere/tagferry"],
        ["tagferry<0.1; extra == 'old'", "tagferry<0.1; python_version < '3'"],
        ["no requirement at all"],
    ],
)
def test_a_plugin_that_sets_no_bound_fits_without_a_warning(
    distributions: Distributions, requires: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    distributions.add("own_sink", SINK, requires=requires)
    with caplog.at_level(logging.WARNING):
        assert Registry().load("own_sink").built_for in ("", ">=0.1")
    assert caplog.records == []


@pytest.mark.parametrize(
    ("requires", "fitting", "other"),
    [
        (["tagferry>=0.2,<0.3"], "0.2.0 0.2.7 0.2.0rc1 0.2.1.dev4", "0.1.9 0.3.0 0.3.0.dev1 1.0"),
        (["Tagferry ~= 0.2.1"], "0.2.1 0.2.9", "0.2.0 0.3"),
        (["tagferry>=0.2", "tagferry[testing]<0.4"], "0.2 0.3", "0.1 0.4"),
    ],
)
def test_a_pre_release_counts_as_what_it_leads_to(
    distributions: Distributions, requires: list[str], fitting: str, other: str
) -> None:
    distributions.add("first_sink", SINK, requires=requires)
    installed = installed_plugins()["first_sink"]
    assert [version for version in fitting.split() if not installed.fits(version)] == []
    assert [version for version in other.split() if installed.fits(version)] == []


def test_two_distributions_with_one_name_are_refused_and_both_named(distributions: Distributions) -> None:
    distributions.add("twice", SINK, distribution="vendor-one")
    distributions.add("twice", SINK, distribution="vendor-two")
    registry = Registry()
    with pytest.raises(PluginError, match=r"claimed by more than one distribution: .*; uninstall one") as caught:
        registry.load("twice")
    assert "vendor-one" in str(caught.value)
    assert "vendor-two" in str(caught.value)
    assert "module_twice" not in sys.modules


def test_one_distribution_seen_twice_on_the_path_is_not_a_clash(
    distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = distributions.add("once", SINK)
    monkeypatch.syspath_prepend(home.parent / "." / home.name)
    assert Registry().load("once").name == "once"


def test_an_unknown_argument_leaves_nothing_registered(distributions: Distributions) -> None:
    observer = "\n@hookimpl\ndef agent_batch_collected(source_id, batchh): ...\n"
    distributions.add("half", SINK + observer)
    registry = Registry()
    with pytest.raises(PluginError, match=r"agent_batch_collected has no argument 'batchh'; did you mean batch?"):
        registry.load("half")
    assert registry.manager.get_plugins() == set()
    assert registry.manager.hook.agent_register_sink.get_hookimpls() == []


def test_what_pluggy_itself_refuses_is_unregistered(
    distributions: Distributions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pluggy 1.6 adds implementations one by one and raises in the middle."""
    distributions.add("half", SINK + "\n@hookimpl\ndef agent_batch_collected(source_id, batchh): ...\n")
    registry = Registry()
    monkeypatch.setattr("agent_core.registry.manager.problems", lambda plugin, reader: [])
    with pytest.raises(PluginError, match="half"):
        registry.load("half")
    assert registry.manager.get_plugins() == set()
    assert registry.manager.hook.agent_register_sink.get_hookimpls() == []


def test_a_misspelt_hook_names_the_nearest(distributions: Distributions) -> None:
    distributions.add("typo", SINK.replace("agent_register_sink", "agent_registr_sink"))
    registry = Registry()
    with pytest.raises(PluginError, match=r"agent_registr_sink is not a hook; did you mean agent_register_sink?"):
        registry.load("typo")
    assert registry.manager.get_plugins() == set()
    registry.manager.check_pending()


def test_a_hook_for_a_later_version_may_be_marked_optional(distributions: Distributions) -> None:
    later = "\n@hookimpl(optionalhook=True)\ndef agent_from_the_future(): ...\n"
    distributions.add("modern", SINK + later)
    assert Registry().load("modern").kinds == ("sink",)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("def agent_batch_collected(source_id, batch=None): ...", "gives its parameter 'batch' a default"),
        ("def agent_batch_collected(*, batch): ...", "has a parameter batch that never gets a value"),
        ("def agent_batch_collected(**kwargs): ...", r"has a parameter \*\*kwargs that never gets a value"),
        ("async def agent_batch_collected(batch): ...", "must be a plain function, not async"),
    ],
)
def test_a_signature_that_would_silently_misbehave_is_rejected(
    distributions: Distributions, definition: str, message: str
) -> None:
    distributions.add("odd", f"{SINK}\n@hookimpl\n{definition}\n")
    with pytest.raises(PluginError, match=f"agent_batch_collected {message}"):
        Registry().load("odd")


@pytest.mark.parametrize("option", ["wrapper=True", "hookwrapper=True"])
def test_an_event_cannot_be_wrapped(distributions: Distributions, option: str) -> None:
    wrapper = f"\n@hookimpl({option})\ndef agent_batch_collected(batch):\n    yield\n"
    distributions.add("wrapping", SINK + wrapper)
    with pytest.raises(PluginError, match="agent_batch_collected cannot be wrapped"):
        Registry().load("wrapping")


def test_all_faults_of_a_plugin_are_reported_at_once(distributions: Distributions) -> None:
    faults = "\n@hookimpl\ndef agent_startd(agent): ...\n@hookimpl\ndef agent_stopping(agent, why): ...\n"
    distributions.add("odd", SINK + faults)
    with pytest.raises(PluginError) as caught:
        Registry().load("odd")
    assert "agent_startd is not a hook" in str(caught.value)
    assert "agent_stopping has no argument 'why'" in str(caught.value)


def test_an_entry_point_must_be_a_module_and_properties_are_not_evaluated(distributions: Distributions) -> None:
    source = """
from agent_core.api import hookimpl
class Plugin:
    @property
    def connection(self):
        raise RuntimeError("a property was evaluated")
    @hookimpl
    def agent_register_sink(self): ...
plugin = Plugin()
"""
    distributions.add("instance", source, entry_point="module_instance:plugin")
    with pytest.raises(PluginError, match=r"an object of class Plugin .* must name a module, such as instance.plugin"):
        Registry().load("instance")


def test_a_module_without_hooks_is_refused(distributions: Distributions) -> None:
    distributions.add("empty", "x = 1")
    with pytest.raises(PluginError, match="has no function marked with @hookimpl"):
        Registry().load("empty")


def test_the_type_is_the_name_of_the_entry_point(distributions: Distributions) -> None:
    distributions.add("one_name", SINK.replace("{name!r}", "'other_name'"))
    registry = Registry()
    with pytest.raises(PluginError, match="says type 'other_name', but the entry point is called 'one_name'"):
        registry.load("one_name")
    assert registry.manager.get_plugins() == set()


@pytest.mark.parametrize(
    ("replaced", "by", "message"),
    [
        ("SinkFactory({name!r}, SCHEMA, lambda config, context: Part(), 'x')", "None", "returned nothing"),
        ("return SinkFactory(", "return BufferFactory(", "object of class BufferFactory, not a SinkFactory"),
        ("return SinkFactory(", "raise OSError('no licence')\n    SinkFactory(", "failed: OSError: no licence"),
        ('"a sink for tests"', '""', "the summary is empty"),
        ("lambda config, context: Part()", "42", "create is not callable"),
        ("{schema}", "{'type': 'objekt'}", "its schema is not a JSON Schema, at type"),
        ("{schema}", "{'type': 'string'}", "its schema must describe a mapping"),
    ],
)
def test_a_hook_that_returns_the_wrong_thing_is_refused(
    distributions: Distributions, replaced: str, by: str, message: str
) -> None:
    source = SINK.replace('"a sink for tests")', "'x')") if by == "None" else SINK
    source = "from agent_core.api import BufferFactory\n" + source.replace(replaced, by)
    distributions.add("wrong", source)
    registry = Registry()
    with pytest.raises(PluginError, match=message):
        registry.load("wrong")
    assert registry.manager.get_plugins() == set()


def test_an_unknown_name_gets_the_nearest(distributions: Distributions) -> None:
    distributions.add("first_sink", SINK)
    with pytest.raises(PluginError, match=r"no plugin is called 'frst_sink'; did you mean first_sink?"):
        Registry().load("frst_sink")


def test_a_plugin_of_another_kind_is_explained(distributions: Distributions) -> None:
    distributions.add("first_buffer", BUFFER)
    with pytest.raises(PluginError, match="plugin first_buffer provides no sink; it provides a buffer"):
        Registry().factory("sink", "first_buffer")


def test_a_disabled_plugin_is_never_imported(distributions: Distributions) -> None:
    distributions.add("first_sink", SINK)
    registry = Registry()
    registry.disable(["first_sink"])
    registry.load_all()
    with pytest.raises(PluginError, match="plugin first_sink is disabled"):
        registry.load("first_sink")
    assert "module_first_sink" not in sys.modules


def test_two_registries_share_nothing(distributions: Distributions) -> None:
    distributions.add("first_sink", SINK)
    one, other = Registry(), Registry()
    one.load("first_sink")
    assert other.catalog.plugins == ()
    other.load("first_sink")
    assert len(other.manager.get_plugins()) == 1


SECRETS = """
from agent_core.api import ConfigProblem, hookimpl

@hookimpl
def agent_resolve_secret(reference):
    if reference == "broken":
        raise OSError("vault is sealed")
    return 42 if reference == "number" else "hunter2" if reference == "vault:db" else None

@hookimpl
def agent_check_config(config):
    if config.get("explode"):
        raise KeyError("oops")
    return "nonsense" if config.get("nonsense") else [ConfigProblem("too fast", ("sources", 0))]
"""


def test_secrets_come_from_plugins(distributions: Distributions) -> None:
    distributions.add("vault", SECRETS)
    registry = Registry()
    assert registry.resolve_secret("vault:db") is None
    assert registry.load("vault").kinds == ()
    assert registry.resolve_secret("vault:db") == "hunter2"
    assert registry.resolve_secret("other") is None
    with pytest.raises(PluginError, match="failed: OSError: vault is sealed"):
        registry.resolve_secret("broken")
    with pytest.raises(PluginError, match="returned an object of class int, not text"):
        registry.resolve_secret("number")


def test_a_check_that_fails_does_not_silence_the_others(distributions: Distributions) -> None:
    distributions.add("checking", SECRETS)
    distributions.add("other", SECRETS.replace('config.get("explode")', "False"))
    registry = Registry()
    registry.load_all()
    assert registry.check_config({}) == [ConfigProblem("too fast", ("sources", 0))] * 2
    failing, fine = registry.check_config({"explode": True})
    assert "plugin checking failed while checking the configuration: KeyError: 'oops'" in failing.message
    assert fine.message == "too fast"
    assert "did not return a list of ConfigProblem" in registry.check_config({"nonsense": True})[0].message


def test_a_plugin_without_a_factory_shows_the_summary_of_its_distribution(distributions: Distributions) -> None:
    distributions.add("vault", SECRETS)
    assert Registry().load("vault").summary == "the distribution's summary"


def test_a_named_module_may_lie_in_a_package(distributions: Distributions, tmp_path: Path) -> None:
    home = distributions.add("packed", "", entry_point="packed_package.plugin")
    package = home / "packed_package"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    source = SINK.replace("{name!r}", "'packed'").replace("{schema}", '{"type": "object"}')
    (package / "plugin.py").write_text(source, encoding="utf-8")
    assert Registry().load("packed").kinds == ("sink",)
