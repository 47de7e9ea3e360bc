"""ReadReport: how a lineup is going to read its devices, as data and as lines for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agent_core.api import ConfigProblem, GroupMode, PlannedDevice, PlannedGroup
from polling_source.config import DeviceConfig
from polling_source.engine.group import PollGroup
from polling_source.lineup import Lineup

REQUEST_SECONDS: Final = 0.010
"""What a request is taken to cost as long as nobody has asked: a PLC mostly answers once a cycle of its program,
whatever the size of the block. ``tagferry doctor`` measures it.
"""


class ReadReport:
    """Made without a network."""

    def __init__(self, lineup: Lineup) -> None:
        devices: dict[str, list[PlannedGroup]] = {}
        for group in lineup.groups:
            devices.setdefault(group.device_id, []).append(_planned(group))
        config = {connection.device.id: connection.device for connection in lineup.connections}
        self.devices: Sequence[PlannedDevice] = [
            PlannedDevice(id_, config[id_].driver, min(config[id_].connections, len(groups)), tuple(groups))
            for id_, groups in devices.items()
        ]

    def warnings(self, devices: Sequence[DeviceConfig]) -> Iterator[ConfigProblem]:
        """Devices that can hardly answer as often as their groups want to know. ``devices``: as in the YAML."""
        ids = [device.id for device in devices]
        for device in self.devices:
            if device.busy_share > 1:
                message = (
                    f"device {device.device_id}: its groups need about {device.busy_share:.0%} of the time at "
                    f"{_milliseconds(REQUEST_SECONDS)} a request, so cycles will be missed"
                )
                path = ("devices", ids.index(device.device_id))
                yield ConfigProblem(message, path, "tagferry check --plan shows the requests", warning=True)

    def lines(self, source_id: str) -> Iterator[str]:
        """Devices, below them their groups, below them each request."""
        rate = 0.0
        for device in self.devices:
            requests = sum(len(group.requests) for group in device.groups)
            tags = sum(group.tags for group in device.groups)
            busy = f", {device.busy_share:.0%} of the time" if device.busy_share else ""
            yield (
                f"{device.device_id} by {device.driver}: {_count(tags, 'tag')} in {_count(requests, 'request')}, "
                f"about {_milliseconds(device.scan_seconds)} to read them all{busy}"
            )
            for group in device.groups:
                if group.interval_seconds and group.mode is GroupMode.FIXED:
                    rate += group.tags / group.interval_seconds
                yield f"  {_line(group)}"
                for request in group.requests:
                    wasted = f", {_count(request.wasted_words, 'word')} wasted" if request.wasted_words else ""
                    yield f"    {request.what}: {_count(request.tags, 'tag')}{wasted}"
        tags = sum(group.tags for device in self.devices for group in device.groups)
        yield (
            f"{source_id}: {_count(tags, 'tag')}, {rate:,.0f} records/s; times are estimates at "
            f"{_milliseconds(REQUEST_SECONDS)} a request, tagferry doctor measures them"
        )


def _planned(group: PollGroup) -> PlannedGroup:
    requests = tuple(group.reader.plan())
    return PlannedGroup(
        group.id,
        group.device_id,
        group.mode,
        group.interval_seconds,
        None if group.bit is None else group.bit.tag.address,
        len(group),
        requests,
        len(requests) * REQUEST_SECONDS,
    )


def _line(group: PlannedGroup) -> str:
    when = f"every {group.interval_seconds:g} s" if group.interval_seconds else "when triggered"
    if group.trigger_bit is not None:
        when = f"when {group.trigger_bit} is set, looked at {when}"
    words = f", {group.wasted_words:,} of {group.words:,} words wasted" if group.words else ""
    return (
        f"{group.group_id}, {when}: {_count(group.tags, 'tag')} in {_count(len(group.requests), 'request')}{words}, "
        f"about {_milliseconds(group.scan_seconds)}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
