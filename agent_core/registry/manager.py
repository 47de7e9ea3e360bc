"""HookManager: pluggy's manager with the agent's hooks, without pluggy's traps."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

import pluggy

from agent_core import hookspecs
from agent_core.api import PluginError
from agent_core.api.plugin.markers import PROJECT
from agent_core.registry.hookimpls import event_hooks, problems
from agent_core.registry.observers import ObserverGuard


class HookManager(pluggy.PluginManager):
    """Registers a plugin completely or not at all, evaluates no property, and guards observers of events.

    ``idle`` holds the hook callers of events that nobody observes and nobody monitors. Register from one thread;
    hooks may be called from any.
    """

    def __init__(self, guard: ObserverGuard | None = None) -> None:
        super().__init__(PROJECT)
        self.guard = ObserverGuard() if guard is None else guard
        self.idle: frozenset[object] = frozenset()
        self._monitors = 0
        self.add_hookspecs(hookspecs)
        self._events: tuple[pluggy.HookCaller, ...] = tuple(getattr(self.hook, name) for name in event_hooks())
        self._refresh()

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:
        """As in pluggy, but without evaluating properties; a property is not a hook."""
        static = inspect.getattr_static(plugin, name, None)
        if not (inspect.isroutine(static) or isinstance(static, (staticmethod, classmethod))):
            return None
        return super().parse_hookimpl_opts(plugin, name)

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """Register ``plugin`` and guard its events. Raises PluginError, and then nothing of it is registered."""
        label = name or self.get_canonical_name(plugin)
        for known, other in self.list_name_plugin():
            if other == plugin:
                raise PluginError(f"{label}: it equals {known}, which is already registered")
        found = problems(plugin, self)
        if found:
            raise PluginError(f"{label}: " + "; ".join(found))
        try:
            registered = super().register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            if self.get_plugin(label) is plugin:
                self.unregister(plugin, label)
            message = " ".join(str(error).splitlines()[:1]).removesuffix(":")
            raise PluginError(f"{label}: {message}") from error
        for caller in self._events:
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin:
                    # HookImpl is the one object that pluggy calls; its function is read at each call.
                    setattr(  # noqa: B010 - Final for type checkers, yet a plain slot
                        implementation,
                        "function",
                        self.guard.wrap(label, caller.name, implementation.function),
                    )
        self._refresh()
        return registered

    def unregister(self, plugin: object | None = None, name: str | None = None) -> Any:
        removed = super().unregister(plugin, name)
        self._refresh()
        return removed

    def add_hookcall_monitoring(self, before: Any, after: Any) -> Callable[[], None]:
        """As in pluggy; while monitored, events are called even without observers."""
        undo = super().add_hookcall_monitoring(before, after)
        self._monitors += 1
        self._refresh()

        def undo_both() -> None:
            undo()
            self._monitors -= 1
            self._refresh()

        return undo_both

    def call_one(self, plugin: object, hook: str, arguments: Mapping[str, object]) -> object:
        """What ``plugin`` alone returns from ``hook``."""
        others = [other for other in self.get_plugins() if other is not plugin]
        results = self.subset_hook_caller(hook, others)(**arguments)
        return cast(object, results[0]) if results else None

    def _refresh(self) -> None:
        self.idle = frozenset(caller for caller in self._events if not self._monitors and not caller.get_hookimpls())
