"""Entry points -> catalogue, and a typed facade over pluggy."""

from agent_core.registry.catalog import KINDS, BrokenPlugin, Catalog, Plugin
from agent_core.registry.events import Events
from agent_core.registry.loader import Registry
from agent_core.registry.manager import HookManager
from agent_core.registry.observers import ObserverGuard

__all__ = [
    "KINDS",
    "BrokenPlugin",
    "Catalog",
    "Events",
    "HookManager",
    "ObserverGuard",
    "Plugin",
    "Registry",
]
