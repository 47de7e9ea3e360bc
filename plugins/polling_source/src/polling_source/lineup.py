"""Lineup: the groups of a source by device, each with the reader that fits its driver; made without a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
from polling_source.config import DeviceConfig, GroupConfig, PollingSourceConfig, TriggerConfig, WrongTags
from polling_source.engine.group import PollGroup
from polling_source.engine.handshake import TriggerBit
from polling_source.reading.block_reader import BlockReader
from polling_source.reading.item_reader import ItemReader, check_items
from polling_source.reading.link import Link
from polling_source.reading.plan import ReadPlan, locate_tags
from polling_source.reading.reading import Reader
from polling_source.tags.catalog import Catalog
from polling_source.tags.tag import Place, PlacedTag


@dataclass(frozen=True, slots=True)
class Connection:
    """One driver, the groups that are polled through it, and the link that all of them share."""

    device: DeviceConfig
    driver: Driver
    groups: Sequence[PollGroup]
    link: Link


@dataclass(frozen=True, slots=True)
class Lineup:
    """The connections of a source that have groups, and all groups in the order of the configuration.

    ``left_out``: what is wrong with tags that only their driver could find wrong, and that are not polled therefore.
    Each call of ``of`` makes new drivers, none of them connected.
    """

    connections: Sequence[Connection]
    groups: Sequence[PollGroup]
    left_out: Sequence[ConfigProblem]

    @classmethod
    def of(cls, config: PollingSourceConfig, context: ComponentContext) -> Lineup:
        """Raises ConfigError with everything that is wrong: references, rows of tags, addresses."""
        return _LineupMaking(config, context).make()


class _LineupMaking:
    def __init__(self, config: PollingSourceConfig, context: ComponentContext) -> None:
        self._config = config
        self._context = context
        self._errors: list[ConfigProblem] = []
        self._left_out: list[ConfigProblem] = []

    def make(self) -> Lineup:
        connections = {
            device.id: [
                Connection(device, driver, [], Link(driver, self._context.clock, device.pace)) for driver in drivers
            ]
            for device, drivers in create_drivers(self._config, self._context)
        }
        catalog = Catalog.load(self._config)
        self._errors.extend(catalog.errors)
        dealt: dict[str, list[PollGroup]] = {device: [] for device in connections}
        groups: dict[tuple[str, int], list[PollGroup]] = {}
        made: list[PollGroup] = []
        for config in catalog.groups:
            if config.device not in connections or not catalog.tags.get(config.id):
                continue
            slot = len(dealt[config.device]) % len(connections[config.device])
            connection = connections[config.device][slot]
            group = self._group(connection, config, catalog.tags[config.id], catalog.places[config.id])
            if group is None:
                continue
            made.append(group)
            dealt[config.device].append(group)
            groups.setdefault((config.device, slot), []).append(group)
        if self._errors:
            raise ConfigError(self._errors)
        used = [replace(connections[device][slot], groups=groups[device, slot]) for device, slot in groups]
        return Lineup(used, made, self._left_out)

    def _group(
        self, connection: Connection, config: GroupConfig, tags: Sequence[PlacedTag], place: Place
    ) -> PollGroup | None:
        """None when something is wrong with it."""
        bit = None if config.trigger is None else self._trigger_bit(connection, config, config.trigger, place)
        reader, wrong = self._reader(connection, tags)
        if self._config.wrong_tags is WrongTags.LEAVE_OUT:
            self._left_out.extend(replace(problem, warning=True) for problem in wrong)
            if reader is None:
                message = f"group {config.id} is not polled: no tag is left"
                self._left_out.append(replace(place.problem(message), warning=True))
        else:
            self._errors.extend(wrong)
        if reader is None:
            return None
        rules = {tag.spec.name: tag.rule for tag in tags}
        return PollGroup(
            config,
            self._context.component_id,
            reader,
            [rules[spec.name] for spec in reader.tags],
            bit,
            self._config.bad_records,
            self._context.log,
        )

    def _reader(
        self, connection: Connection, tags: Sequence[PlacedTag]
    ) -> tuple[Reader | None, Sequence[ConfigProblem]]:
        """A reader of the tags that the driver can read, None if there are none; and what is wrong with the others."""
        driver, link, retry_seconds = connection.driver, connection.link, self._config.refused_retry
        if isinstance(driver, BlockDriver):
            points, wrong = locate_tags(driver, tags)
            if not points:
                return None, wrong
            plan = ReadPlan(driver, [tag.spec for tag, _ in points], [point for _, point in points])
            return BlockReader(driver, plan, retry_seconds, link), wrong
        assert isinstance(driver, ItemDriver)
        good, wrong = check_items(driver, tags)
        if not good:
            return None, wrong
        return ItemReader(driver, [tag.spec for tag in good], retry_seconds, link), wrong

    def _trigger_bit(
        self, connection: Connection, group: GroupConfig, trigger: TriggerConfig, place: Place
    ) -> TriggerBit | None:
        spec = TagSpec("trigger", trigger.address, DataType.BOOL)
        reader, wrong = self._reader(connection, [PlacedTag(spec, place)])
        if reader is None:
            self._errors.extend(replace(problem, message=f"group {group.id}: {problem.message}") for problem in wrong)
            return None
        if not trigger.reset or not connection.device.allow_writes:
            return TriggerBit(spec, reader, connection.link, None)
        if not isinstance(connection.driver, BitWriter):
            message = f"group {group.id}: its driver cannot write, so the trigger bit cannot be reset"
            self._errors.append(place.problem(message, "reset: false"))
            return None
        try:
            connection.driver.check_write(spec)
        except AddressError as error:
            self._errors.append(place.problem(f"group {group.id}: trigger: {error}"))
        return TriggerBit(spec, reader, connection.link, connection.driver)


def create_drivers(
    config: PollingSourceConfig, context: ComponentContext
) -> Sequence[tuple[DeviceConfig, Sequence[Driver]]]:
    """A driver for each connection of each device.

    Raises ConfigError that names every driver that is not loaded, or reads neither blocks nor items.
    """
    drivers: list[tuple[DeviceConfig, Sequence[Driver]]] = []
    problems: list[ConfigProblem] = []
    for index, device in enumerate(config.devices):
        factory = context.drivers.get(device.driver)
        if factory is None:
            known = ", ".join(sorted(context.drivers)) or "none"
            message = f"device {device.id}: there is no driver {device.driver!r}"
            problems.append(ConfigProblem(message, ("devices", index, "driver"), f"loaded: {known}"))
            continue
        driver_context = replace(context, component_id=device.id, plugin=device.driver)
        made = [factory.create(device.settings, driver_context) for _ in range(device.connections)]
        if not isinstance(made[0], BlockDriver | ItemDriver):
            message = f"device {device.id}: {device.driver} reads neither blocks nor items"
            problems.append(ConfigProblem(message, ("devices", index, "driver")))
        drivers.append((device, made))
    if problems:
        raise ConfigError(problems)
    return drivers
