"""ComponentContext: all that the core tells a component about where it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent_core.api.clock import Clock, SystemClock
from agent_core.api.log import Log

if TYPE_CHECKING:
    from agent_core.api.plugin.factories import DriverFactory


@dataclass(frozen=True, slots=True)
class ComponentContext:
    """Handed to ``create``.

    ``component_id`` is the id in the YAML; a sink's buffer and fallback carry the sink's id. ``state_dir`` is the
    agent's folder for files that outlive it (it exists when ``open`` is called). ``plugin`` is the plugin's name, which
    is that of the logger behind ``log`` too. ``drivers`` holds the loaded driver factories by type.

    ``redact`` replaces every secret of the configuration in a text by ``***``: for whoever shows what others wrote,
    such as the error of an event. In ``log`` and in the agent's status that is done already. Thread-safe, some
    microseconds; what a client sent must not pass through it, or the answer says whether a guess was right.
    """

    component_id: str
    agent_name: str
    state_dir: Path
    plugin: str
    clock: Clock = field(default_factory=SystemClock)
    drivers: Mapping[str, DriverFactory] = field(default_factory=dict)
    redact: Callable[[str], str] = str
    log: Log = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log", Log(self.plugin, self.clock))
