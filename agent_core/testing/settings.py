"""A plugin's config as the core would hand it over, for tests and benchmarks that make the plugin themselves."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from agent_core.api import Secret, load_schema
from agent_core.api.document import PathKey
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.conversion import convert


def settings_of(plugin: str, **changes: object) -> dict[str, object]:
    """The defaults of the plugin's schema, converted, but for the changes, which are converted already."""

    def make_secret(path: PathKey, _text: str) -> Secret:
        raise AssertionError(f"a secret has no default: {path}")

    defaults = convert(SchemaWalk(load_schema(plugin)), {}, Path(), make_secret)
    return {**cast("dict[str, object]", defaults), **changes}
