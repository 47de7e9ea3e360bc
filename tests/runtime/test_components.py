"""Making the parts: what a plugin does wrong in ``create`` is a problem with a place, in bounded time."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from agent_core.api import (
    BufferFactory,
    ComponentContext,
    Config,
    ConfigError,
    ConfigProblem,
    DriverFactory,
    Factory,
    PluginError,
    SinkFactory,
    SourceFactory,
    TransformFactory,
)
from agent_core.config import (
    FallbackConfig,
    Replay,
    SourceConfig,
    TransformConfig,
)
from agent_core.registry.catalog import Catalog, Plugin
from agent_core.runtime.components import Components
from agent_core.runtime.deadline import SLICE_SECONDS
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeSink
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from . import configurations

STEP = TransformConfig("acme", {})
SOURCE = SourceConfig("line", "acme", {}, (STEP,), None)
FALLBACK = FallbackConfig("acme", {}, Replay.OFF, 1000)
SINK = replace(configurations.SINK, fallback=FALLBACK)
BUFFER = SINK.buffer
CONFIG = replace(
    configurations.AGENT,
    sources=(replace(SOURCE, id="other"), SOURCE),
    sinks=(replace(SINK, id="other"), SINK),
    mapping={"sinks": ({"buffer": {}}, {})},
)

Create = Callable[[Config, ComponentContext], Any]


def components(
    create: Create, driver: Create = lambda config, context: None, clock: ManualClock | None = None
) -> Components:
    """Of a plugin whose factories all call ``create``."""
    kinds = SourceFactory, TransformFactory, BufferFactory, SinkFactory
    factories: list[Factory[Any]] = [kind("acme", {}, create, "") for kind in kinds]
    factories.append(DriverFactory("acme", {}, driver, ""))
    return Components(
        CONFIG, Catalog([Plugin("acme", "acme-parts", "1.2", "", tuple(factories))]), clock or ManualClock()
    )


def problem_of(make: Callable[[], object]) -> ConfigProblem:
    with pytest.raises(ConfigError) as caught:
        make()
    [problem] = caught.value.problems
    return problem


def test_a_part_that_fits_is_handed_out() -> None:
    sink = FakeSink()
    assert components(lambda config, context: sink).sink(SINK) is sink


def test_each_part_that_does_not_fit_has_its_place_in_the_yaml() -> None:
    made = components(lambda config, context: None)
    assert problem_of(lambda: made.source(SOURCE)).path == ("sources", 1, "type")
    assert problem_of(lambda: made.transform("line", STEP)).path == ("sources", 1, "transforms", 0, "type")
    assert problem_of(lambda: made.sink(SINK)).path == ("sinks", 1, "type")
    assert problem_of(lambda: made.fallback("warehouse", FALLBACK)).path == ("sinks", 1, "fallback", "type")
    assert problem_of(lambda: made.buffer("other", BUFFER)).path == ("sinks", 0, "buffer", "type")
    assert problem_of(lambda: made.buffer("warehouse", BUFFER)).path == ("buffer", "type"), "the default for every sink"
    assert problem_of(lambda: made.sink(SINK)).message == (
        "what acme (acme-parts 1.2) creates is not a sink: it is None, not a Sink"
    )


@pytest.mark.parametrize(
    ("error", "path", "message"),
    [
        (PluginError("install pymodbus"), ("type",), "install pymodbus"),
        (ConfigError([ConfigProblem("no such table", ("table",))]), ("config", "table"), "no such table"),
        (KeyError("dsn"), ("type",), "acme (acme-parts 1.2) raised in create: KeyError: 'dsn'"),
        (SystemExit(3), ("type",), "acme (acme-parts 1.2) raised in create: SystemExit: 3"),
    ],
)
def test_what_create_raises_is_a_problem_of_its_part(error: BaseException, path: tuple[str, ...], message: str) -> None:
    def create(config: Config, context: ComponentContext) -> None:
        raise error

    problem = problem_of(lambda: components(create).sink(SINK))
    assert (problem.path, problem.message) == (("sinks", 1, *path), message)


def test_a_problem_of_another_file_keeps_its_place() -> None:
    elsewhere = ConfigProblem("no such tag", ("row", 3), file="tags.csv")

    def create(config: Config, context: ComponentContext) -> None:
        raise ConfigError([elsewhere])

    assert problem_of(lambda: components(create).source(SOURCE)) == elsewhere


def test_a_create_that_does_not_return_is_left_behind() -> None:
    clock, began, go_on = ManualClock(), threading.Event(), threading.Event()

    def create(config: Config, context: ComponentContext) -> None:
        began.set()
        go_on.wait(PATIENCE_SECONDS)

    making = Background(lambda: components(create, clock=clock).sink(SINK))
    assert began.wait(PATIENCE_SECONDS)
    clock.wait_for_a_wait_of(SLICE_SECONDS)
    clock.advance(5)
    assert problem_of(making.result).message == (
        "acme (acme-parts 1.2) has not returned from create after 5 s; create must do no I/O"
    )
    go_on.set()


def test_a_driver_that_does_not_fit_is_the_sources_problem() -> None:
    def create(config: Config, context: ComponentContext) -> object:
        return context.drivers["acme"].create({}, context)

    problem = problem_of(lambda: components(create).source(SOURCE))
    assert problem.path == ("sources", 1, "type")
    assert problem.message == "what acme (acme-parts 1.2) creates is not a driver: it is None, not a Driver"
