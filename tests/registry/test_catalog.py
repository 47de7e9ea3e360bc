from __future__ import annotations

import pytest

from agent_core.api import BufferFactory, DriverFactory, PluginError, SinkFactory
from agent_core.registry import BrokenPlugin, Catalog, Plugin

SCHEMA = {"type": "object"}


def sink(type_: str) -> SinkFactory:
    return SinkFactory(type_, SCHEMA, lambda config, context: pytest.fail("create was called"), "a sink")


@pytest.fixture
def catalog() -> Catalog:
    buffer = BufferFactory("ring", SCHEMA, lambda config, context: pytest.fail("create was called"), "a buffer")
    driver = DriverFactory("bus", SCHEMA, lambda config, context: pytest.fail("create was called"), "a driver")
    return Catalog(
        [
            Plugin("oracle_sink", "tagferry-oracle-sink", "1", "s", (sink("oracle_sink"),)),
            Plugin("csv_sink", "tagferry-csv-sink", "1", "s", (sink("csv_sink"),)),
            Plugin("ring", "tagferry-ring", "1", "s", (buffer, driver.__class__("ring", SCHEMA, driver.create, "d"))),
        ],
        [BrokenPlugin("mqtt_sink", "vendor", "1", "no module named paho")],
    )


def test_a_factory_is_found_by_kind_and_type(catalog: Catalog) -> None:
    assert catalog.sink("csv_sink").type == "csv_sink"
    assert catalog.get("buffer", "ring").kind == "buffer"
    assert catalog.types("sink") == ("csv_sink", "oracle_sink")
    assert list(catalog.drivers) == ["ring"]


def test_plugins_are_sorted(catalog: Catalog) -> None:
    assert [plugin.name for plugin in catalog.plugins] == ["csv_sink", "oracle_sink", "ring"]


@pytest.mark.parametrize(
    ("kind", "type_", "message"),
    [
        ("sink", "orcale_sink", "no sink is called 'orcale_sink'; did you mean oracle_sink?"),
        ("sink", "xyz", "no sink is called 'xyz'; known: csv_sink, oracle_sink"),
        ("transform", "xyz", "no transform is called 'xyz'; known: none"),
        ("sink", "ring", "plugin ring provides no sink; it provides a buffer and a driver"),
        ("sink", "mqtt_sink", "plugin mqtt_sink cannot be used: no module named paho"),
    ],
)
def test_an_unknown_one_is_explained(catalog: Catalog, kind: str, type_: str, message: str) -> None:
    with pytest.raises(PluginError) as caught:
        catalog.get(kind, type_)
    assert str(caught.value) == message


def test_the_catalogue_cannot_be_changed(catalog: Catalog) -> None:
    with pytest.raises(TypeError):
        catalog.drivers["x"] = None  # type: ignore[index]
    with pytest.raises(AttributeError):
        catalog.extra = 1  # type: ignore[attr-defined]
