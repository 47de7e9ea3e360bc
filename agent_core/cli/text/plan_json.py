"""How sources will read their devices, as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent_core.api import PlannedDevice, PlannedGroup


def plan_json(plans: Mapping[str, Sequence[PlannedDevice]]) -> list[dict[str, object]]:
    """One object per device. Times are estimates."""
    return [
        {
            "source": source_id,
            "device": device.device_id,
            "driver": device.driver,
            "connections": device.connections,
            "tags": sum(group.tags for group in device.groups),
            "requests": sum(len(group.requests) for group in device.groups),
            "scan_seconds": round(device.scan_seconds, 6),
            "busy_share": round(device.busy_share, 6),
            "groups": [_group_json(group) for group in device.groups],
        }
        for source_id, devices in plans.items()
        for device in devices
    ]


def _group_json(group: PlannedGroup) -> dict[str, object]:
    return {
        "group": group.group_id,
        "mode": group.mode.value,
        "interval_seconds": group.interval_seconds,
        "trigger_bit": group.trigger_bit,
        "tags": group.tags,
        "words": group.words,
        "wasted_words": group.wasted_words,
        "scan_seconds": round(group.scan_seconds, 6),
        "requests": [
            {
                "what": request.what,
                "tags": request.tags,
                "words": request.words,
                "wasted_words": request.wasted_words,
            }
            for request in group.requests
        ],
    }
