"""Mistakes in a plugin's hook implementations, found before pluggy sees them.

pluggy 1.6 and 1.7 accept most of them: a misspelt hook is never called, a parameter with a default may never get its
value, a wrapper around an event would put foreign code between the observers and their guard.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from agent_core import hookspecs
from agent_core.api import did_you_mean
from agent_core.api.plugin.markers import PROJECT

RETURNING_HOOKS = frozenset({"agent_resolve_secret", "agent_check_config"})
REGISTER_PREFIX = "agent_register_"


class HookimplReader(Protocol):
    """The part of pluggy's manager that finds markers."""

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Mapping[str, object] | None: ...


def hook_arguments() -> dict[str, tuple[str, ...]]:
    """The arguments of every hook, by its name, in the order of ``hookspecs``."""
    return {
        name: tuple(inspect.signature(function).parameters)
        for name, function in vars(hookspecs).items()
        if inspect.isfunction(function) and hasattr(function, f"{PROJECT}_spec")
    }


def event_hooks() -> tuple[str, ...]:
    """The hooks that announce something and return nothing."""
    return tuple(
        name for name in hook_arguments() if name not in RETURNING_HOOKS and not name.startswith(REGISTER_PREFIX)
    )


def problems(plugin: object, reader: HookimplReader) -> list[str]:
    """Everything wrong with the hook implementations of ``plugin``, one sentence each. Evaluates no property."""
    return [problem for name in dir(plugin) for problem in _of_attribute(plugin, name, reader)]


def implements_any(plugin: object, reader: HookimplReader) -> bool:
    """True when at least one attribute is a hook implementation."""
    return any(reader.parse_hookimpl_opts(plugin, name) is not None for name in dir(plugin))


def _of_attribute(plugin: object, name: str, reader: HookimplReader) -> Iterator[str]:
    options = reader.parse_hookimpl_opts(plugin, name)
    if options is None:
        return
    known = hook_arguments()
    hook = str(options.get("specname") or name)
    if hook not in known:
        if not options.get("optionalhook"):
            yield f"{hook} is not a hook{_nearest(hook, known)}"
        return
    if (options.get("wrapper") or options.get("hookwrapper")) and hook not in RETURNING_HOOKS:
        yield f"{hook} cannot be wrapped; implement it as a plain function"
        return
    function = getattr(plugin, name)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        yield f"{hook} must be a plain function, not async"
    yield from _of_parameters(hook, function, known[hook])


def _of_parameters(hook: str, function: object, arguments: tuple[str, ...]) -> Iterator[str]:
    assert callable(function)
    allowed = ", ".join(arguments) or "none"
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            yield f"{hook} has a parameter {parameter} that never gets a value; use only: {allowed}"
        elif parameter.name not in arguments:
            yield f"{hook} has no argument {parameter.name!r}{_nearest(parameter.name, arguments)}; it has: {allowed}"
        elif parameter.default is not parameter.empty:
            yield f"{hook} gives its parameter {parameter.name!r} a default, so it may never get its value; remove it"


def _nearest(name: str, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known)
    return f"; {hint}" if hint else ""
