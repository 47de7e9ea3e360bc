"""Every buffer that is installed passes the contract; found through entry points, none is named here.

A buffer is made as the agent makes it: by its factory, from a configuration with the keys ``capacity`` and
``when_full`` that all buffers share, defaults filled in from its schema.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from agent_core.api import Buffer, BufferFactory, Clock, ComponentContext, Config, Secret
from agent_core.api.document import PathKey
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.conversion import convert
from agent_core.registry.loader import Registry
from agent_core.testing.buffers import BufferContract


def installed_buffers() -> Sequence[BufferFactory]:
    """The buffer factories of all plugins that can be loaded. Shared ones need a server: their own tests bring it."""
    registry = Registry()
    registry.load_all()
    factories = [registry.catalog.buffer(type_) for type_ in registry.catalog.types("buffer")]
    return [factory for factory in factories if not factory.shared]


def converted(factory: BufferFactory, config: Config, folder: Path) -> Config:
    """What ``create`` gets for ``config``."""

    def no_secret(path: PathKey, text: str) -> Secret:
        raise AssertionError(f"a buffer with a secret needs a suite of its own: {path} {text}")

    return cast(Config, convert(SchemaWalk(factory.schema), config, folder, no_secret))


@pytest.mark.parametrize("factory", installed_buffers(), ids=lambda factory: factory.type)
def test_a_buffer_has_the_keys_that_all_share(factory: BufferFactory, tmp_path: Path) -> None:
    config = converted(factory, {}, tmp_path)
    assert isinstance(config["capacity"], int)
    assert config["when_full"] == "drop_oldest"
    assert isinstance(config["block_limit"], float)


class TestEveryBuffer(BufferContract):
    factory: BufferFactory

    @pytest.fixture(autouse=True, params=installed_buffers(), ids=lambda factory: factory.type)
    def _installed(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.factory = request.param

    def make_buffer(self, folder: Path, *, capacity: int, when_full: str, clock: Clock) -> Buffer:
        config = {"capacity": capacity, "when_full": when_full, "block_limit": f"{self.block_limit_seconds}s"}
        context = ComponentContext("warehouse", "line-1", folder, self.factory.type, clock)
        return self.factory.create(converted(self.factory, config, folder), context)
