"""Registry: imports plugins by name, one at a time, and remembers which failed and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType

from agent_core import __version__
from agent_core.api import Config, ConfigProblem, Factory, Log, PluginError, did_you_mean
from agent_core.registry.catalog import FACTORY_CLASSES, BrokenPlugin, Catalog, Plugin
from agent_core.registry.entrypoints import InstalledPlugin, installed_plugins
from agent_core.registry.events import Events
from agent_core.registry.fragment import fragment_problem
from agent_core.registry.hookimpls import implements_any
from agent_core.registry.manager import HookManager

_log = Log(__name__)


class Registry:
    """The installed plugins. Used from the main thread, while the configuration is read.

    Nothing is imported before ``load`` is called. A plugin that fails leaves no trace in pluggy and does not affect the
    others.
    """

    def __init__(self, manager: HookManager | None = None) -> None:
        self._manager = HookManager() if manager is None else manager
        self._installed: Mapping[str, InstalledPlugin] = installed_plugins()
        self._disabled: frozenset[str] = frozenset()
        self._loaded: dict[str, Plugin] = {}
        self._failed: dict[str, PluginError] = {}
        self._modules: dict[str, ModuleType] = {}
        self.events = Events(self._manager)

    @property
    def manager(self) -> HookManager:
        """pluggy's manager underneath."""
        return self._manager

    @property
    def names(self) -> tuple[str, ...]:
        """Every installed plugin, loaded or not, sorted."""
        return tuple(self._installed)

    @property
    def catalog(self) -> Catalog:
        """What has been loaded so far, and what failed."""
        broken = (
            BrokenPlugin(name, self._installed[name].distribution, self._installed[name].version, str(error))
            for name, error in self._failed.items()
        )
        return Catalog(self._loaded.values(), broken)

    def disable(self, names: Iterable[str]) -> None:
        """Refuse to load these from now on (``plugins: {disabled: [...]}``)."""
        self._disabled = self._disabled | frozenset(names)

    def load(self, name: str) -> Plugin:
        """Import the plugin and register its hooks; a second call only looks it up.

        Raises PluginError, cause chained: not installed (names the nearest), disabled, claimed by two distributions,
        built for another version of the core, its import failed, or what it registers does not fit the hooks.
        A second call raises the same error.
        """
        if name in self._disabled:
            raise PluginError(f"plugin {name} is disabled (plugins: disabled)")
        if name in self._loaded:
            return self._loaded[name]
        if name in self._failed:
            raise self._failed[name]
        installed = self._installed.get(name)
        if installed is None:
            hint = did_you_mean(name, self._installed) or "`tagferry plugins` lists what is installed"
            raise PluginError(f"no plugin is called {name!r}; {hint}")
        try:
            self._loaded[name] = self._load(installed)
        except PluginError as error:
            self._failed[name] = error
            raise
        return self._loaded[name]

    def load_all(self) -> None:
        """Import every installed plugin; those that fail are in ``catalog.broken``, with a warning in the log."""
        for name in self._installed:
            if name in self._disabled:
                continue
            try:
                self.load(name)
            except PluginError as error:
                _log.warning("plugin skipped", plugin=name, reason=error)

    def factory(self, kind: str, type: str) -> Factory[object]:  # noqa: A002 - the YAML's own word
        """Load the plugin called ``type`` and return its factory of that kind. Raises PluginError."""
        self.load(type)
        return self.catalog.get(kind, type)

    def resolve_secret(self, reference: str) -> str | None:
        """Ask the loaded plugins for what stands between ``${`` and ``}``. Raises PluginError when one raises."""
        try:
            found = self._manager.hook.agent_resolve_secret(reference=reference)
        except Exception as error:
            raise PluginError(f"resolving ${{{reference}}} failed: {_cause(error)}") from error
        if found is None or isinstance(found, str):
            return found
        raise PluginError(f"resolving ${{{reference}}} returned {_article(found)}, not text")

    def check_config(self, config: Config) -> Sequence[ConfigProblem]:
        """The problems that the loaded plugins find in ``config``; a plugin that raises becomes a problem itself."""
        problems: list[ConfigProblem] = []
        for name, module in self._modules.items():
            try:
                found = self._manager.call_one(module, "agent_check_config", {"config": config})
            except Exception as error:
                _log.debug("configuration check failed", plugin=name, exc_info=error)
                problems.append(
                    ConfigProblem(f"plugin {name} failed while checking the configuration: {_cause(error)}")
                )
                continue
            if found is None:
                continue
            if isinstance(found, Sequence) and all(isinstance(problem, ConfigProblem) for problem in found):
                problems.extend(found)
            else:
                problems.append(
                    ConfigProblem(f"plugin {name}: agent_check_config did not return a list of ConfigProblem")
                )
        return problems

    def _load(self, installed: InstalledPlugin) -> Plugin:
        name, where = installed.name, f"plugin {installed.name} of {installed.distribution}"
        if len(installed.entry_points) > 1:
            raise PluginError(
                f"plugin {name} is claimed by more than one distribution: {installed.distribution}; uninstall one"
            )
        if not installed.fits(__version__):
            raise PluginError(
                f"{where} is built for tagferry {installed.built_for}, and this is tagferry {__version__}; install "
                f"versions that fit each other (pip install --upgrade tagferry {installed.distribution})"
            )
        entry = installed.entry_points[0]
        try:
            module = entry.load()
        except (Exception, SystemExit) as error:
            raise PluginError(f"{where} cannot be imported: {_cause(error)}") from error
        if not isinstance(module, ModuleType):
            raise PluginError(
                f"{where} is {_article(module)} ({entry.value}); its entry point must name a module, "
                f"such as {name}.plugin"
            )
        if not implements_any(module, self._manager):
            raise PluginError(f"{where} has no function marked with @hookimpl in {entry.value}")
        try:
            self._manager.register(module, name)
        except PluginError as error:
            raise PluginError(f"{where} is refused: {str(error).removeprefix(f'{name}: ')}") from error
        try:
            factories = tuple(self._factories(module, name, where))
        except PluginError:
            self._manager.unregister(module, name)
            raise
        self._modules[name] = module
        summary = factories[0].summary if factories else installed.summary
        return Plugin(name, installed.distribution, installed.version, summary, factories, installed.built_for)

    def _factories(self, module: ModuleType, name: str, where: str) -> Iterable[Factory[object]]:
        for factory_class in FACTORY_CLASSES:
            hook = f"agent_register_{factory_class.kind}"
            if not any(impl.plugin is module for impl in getattr(self._manager.hook, hook).get_hookimpls()):
                continue
            try:
                factory = self._manager.call_one(module, hook, {})
            except Exception as error:
                raise PluginError(f"{where}: {hook} failed: {_cause(error)}") from error
            if not isinstance(factory, factory_class):
                raise PluginError(f"{where}: {hook} returned {_article(factory)}, not a {factory_class.__name__}")
            _check(factory, name, f"{where}: {hook}")
            yield factory


def _check(factory: Factory[object], name: str, where: str) -> None:
    if factory.type != name:
        raise PluginError(f"{where} says type {factory.type!r}, but the entry point is called {name!r}; use one name")
    if not callable(factory.create):
        raise PluginError(f"{where}: create is not callable")
    if not factory.summary.strip():
        raise PluginError(f"{where}: the summary is empty")
    problem = fragment_problem(factory.schema)
    if problem is not None:
        raise PluginError(f"{where}: its schema {problem}")


def _cause(error: BaseException) -> str:
    """The error and what it came from, in one line."""
    parts: list[str] = []
    current: BaseException | None = error
    while current is not None and len(parts) < 4:
        text = " ".join(str(current).split())
        parts.append(f"{type(current).__name__}: {text}" if text else type(current).__name__)
        current = current.__cause__
    return ", caused by ".join(parts)


def _article(value: object) -> str:
    return "nothing" if value is None else f"an object of class {type(value).__name__}"
