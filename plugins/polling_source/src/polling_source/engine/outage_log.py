"""OutageLog: what the log says of a device that does not answer: once, then now and then, and when it is over."""

from __future__ import annotations

import logging
import math
from typing import Final

from agent_core.api import Repeats

REMIND_SECONDS: Final = 300.0
"""How often the log repeats that a device is still away."""

FLAP_SECONDS: Final = 10.0
"""A device that comes and goes faster than this is announced once."""


class OutageLog:
    """Times are monotonic seconds. Used by the device's worker alone."""

    def __init__(self, device_id: str, logger: logging.Logger) -> None:
        self._device_id = device_id
        self._logger = logger
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
        repeats, self._quiet = Repeats(self._quiet), 0
        if first:
            self._logger.warning(
                "device became unreachable: device=%s error=%s tries=%d retry_in=%.3gs%s",
                self._device_id,
                error,
                tries,
                retry_seconds,
                repeats,
            )
        else:
            self._logger.warning(
                "device stayed unreachable: device=%s error=%s tries=%d retry_in=%.3gs%s",
                self._device_id,
                error,
                tries,
                retry_seconds,
                repeats,
            )
        self._announced = True
        self._remind_at = now + REMIND_SECONDS
        self._quiet_until = now + FLAP_SECONDS

    def answered(self, away_seconds: float) -> None:
        """The device answered after it had not."""
        if self._announced:
            self._logger.info("device answered again: device=%s after=%.3gs", self._device_id, away_seconds)
        self._announced = False
