"""BadItems: says which items have gone bad, and why, without saying it at each poll."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Final

from agent_core.api import Clock

QUIET_SECONDS: Final = 60.0
NAMES_IN_A_LINE: Final = 3


class BadItems:
    """Keeps the items that were bad when last read. A new one is announced, with the others that are new, at most once
    a minute; none is forgotten meanwhile."""

    def __init__(self, clock: Clock, logger: logging.Logger, device: str) -> None:
        self._clock = clock
        self._logger = logger
        self._device = device
        self._reasons: dict[str, str] = {}
        self._new: dict[str, str] = {}
        self._quiet_until = 0.0

    def note(self, read: Iterable[str], reasons: Mapping[str, str]) -> None:
        """The tags that were read, and those of them that are bad, with the status or what else is wrong."""
        if not reasons and not self._reasons:
            return
        for name in read:
            reason = reasons.get(name)
            if reason is None:
                self._reasons.pop(name, None)
                self._new.pop(name, None)
            elif self._reasons.get(name) != reason:
                self._reasons[name] = self._new[name] = reason
        now = self._clock.monotonic()
        if self._new and now >= self._quiet_until:
            some = [f"{name} ({reason})" for name, reason in list(self._new.items())[:NAMES_IN_A_LINE]]
            if len(self._new) > NAMES_IN_A_LINE:
                some.append("...")
            self._logger.warning("items went bad: device=%s count=%d %s", self._device, len(self._new), ", ".join(some))
            self._new.clear()
            self._quiet_until = now + QUIET_SECONDS
