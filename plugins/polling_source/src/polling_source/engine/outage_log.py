"""OutageLog: what the log says of a device that does not answer: once, then now and then, and when it is over."""

from __future__ import annotations

import math
from typing import Final

from agent_core.api import Log

REMIND_SECONDS: Final = 300.0
"""How often the log repeats that a device is still away."""

FLAP_SECONDS: Final = 10.0
"""A device that comes and goes faster than this is announced once."""


class OutageLog:
    """Times are monotonic seconds. Used by the device's worker alone."""

    def __init__(self, device_id: str, log: Log) -> None:
        self._device_id = device_id
        self._log = log
        self._announced = False
        self._quiet = 0
        self._quiet_until = -math.inf
        self._remind_at = -math.inf

    def failed(self, now: float, error: Exception, tries: int, retry_seconds: float) -> None:
        """The device did not answer, for the ``tries``-th time in a row."""
        first = tries == 1
        if now < (self._quiet_until if first else self._remind_at):
            self._quiet += 1
            return
        repeated, self._quiet = self._quiet, 0
        if first:
            self._log.warning(
                "device unreachable",
                device=self._device_id,
                error=error,
                tries=tries,
                retry_in_seconds=retry_seconds,
                repeated=repeated,
            )
        else:
            self._log.warning(
                "device still unreachable",
                device=self._device_id,
                error=error,
                tries=tries,
                retry_in_seconds=retry_seconds,
                repeated=repeated,
            )
        self._announced = True
        self._remind_at = now + REMIND_SECONDS
        self._quiet_until = now + FLAP_SECONDS

    def answered(self, away_seconds: float) -> None:
        """The device answered after it had not."""
        if self._announced:
            self._log.info("device answers again", device=self._device_id, away_seconds=away_seconds)
        self._announced = False
