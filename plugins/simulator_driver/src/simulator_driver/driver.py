"""The driver: simulations by tag, and the time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from agent_core.api import AddressError, Clock, ItemReading, TagSpec
from simulator_driver.config import SimulatorDriverConfig
from simulator_driver.simulation import BAD_READING, Simulation, simulate

MAX_ITEMS: Final = 10_000
"""There is no limit to keep; one request serves any group that makes sense."""


class SimulatorDriver:
    """An ItemDriver for a device that is not there and always answers.

    A value depends on the time, the seed, the tag's name and address, and on nothing else: whoever asks, how often,
    and what was read before make no difference. All tags of one request are read at the same time. A tag whose address
    means nothing is read as BAD.
    """

    def __init__(self, config: SimulatorDriverConfig, clock: Clock) -> None:
        self._seed = config.seed
        self._latency_seconds = config.latency
        self._clock = clock
        self._answered = threading.Condition()
        self._simulations: dict[str, tuple[TagSpec, Simulation]] = {}

    @property
    def max_items(self) -> int:
        return MAX_ITEMS

    def connect(self) -> None:
        """There is nothing to connect to."""

    def close(self) -> None:
        """There is nothing to disconnect."""

    def check(self, tag: TagSpec) -> None:
        simulate(tag, self._seed)

    def read_items(self, tags: Sequence[TagSpec]) -> Sequence[ItemReading]:
        if self._latency_seconds:
            self._take_time()
        time_ns = self._clock.time_ns()
        readings: list[ItemReading] = []
        for tag in tags:
            known = self._simulations.get(tag.name)
            # The engine hands in the same objects at each poll; two tags of one name only cost the parsing.
            simulation = known[1] if known is not None and known[0] is tag else self._prepare(tag)
            readings.append(simulation(time_ns))
        return readings

    def _prepare(self, tag: TagSpec) -> Simulation:
        try:
            simulation = simulate(tag, self._seed)
        except AddressError:
            simulation = _bad
        self._simulations[tag.name] = (tag, simulation)
        return simulation

    def _take_time(self) -> None:
        answer_at = self._clock.monotonic() + self._latency_seconds
        with self._answered:
            while (left := answer_at - self._clock.monotonic()) > 0:
                self._clock.wait(self._answered, left)


def _bad(_time_ns: int) -> ItemReading:
    return BAD_READING
