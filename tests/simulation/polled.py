"""Polled: the real PollingSource, whose devices are models: slow, silent, refusing or defective now and then."""

from __future__ import annotations

import random
import threading
from array import array
from dataclasses import replace
from typing import Final

from polling_source.config import PollingSourceConfig
from polling_source.source import PollingSource
from simulation.cast import ORIGIN
from simulation.world import World

from agent_core.api import (
    Batch,
    Clock,
    ComponentContext,
    Config,
    DeviceUnreachable,
    Driver,
    DriverFactory,
    Emit,
    ReadRefused,
)
from agent_core.testing.fake_drivers import FakeBlockDriver

WORDS: Final = 2
"""What one number takes in the device."""

NUMBERS_PER_DEVICE: Final = 10_000_000


class ModelDevice(FakeBlockDriver):
    """Each of its tags shows another number whenever it is read. ``shown``: those that no batch has brought so far."""

    def __init__(self, clock: Clock, randomness: random.Random, first: int) -> None:
        super().__init__()
        self.shown: set[int] = set()
        self._clock = clock
        self._randomness = randomness
        self._numbers = first

    def read_block(self, area: str, start: int, units: int) -> bytes:
        pause, dice = threading.Condition(), self._randomness.random()
        with pause:
            self._clock.wait(pause, 0.3 * self._randomness.random())
        if dice < 0.05:
            self.close()
            raise DeviceUnreachable("a planned silence")
        if dice < 0.1:
            raise ReadRefused("a planned refusal")
        if dice < 0.12:
            raise self._randomness.choice((RuntimeError, SystemExit))("a planned defect of the driver")
        for word in range(start, start + units, WORDS):
            self._numbers += 1
            self.shown.add(self._numbers)
            self.store(word, self._numbers.to_bytes(2 * WORDS, "big"))
        return super().read_block(area, start, units)


class PolledNumbers(PollingSource):
    """A PollingSource in a World: each of its records becomes a number of the world on its way to ``emit``.

    So the world can say of each record where it is, those of a tag that could not be read included. What the devices
    have shown comes once at most. ``quiet`` and hasty as in ``NumberSource``.
    """

    def __init__(self, world: World, context: ComponentContext, randomness: random.Random, *, quiet: bool) -> None:
        self._world = world
        self._quiet = quiet
        self._devices: list[ModelDevice] = []
        count = world.settings.sources

        def create(config: Config, context: ComponentContext) -> Driver:
            first = NUMBERS_PER_DEVICE * len(self._devices)
            device = ModelDevice(context.clock, random.Random(randomness.random()), first)
            self._devices.append(device)
            return device

        factory = DriverFactory("model_driver", {}, create, "")
        pace = {"close_after_poll": False, "pause_between_requests": 0.0, "reconnect_delay": 0.0}
        device = {"driver": "model_driver", "allow_writes": False, "connections": 1, **pace}
        config = {
            "wrong_tags": "refuse",
            "bad_records": randomness.choice(("on_change", "every_poll", "none")),
            "backoff": {"initial": 1.0, "max": 10.0},
            "refused_retry": 20.0,
            "max_groups": 10,
            "devices": [{**device, "id": f"PLC{number}"} for number in range(count)],
            "groups": [
                {
                    "id": f"G{number}",
                    "device": f"PLC{number}",
                    "mode": "fixed",
                    "interval": randomness.choice((2.0, 6.0)),
                    "tags": [
                        {"name": f"T{number}.{tag}", "address": f"D{WORDS * tag}", "data_type": "DWORD"}
                        for tag in range(world.settings.largest_batch)
                    ],
                }
                for number in range(count)
            ],
        }
        super().__init__(PollingSourceConfig.from_config(config), replace(context, drivers={"model_driver": factory}))

    @property
    def ended(self) -> bool:
        """False while a thread is still in ``emit``."""
        return all(worker.join(0.0) for worker in self._started)

    def start(self, emit: Emit) -> None:
        self._started = () if self._quiet else self.workers

        def renumbered(batch: Batch) -> None:
            for value in batch.values:
                if value is not None:
                    self._take(value)
            values = self._world.next_values(len(batch))
            emit(Batch.of(ORIGIN, ("T",) * len(values), tuple(values), array("q", (v * 1000 for v in values))))

        if not self._quiet:
            super().start(renumbered)

    def stop(self, timeout_seconds: float) -> None:
        super().stop(0.0 if self._world.settings.hasty else timeout_seconds)

    def _take(self, value: object) -> None:
        for device in self._devices:
            if value in device.shown:
                device.shown.discard(value)
                return
        self._world.accuse(f"polled twice, or what no device has shown: {value}")
