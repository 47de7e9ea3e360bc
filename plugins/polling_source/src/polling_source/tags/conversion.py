"""Conversion: a catalogue of groups and tags in one form, written in others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent_core.api import Config, ConfigError, ConfigProblem, Conversion, ConversionOptions, GroupMode
from polling_source.config import (
    BackoffConfig,
    BadRecords,
    CatalogConfig,
    DeviceConfig,
    GroupConfig,
    PollingSourceConfig,
    WrongTags,
)
from polling_source.tags.catalog import Catalog
from polling_source.tags.contents import Contents, ListedDevice
from polling_source.tags.csv_export import write_csv
from polling_source.tags.csv_tags import CsvTags
from polling_source.tags.sqlite_catalog import SqliteCatalog
from polling_source.tags.yaml_catalog import YamlCatalog
from polling_source.tags.yaml_export import write_yaml

CSV: Final = (".csv",)
YAML: Final = (".yaml", ".yml")
SQLITE: Final = (".db", ".sqlite", ".sqlite3")

_READ_ONLY: Final = "a plant's SQLite catalogue is only read"

NAMELESS_GROUP: Final = "GROUP"
"""The group of a tag list that names none."""


def convert(origin: Path | Config, targets: Sequence[Path], options: ConversionOptions) -> Conversion:
    """As ``CatalogConverter.convert``."""
    _check_targets(targets, options)
    contents, problems = _from_file(origin, options) if isinstance(origin, Path) else _from_config(origin, options)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        raise ConfigError(errors)
    tag_list = next((target for target in targets if _form(target) is CSV), None)
    for target in targets:
        _write(contents, target, tag_list)
    return Conversion(len(contents.groups), contents.tag_count, tuple(problems), tuple(targets))


def _form(file: Path) -> tuple[str, ...]:
    """Raises ConfigError when its name says no form."""
    for form in (CSV, YAML, SQLITE):
        if file.suffix.lower() in form:
            return form
    known = ", ".join((*CSV, *YAML, *SQLITE))
    raise ConfigError([ConfigProblem("its name does not say what kind of catalogue it is", (), known, str(file))])


def _check_targets(targets: Sequence[Path], options: ConversionOptions) -> None:
    problems: list[ConfigProblem] = []
    for target in targets:
        try:
            if _form(target) is SQLITE:
                problems.append(ConfigProblem(_READ_ONLY, (), f"write {CSV[0]} or {YAML[0]}", str(target)))
        except ConfigError as error:
            problems.extend(error.problems)
        if target.exists() and not options.replace:
            problems.append(ConfigProblem("it exists already", (), "name another file, or say --force", str(target)))
        if not target.absolute().parent.is_dir():
            problems.append(ConfigProblem(f"there is no folder {target.parent}", file=str(target)))
    if problems:
        raise ConfigError(problems)


def _from_config(config: Config, options: ConversionOptions) -> tuple[Contents, Sequence[ConfigProblem]]:
    polling = PollingSourceConfig.from_config(config)
    if options.leave_out:
        polling = replace(polling, wrong_tags=WrongTags.LEAVE_OUT)
    devices = [
        ListedDevice(device.id, device.driver, str(device.settings.get("address") or "")) for device in polling.devices
    ]
    return _load(polling, devices)


def _from_file(file: Path, options: ConversionOptions) -> tuple[Contents, Sequence[ConfigProblem]]:
    form = _form(file)
    if form is CSV:
        return _from_csv(file, options)
    if form is YAML:
        return _from_yaml(file, options)
    found = SqliteCatalog.read(_catalog(file, options))
    devices = [
        ListedDevice(plc.code, options.driver or "", plc.address, plc.network_no, plc.station_no)
        for plc in found.plcs.values()
    ]
    contents, problems = _load(_polling(devices, (), options, file), devices)
    if not contents.groups and not problems:
        problems = [ConfigProblem("there are no groups", file=str(file))]
    return contents, problems


def _from_csv(file: Path, options: ConversionOptions) -> tuple[Contents, Sequence[ConfigProblem]]:
    """A tag list says nothing of devices and intervals."""
    names = dict.fromkeys(group or NAMELESS_GROUP for group, _ in CsvTags.read(file).rows) or (NAMELESS_GROUP,)
    groups = [
        GroupConfig(name, options.device, GroupMode.FIXED, options.interval_seconds, tags_from=file) for name in names
    ]
    devices = [ListedDevice(options.device, options.driver or "")]
    return _load(_polling(devices, groups, options), devices)


def _from_yaml(file: Path, options: ConversionOptions) -> tuple[Contents, Sequence[ConfigProblem]]:
    found = YamlCatalog.read(file)
    groups = [group for group, _ in found.groups]
    listed = {device.id: device for device in found.devices}
    devices = [
        replace(device, driver=options.driver or device.driver)
        for device in {**{group.device: ListedDevice(group.device) for group in groups}, **listed}.values()
    ]
    contents, problems = _load(_polling(devices, groups, options), devices)
    return contents, [found.placed(problem) for problem in problems]


def _load(polling: PollingSourceConfig, devices: Sequence[ListedDevice]) -> tuple[Contents, Sequence[ConfigProblem]]:
    catalog = Catalog.load(polling)
    return Contents(devices, catalog.groups, catalog.tags), catalog.problems


def _polling(
    devices: Sequence[ListedDevice],
    groups: Sequence[GroupConfig],
    options: ConversionOptions,
    sqlite: Path | None = None,
) -> PollingSourceConfig:
    """A configuration with which the catalogue is read as a source would; nothing is polled with it."""
    return PollingSourceConfig(
        devices=tuple(DeviceConfig(device.id, device.driver, True, 1, {}) for device in devices),
        groups=tuple(groups),
        catalog=None if sqlite is None else _catalog(sqlite, options),
        wrong_tags=WrongTags.LEAVE_OUT if options.leave_out else WrongTags.REFUSE,
        bad_records=BadRecords.NONE,
        backoff=BackoffConfig(1.0, 1.0),
        refused_retry=60.0,
        max_groups=1_000_000,
    )


def _catalog(file: Path, options: ConversionOptions) -> CatalogConfig:
    return CatalogConfig(file, options.string_length, options.encoding)


def _write(contents: Contents, target: Path, tag_list: Path | None) -> None:
    """Whole or not at all: beside the target first."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        if _form(target) is CSV:
            write_csv(contents, part)
        else:
            write_yaml(contents, part, None if tag_list is None else _seen_from(target.parent, tag_list))
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _seen_from(folder: Path, file: Path) -> str:
    """Relative paths of a YAML file start at its folder."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:  # on another drive
        return file.absolute().as_posix()
