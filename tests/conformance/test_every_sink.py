"""Every sink that is installed passes the suite; found through entry points, none is named here.

One rule decides which can run here: a sink whose schema requires no key (no ``dsn``, no ``url``) needs no server and is
made as the agent makes it, from the defaults of its schema, in an empty folder. The others bring a server of their own
to their own tests; that those run the suite is checked here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from agent_core.api import ComponentContext, Config, FallbackSink, Replayable, Secret, Sink, SinkFactory
from agent_core.api.document import PathKey
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.conversion import convert
from agent_core.registry.loader import Registry
from agent_core.testing.backups import Backup, BackupContract
from agent_core.testing.sinks import SinkContract, StoredRecord

PLUGINS = Path(__file__).parents[2] / "plugins"


def installed_sinks() -> Sequence[SinkFactory]:
    """The sink factories of all plugins that can be loaded; the others have tests of their own."""
    registry = Registry()
    registry.load_all()
    return [registry.catalog.sink(type_) for type_ in registry.catalog.types("sink")]


def local_sinks() -> Sequence[SinkFactory]:
    """Those that need no server."""
    return [factory for factory in installed_sinks() if not factory.schema.get("required")]


def local_backups() -> Sequence[SinkFactory]:
    """Those among them that a fallback can be replayed from. ``create`` is pure, so the folder is never made."""
    nowhere = Path("nowhere").absolute()
    return [
        factory
        for factory in local_sinks()
        if isinstance(sink := made(factory, nowhere), FallbackSink) and isinstance(sink, Replayable)
    ]


def made(factory: SinkFactory, folder: Path) -> Sink:
    """A sink with the defaults of its schema, paths inside ``folder``."""

    def no_secret(path: PathKey, text: str) -> Secret:
        raise AssertionError(f"a default that is a secret: {path} {text}")

    config = cast(Config, convert(SchemaWalk(factory.schema), {}, folder, no_secret))
    return factory.create(config, ComponentContext("any", "line-1", folder, factory.type))


@pytest.mark.parametrize("factory", installed_sinks(), ids=lambda factory: factory.type)
def test_a_sink_runs_the_suite_in_its_own_tests(factory: SinkFactory) -> None:
    tests = PLUGINS / factory.type / "tests"
    if not tests.is_dir():
        pytest.skip(f"{factory.type} is not shipped here")
    assert any("(SinkContract)" in file.read_text(encoding="utf-8") for file in tests.rglob("test_*.py"))


class TestEverySink(SinkContract):
    factory: SinkFactory

    @pytest.fixture(autouse=True, params=local_sinks(), ids=lambda factory: factory.type)
    def _installed(self, request: pytest.FixtureRequest) -> None:
        self.factory = request.param

    def make_sink(self, folder: Path) -> Sink:
        return made(self.factory, folder)

    def stored_records(self, sink: Sink) -> Sequence[StoredRecord] | None:
        """What can be read back; where nothing can, the outcomes alone are checked."""
        return list(_read_back(sink)) if isinstance(sink, Replayable) else None


class TestEveryBackup(BackupContract):
    factory: SinkFactory

    @pytest.fixture(autouse=True, params=local_backups(), ids=lambda factory: factory.type)
    def _installed(self, request: pytest.FixtureRequest) -> None:
        self.factory = request.param

    def make_backup(self, folder: Path) -> Backup:
        return cast(Backup, made(self.factory, folder))


def _read_back(sink: Sink) -> Iterator[StoredRecord]:
    assert isinstance(sink, Replayable)
    sink.close()
    sink.open()
    for file in sink.backlog():
        for part in sink.read(file.name):
            for record in part.batch.records():
                yield StoredRecord(*record[:4])
