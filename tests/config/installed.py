"""Installed: the plugins a configuration test has at hand, without anything being installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

from agent_core.api import (
    BufferFactory,
    Config,
    ConfigProblem,
    DriverFactory,
    ExtensionFactory,
    Factory,
    PluginError,
    SinkFactory,
    SourceFactory,
    TransformFactory,
    did_you_mean,
)

Schema = dict[str, object]


def _no_create(*_: object) -> NoReturn:
    raise AssertionError("create was called: loading a configuration makes no component")


POLLING: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["devices"],
    "properties": {
        "devices": {
            "description": "The PLCs.",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["id", "driver"],
                "properties": {
                    "id": {"description": "The device's name.", "type": "string", "minLength": 1},
                    "driver": {"description": "The protocol.", "type": "string", "x-plugin-ref": "driver"},
                },
            },
        },
        "groups": {"type": "array", "items": {"$ref": "#/$defs/group"}, "default": []},
    },
    "$defs": {
        "group": {
            "type": "object",
            "additionalProperties": False,
            "required": ["id", "mode"],
            "properties": {
                "id": {"type": "string"},
                "mode": {"enum": ["fixed", "handshake"]},
                "interval": {"description": "How often.", "type": "string", "format": "duration", "default": "1s"},
                "tags_from": {"description": "A tag list.", "type": "string", "format": "path"},
            },
        }
    },
}

MODBUS: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.invalid/modbus",
    "type": "object",
    "additionalProperties": False,
    "required": ["address"],
    "properties": {
        "address": {"description": "Where it listens: host:port. More text.", "$ref": "#/$defs/address"},
        "timeout": {"description": "How long to wait.", "type": "string", "format": "duration", "default": "2s"},
        "unit_id": {"description": "The unit.", "type": "integer", "minimum": 0, "maximum": 255, "default": 1},
    },
    "$defs": {"address": {"type": "string", "pattern": "^[^:]+:[0-9]+$"}},
}

SIMULATOR: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"seed": {"description": "Same seed, same values.", "type": "integer", "default": 0}},
}

RING: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "capacity": {"description": "Rows.", "type": "integer", "minimum": 1, "default": 10000},
        "when_full": {
            "description": "Who goes.",
            "enum": ["drop_oldest", "drop_newest", "block"],
            "default": "drop_oldest",
        },
        "block_limit": {
            "description": "How long append may wait.",
            "type": "string",
            "format": "duration",
            "formatMinimum": "10ms",
            "formatMaximum": "1m",
            "default": "5s",
        },
    },
}

DATABASE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "required": ["dsn", "password", "table"],
    "properties": {
        "dsn": {"description": "Where the database is.", "type": "string"},
        "user": {"description": "Who logs in.", "type": "string", "default": "agent"},
        "password": {"description": "How.", "type": "string", "format": "secret"},
        "table": {"description": "The table to write to.", "type": "string", "minLength": 1},
        "port": {"description": "The port.", "type": "integer", "default": 1521},
        "tls": {"description": "Encrypt.", "type": "boolean", "default": True},
        "pool": {
            "description": "Connections.",
            "type": "object",
            "additionalProperties": False,
            "default": {},
            "properties": {
                "min": {"description": "At least.", "type": "integer", "default": 2},
                "max": {"description": "At most.", "type": "integer", "default": 5},
            },
        },
        "max_lag": {"description": "Too late.", "type": ["number", "null"], "default": None},
        "columns": {
            "description": "The mapping.",
            "type": "object",
            "additionalProperties": {
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["field"],
                        "properties": {"field": {"type": "string"}, "time_zone": {"type": "string"}},
                    },
                    {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["constant"],
                        "properties": {"constant": {"type": "string"}},
                    },
                ]
            },
        },
    },
}

FILES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "directory": {"description": "The folder.", "type": "string", "format": "path", "default": "backup"},
        "max_size": {
            "description": "When to begin a new file.",
            "type": "string",
            "format": "bytes",
            "formatMinimum": "1MiB",
            "default": "64MiB",
        },
        "key": {"description": "Signs the files.", "type": ["string", "null"], "format": "secret", "default": None},
    },
}

NOTHING: Schema = {"type": "object", "additionalProperties": False, "properties": {}}


class Installed:
    """A registry whose plugins are given by their schemas. ``loaded`` lists what was asked for."""

    def __init__(
        self,
        factories: Iterable[Factory[object]] = (),
        *,
        secrets: Callable[[str], str | None] = lambda reference: None,
        check: Callable[[Config], Sequence[ConfigProblem]] = lambda config: (),
    ) -> None:
        self._factories = {(factory.kind, factory.type): factory for factory in (*_SHIPPED, *factories)}
        self._secrets = secrets
        self._check = check
        self.disabled: list[str] = []
        self.loaded: list[str] = []

    @classmethod
    def with_source(cls, schema: Schema) -> Installed:
        """One whose polling_source has another schema."""
        return cls([SourceFactory("polling_source", schema, _no_create, "polls")])

    @property
    def factories(self) -> Sequence[Factory[object]]:
        return list(self._factories.values())

    @property
    def names(self) -> Sequence[str]:
        return sorted({type_ for _, type_ in self._factories} | {"broken_sink", "vault"})

    def disable(self, names: Sequence[str]) -> None:
        self.disabled.extend(names)

    def load(self, name: str) -> object:
        self.loaded.append(name)
        if name in self.disabled:
            raise PluginError(f"plugin {name} is disabled (plugins: disabled)")
        if name == "broken_sink":
            raise PluginError(
                "plugin broken_sink of dist cannot be imported: ImportError: no driver"
            ) from ImportError()
        if name not in self.names:
            raise PluginError(f"no plugin is called {name!r}; {did_you_mean(name, self.names) or 'sorry'}")
        return name

    def factory(self, kind: str, type: str) -> Factory[object]:  # noqa: A002
        self.load(type)
        if (kind, type) not in self._factories:
            raise PluginError(f"plugin {type} provides no {kind}; it provides something else")
        return self._factories[kind, type]

    def resolve_secret(self, reference: str) -> str | None:
        return self._secrets(reference)

    def check_config(self, config: Config) -> Sequence[ConfigProblem]:
        return self._check(config)


_SHIPPED: tuple[Factory[object], ...] = (
    SourceFactory("polling_source", POLLING, _no_create, "polls"),
    DriverFactory("modbus_driver", MODBUS, _no_create, "reads Modbus"),
    DriverFactory("simulator_driver", SIMULATOR, _no_create, "simulates"),
    TransformFactory("deadband", NOTHING, _no_create, "suppresses"),
    BufferFactory("memory_buffer", RING, _no_create, "in memory"),
    BufferFactory("stream_buffer", NOTHING, _no_create, "filled by others", shared=True),
    SinkFactory("database_sink", DATABASE, _no_create, "writes rows"),
    SinkFactory("csv_sink", FILES, _no_create, "writes files"),
    ExtensionFactory("http_monitor", NOTHING, _no_create, "shows"),
)
