"""load_config: one YAML file -> one AgentConfig, or every problem at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final, cast

from agent_core.api import Config, ConfigError, ConfigProblem, Secret, did_you_mean
from agent_core.api.document import PathKey, read_document
from agent_core.config import checks
from agent_core.config.assembly import assemble, assemble_extensions
from agent_core.config.clear_text import problems_of_clear_text
from agent_core.config.document.interpolation import ResolveError, Resolver, has_reference
from agent_core.config.document.placing import in_order, place_problem, redacted
from agent_core.config.model import AgentConfig, ExtensionConfig
from agent_core.config.redaction import Redaction
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.conversion import adapt, convert
from agent_core.config.schema.merged import core_schema, merged_schema
from agent_core.config.schema.naming import NamedPlugins, Registry
from agent_core.config.schema.validation import MAX_PROBLEMS, Validation

MAX_RESOLVED: Final = 16 * 1024 * 1024
"""Characters that all references of a file stand for at most."""


def load_config(
    path: Path,
    registry: Registry,
    environ: Mapping[str, str] | None = None,
    redaction: Redaction | None = None,
) -> AgentConfig:
    """Read, validate and freeze ``path``; imports the plugins it names and touches no network.

    ``environ`` defaults to the environment of the process. ``redaction`` learns every secret. Raises ConfigError
    with all problems, in the order of the file; its cause is the PluginError when a named plugin is broken.
    """
    environ = os.environ if environ is None else environ
    return _Loading(path, registry, environ, Redaction() if redaction is None else redaction).run()


def load_extensions(path: Path, registry: Registry) -> Sequence[ExtensionConfig]:
    """Only the extensions of ``path``, for commands that ask a running agent.

    The other sections are not validated, imported or resolved: the password of a sink may be missing here.
    Raises ConfigError.
    """
    return _Loading(path, registry, os.environ, Redaction()).extensions()


class _Loading:
    def __init__(self, path: Path, registry: Registry, environ: Mapping[str, str], redaction: Redaction) -> None:
        self._file = path.absolute()
        self._registry = registry
        self._redaction = redaction
        self._document = read_document(path)
        self._resolver = Resolver(self._file.parent, environ, self._ask_plugins)
        self._plugins = NamedPlugins(self._document, registry)
        self._problems: list[ConfigProblem] = list(self._document.problems)
        self._templates: dict[PathKey, str] = {}
        self._unresolved: set[PathKey] = set()
        self._dotenv: Mapping[str, str] | None = None
        self._characters = 0
        self._secrets: dict[PathKey, str] = {}
        """As written."""

    def run(self) -> AgentConfig:
        document = self._document
        config = self._converted(document.root, whole=True)
        self._problems.extend(checks.problems_of_fallbacks(document, config))
        self._problems.extend(problems_of_clear_text(document, self._file, self._secrets, self._dotenv or {}))
        found_by_plugins = self._registry.check_config(config)
        self._problems.extend(place_problem(document, problem, self._redaction) for problem in found_by_plugins)
        if any(not problem.warning for problem in self._problems):
            raise self._error()
        return assemble(self._file, config, in_order(redacted(problem, self._redaction) for problem in self._problems))

    def extensions(self) -> Sequence[ExtensionConfig]:
        root = self._document.root
        if isinstance(root, dict):
            root = {key: root[key] for key in ("plugins", "extensions") if key in root}
        return assemble_extensions(self._converted(root, whole=False))

    def _converted(self, given: object, *, whole: bool) -> Config:
        """``given`` validated and frozen; not ``whole``: sections may be missing. Raises ConfigError."""
        document = self._document
        if not isinstance(given, dict):
            if not self._problems:
                self._problems.append(document.problem("expected a mapping (key: value), such as sources: and sinks:"))
            raise self._error()
        too_long = list(checks.problems_of_size(document, given))
        if too_long:
            self._problems.extend(too_long)
            raise self._error()
        self._switch_plugins(given)
        root = cast("dict[str, object]", self._interpolate(given, ()))
        self._fill_in_buffer(root)
        root = cast("dict[str, object]", adapt(SchemaWalk(core_schema()), root, self._templates))
        self._plugins.load(root, passed_over=self._unresolved)
        self._problems.extend(self._plugins.problems)
        schema = merged_schema(self._plugins.factories.values())
        if not whole:
            del schema["required"]
        walk = SchemaWalk(schema)
        root = cast("dict[str, object]", adapt(walk, root, self._templates))
        shared = self._plugins.shared_buffers
        if whole:
            self._problems.extend(checks.problems_of_sources(document, root, shared))
            root.setdefault("sources", [])
        quiet = self._unresolved | self._plugins.failed
        found = Validation(document, self._templates).problems(schema, root)
        self._problems.extend(problem for problem in found if problem.path not in quiet)
        names = islice(checks.problems_of_names(document, root, shared), MAX_PROBLEMS)
        self._problems.extend(problem for problem in names if problem.path not in quiet)
        if any(not problem.warning for problem in self._problems):
            raise self._error()
        return cast(Config, convert(walk, root, self._file.parent, self._make_secret))

    def _switch_plugins(self, root: Mapping[str, object]) -> None:
        """``plugins:`` comes first: a plugin enabled there may resolve the rest of the file."""
        section = root.get("plugins")
        if not isinstance(section, dict):
            return
        disabled = self._listed_plugins(section, "disabled")
        for name, path in disabled:
            if name not in self._registry.names:
                hint = did_you_mean(name, self._registry.names)
                self._problems.append(
                    replace(self._document.problem(f"no plugin is called {name!r}", path, hint), warning=True)
                )
        self._registry.disable([name for name, _ in disabled])
        self._plugins.enabled(self._listed_plugins(section, "enabled"))

    def _listed_plugins(self, section: Mapping[str, object], key: str) -> list[tuple[str, PathKey]]:
        entries = section.get(key)
        found: list[tuple[str, PathKey]] = []
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            # What cannot be resolved yet is reported when the whole file is.
            with suppress(ResolveError):
                if isinstance(entry, str):
                    found.append((self._resolver.resolve(entry), ("plugins", key, index)))
        return found

    def _interpolate(self, value: object, path: PathKey) -> object:
        if isinstance(value, dict):
            return {key: self._interpolate(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._interpolate(inner, (*path, index)) for index, inner in enumerate(value)]
        if not isinstance(value, str) or not has_reference(value):
            return value
        self._templates[path] = value
        try:
            if self._dotenv is None:  # once for the whole file
                self._dotenv = self._resolver.dotenv()
            resolved = self._resolver.resolve_with(value, self._dotenv)
        except ResolveError as error:
            self._unresolved.add(path)
            self._problems.append(self._unresolvable(error, path))
            return value
        was_within, self._characters = self._characters <= MAX_RESOLVED, self._characters + len(resolved)
        if self._characters <= MAX_RESOLVED:
            return resolved
        self._unresolved.add(path)
        if was_within:
            message = f"the ${{...}} of this file stand for more than {MAX_RESOLVED} characters"
            self._problems.append(self._document.problem(message, path))
        return value

    def _ask_plugins(self, reference: str) -> str | None:
        """What a plugin resolves is a secret, even where the schema does not say so."""
        found = self._registry.resolve_secret(reference)
        if found is not None:
            self._redaction.add(found)
        return found

    def _unresolvable(self, error: ResolveError, path: PathKey) -> ConfigProblem:
        if error.file is not None:
            return ConfigProblem(str(error), hint=error.hint, file=error.file, line=error.line, column=1)
        return self._document.problem(str(error), path, error.hint)

    def _fill_in_buffer(self, root: dict[str, object]) -> None:
        """The default buffer is a plugin like any other, so it is loaded only when a sink needs it."""
        sinks = root.get("sinks")
        needed = any(
            isinstance(sink, dict) and "buffer" not in sink for sink in (sinks if isinstance(sinks, list) else ())
        )
        if needed and "buffer" not in root:
            properties = cast(Mapping[str, Mapping[str, object]], core_schema()["properties"])
            root["buffer"] = dict(cast(Mapping[str, object], properties["buffer"]["x-default-if-needed"]))

    def _make_secret(self, path: PathKey, text: str) -> Secret:
        template, resolver, redaction = self._templates.get(path), self._resolver, self._redaction
        unresolvable = self._unresolvable

        def read() -> str:
            if template is None:
                current = text
            else:
                try:
                    current = resolver.resolve(template)
                except ResolveError as error:
                    raise ConfigError([unresolvable(error, path)]) from error
            redaction.add(current)
            return current

        redaction.add(text)
        self._secrets[path] = text.replace("${", "$${") if template is None else template
        return Secret(read)

    def _error(self) -> ConfigError:
        error = ConfigError(in_order(redacted(problem, self._redaction) for problem in self._problems))
        error.__cause__ = self._plugins.cause
        return error
