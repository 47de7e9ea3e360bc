"""Lineup: the groups of a source by device, each with the reader that fits its driver; made without a network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from logging import getLogger

from agent_core.api import (
    AddressError,
    BitWriter,
    BlockDriver,
    ComponentContext,
    ConfigError,
    ConfigProblem,
    DataType,
    Driver,
    ItemDriver,
    TagSpec,
)
from polling_source.block_reader import BlockReader
from polling_source.catalog import Catalog
from polling_source.config import DeviceConfig, GroupConfig, PollingSourceConfig, TriggerConfig
from polling_source.group import PollGroup
from polling_source.handshake import TriggerBit
from polling_source.item_reader import ItemReader, check_items
from polling_source.plan import ReadPlan, locate_tags
from polling_source.reading import Reader
from polling_source.tag import Place, PlacedTag


@dataclass(frozen=True, slots=True)
class Connection:
    """One driver and the groups that are polled through it."""

    device: str
    driver: Driver
    groups: Sequence[PollGroup]


class Lineup:
    """The connections of a source and their groups. Each call of ``of`` makes new drivers, none of them connected."""

    def __init__(self, connections: Sequence[Connection], groups: Sequence[PollGroup]) -> None:
        self.connections = connections
        """Those that have groups."""
        self.groups = groups
        """In the order of the configuration."""

    @classmethod
    def of(cls, config: PollingSourceConfig, context: ComponentContext) -> Lineup:
        """Raises ConfigError with everything that is wrong: references, tag rows, addresses."""
        drivers = create_drivers(config, context)
        catalog = Catalog.load(config)
        problems = catalog.errors
        allowed = {device.id: device.allow_writes for device in config.devices}
        groups: list[PollGroup] = []
        dealt: dict[tuple[str, int], list[PollGroup]] = {}
        count: dict[str, int] = {}
        for group in catalog.groups:
            if group.device not in drivers or not catalog.tags.get(group.id):
                continue
            slot = count.get(group.device, 0) % len(drivers[group.device])
            driver = drivers[group.device][slot]
            making = _GroupMaking(config, context, driver, group, catalog.places[group.id])
            try:
                made = making.make(catalog.tags[group.id], allowed[group.device])
            except ConfigError as error:
                problems.extend(error.problems)
                continue
            count[group.device] = count.get(group.device, 0) + 1
            groups.append(made)
            dealt.setdefault((group.device, slot), []).append(made)
        if problems:
            raise ConfigError(problems)
        connections = [Connection(device, drivers[device][slot], dealt[device, slot]) for device, slot in dealt]
        return cls(connections, groups)

    def plan_report(self, source_id: str) -> Iterator[str]:
        """What each group reads, as lines for a person."""
        tags = requests = 0
        rate = 0.0
        for group in self.groups:
            report = list(group.reader.describe())
            tags += len(group)
            requests += len(report)
            when = f"every {group.interval_seconds:g} s" if group.interval_seconds else "when triggered"
            if group.bit is not None:
                when = f"when {group.bit.tag.address} is set, looked at {when}"
            elif group.interval_seconds:
                rate += len(group) / group.interval_seconds
            yield f"{group.id} on {group.device_id}, {when}: {len(group):,} tags in {len(report):,} requests"
            yield from (f"  {line}" for line in report)
        yield f"{source_id}: {tags:,} tags, {requests:,} requests for one poll of each group, {rate:,.0f} rows/s"


class _GroupMaking:
    def __init__(
        self,
        config: PollingSourceConfig,
        context: ComponentContext,
        driver: Driver,
        group: GroupConfig,
        place: Place,
    ) -> None:
        self._config = config
        self._context = context
        self._driver = driver
        self._group = group
        self._place = place

    def make(self, tags: Sequence[PlacedTag], allow_writes: bool) -> PollGroup:
        problems: list[ConfigProblem] = []
        bit: TriggerBit | None = None
        if self._group.trigger is not None:
            try:
                bit = self._trigger_bit(self._group.trigger, allow_writes)
            except ConfigError as error:
                problems.extend(error.problems)
        try:
            reader = self._reader(tags)
        except ConfigError as error:
            raise ConfigError([*problems, *error.problems]) from error
        if problems:
            raise ConfigError(problems)
        rules = {tag.spec.name: tag.rule for tag in tags}
        return PollGroup(
            self._group,
            self._context.component_id,
            reader,
            [rules[spec.name] for spec in reader.tags],
            bit,
            self._config.bad_rows,
            self._context.logger,
        )

    def _reader(self, tags: Sequence[PlacedTag]) -> Reader:
        driver = self._driver
        specs = [tag.spec for tag in tags]
        if isinstance(driver, BlockDriver):
            plan = ReadPlan(driver, specs, locate_tags(driver, tags))
            return BlockReader(driver, plan, self._config.refused_retry)
        if isinstance(driver, ItemDriver):
            check_items(driver, tags)
            return ItemReader(driver, specs, self._config.refused_retry)
        raise ConfigError(f"driver {type(driver).__name__} reads neither blocks nor items")

    def _trigger_bit(self, trigger: TriggerConfig, allow_writes: bool) -> TriggerBit:
        spec = TagSpec("trigger", trigger.address, DataType.BOOL)
        reader = self._reader([PlacedTag(spec, self._place)])
        if not trigger.reset or not allow_writes:
            return TriggerBit(spec, reader, None)
        if not isinstance(self._driver, BitWriter):
            message = f"group {self._group.id}: its driver cannot write, so the trigger bit cannot be reset"
            raise ConfigError([self._place.problem(message, "reset: false")])
        try:
            self._driver.check_write(spec)
        except AddressError as error:
            raise ConfigError([self._place.problem(f"group {self._group.id}: trigger: {error}")]) from error
        return TriggerBit(spec, reader, self._driver)


def create_drivers(config: PollingSourceConfig, context: ComponentContext) -> dict[str, list[Driver]]:
    """A driver for each connection of each device. Raises ConfigError that names every driver that is not loaded."""
    drivers: dict[str, list[Driver]] = {}
    problems: list[ConfigProblem] = []
    for index, device in enumerate(config.devices):
        factory = context.drivers.get(device.driver)
        if factory is None:
            known = ", ".join(sorted(context.drivers)) or "none"
            message = f"device {device.id}: there is no driver {device.driver!r}"
            problems.append(ConfigProblem(message, ("devices", index, "driver"), f"loaded: {known}"))
            continue
        driver_context = _driver_context(device, context)
        drivers[device.id] = [factory.create(device.settings, driver_context) for _ in range(device.connections)]
    if problems:
        raise ConfigError(problems)
    return drivers


def _driver_context(device: DeviceConfig, context: ComponentContext) -> ComponentContext:
    return replace(context, component_id=device.id, logger=getLogger(device.driver))
