"""PollingSource: devices, each with a worker, and their groups."""

from __future__ import annotations

from dataclasses import replace
from logging import getLogger

from agent_core.api import (
    BlockDriver,
    ComponentContext,
    ConfigError,
    ConfigProblem,
    Driver,
    Emit,
    ItemDriver,
    Origin,
)
from polling_source.block_reader import BlockReader
from polling_source.check import check_structure
from polling_source.config import DeviceConfig, GroupConfig, PollingSourceConfig
from polling_source.device import DeviceWorker
from polling_source.group import PollGroup
from polling_source.item_reader import ItemReader, check_items
from polling_source.plan import ReadPlan, locate_tags
from polling_source.reading import Reader
from polling_source.tag import PlacedTag
from polling_source.tag_list import TagList


class PollingSource:
    """A Source. ``open`` reads the tag lists and plans the reads; ``start`` begins to poll, one thread per device."""

    def __init__(self, config: PollingSourceConfig, context: ComponentContext) -> None:
        self._config = config
        self._context = context
        self._drivers = {device.id: self._create_driver(device) for device in config.devices}
        self.workers: tuple[DeviceWorker, ...] = ()
        """One a device that has groups; empty until ``open``."""

    def open(self) -> None:
        """Raises ConfigError with every tag and reference that is wrong."""
        if self.workers:
            return
        problems = [problem for problem in check_structure(self._config) if not problem.warning]
        tag_list = TagList.load(self._config.groups)
        problems.extend(problem for problem in tag_list.problems if not problem.warning)
        if problems:
            raise ConfigError(problems)
        groups: dict[str, list[PollGroup]] = {}
        for group in self._config.groups:
            try:
                groups.setdefault(group.device, []).append(self._create_group(group, tag_list.tags[group.id]))
            except ConfigError as error:
                problems.extend(error.problems)
        if problems:
            raise ConfigError(problems)
        self.workers = tuple(
            DeviceWorker(
                device.id,
                self._drivers[device.id],
                groups[device.id],
                self._config.backoff,
                self._context.clock,
                self._context.logger,
            )
            for device in self._config.devices
            if device.id in groups
        )

    def start(self, emit: Emit) -> None:
        for worker in self.workers:
            worker.start(emit)

    def stop(self, timeout_seconds: float) -> None:
        deadline = self._context.clock.monotonic() + timeout_seconds
        for worker in self.workers:
            worker.stop()
        for worker in self.workers:
            if not worker.join(max(deadline - self._context.clock.monotonic(), 0.0)):
                self._context.logger.warning(
                    "worker still in a read: device=%s waited=%.3gs", worker.id, timeout_seconds
                )

    def close(self) -> None:
        self.stop(0.0)
        for worker in self.workers:
            worker.close()
        self.workers = ()

    def _create_driver(self, device: DeviceConfig) -> Driver:
        factory = self._context.drivers.get(device.driver)
        if factory is None:
            known = ", ".join(sorted(self._context.drivers)) or "none"
            message = f"device {device.id}: there is no driver {device.driver!r}"
            raise ConfigError([ConfigProblem(message, hint=f"loaded: {known}")])
        context = replace(self._context, component_id=device.id, logger=getLogger(device.driver))
        return factory.create(device.settings, context)

    def _create_group(self, group: GroupConfig, tags: tuple[PlacedTag, ...]) -> PollGroup:
        driver = self._drivers[group.device]
        origin = Origin(self._context.component_id, group.device, group.id)
        reader = self._create_reader(driver, tags)
        return PollGroup(origin, reader, group.interval, self._config.bad_rows, self._context.logger)

    def _create_reader(self, driver: Driver, tags: tuple[PlacedTag, ...]) -> Reader:
        specs = [tag.spec for tag in tags]
        if isinstance(driver, BlockDriver):
            plan = ReadPlan(driver, specs, locate_tags(driver, tags))
            return BlockReader(driver, plan, self._config.refused_retry)
        if isinstance(driver, ItemDriver):
            check_items(driver, tags)
            return ItemReader(driver, specs, self._config.refused_retry)
        raise ConfigError(f"driver {type(driver).__name__} reads neither blocks nor items")
