"""TagRule: what becomes of a tag's value between the device and the batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TagRule:
    """Applied in this order.

    ``labels``: texts that stand for whole numbers; a number without one stays, UNCERTAIN. ``minimum``, ``maximum``: a
    number outside stays, BAD. ``on_change``: a value is emitted when it differs from the one emitted before; with
    ``deadband``, when it differs by more than that; with ``deadband_percent``, by more than so many percent of the
    one emitted before. A quality that changes is always emitted.
    """

    labels: Mapping[int, str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    on_change: bool = False
    deadband: float | None = None
    deadband_percent: float | None = None

    @property
    def thins_out(self) -> bool:
        """True when not every value is emitted."""
        return self.on_change or self.deadband is not None or self.deadband_percent is not None


PLAIN: Final = TagRule()
"""Every value is emitted as it was read."""


def parse_labels(text: str) -> dict[int, str]:
    """``0=STOP;1=RUN``. Raises ValueError that says what is wrong."""
    labels: dict[int, str] = {}
    for part in text.split(";"):
        number, separator, label = part.partition("=")
        label = label.strip()
        try:
            key = int(number)
        except ValueError:
            separator = ""
            key = 0
        if not separator or not label:
            raise ValueError(f"{part.strip()!r} is not number=text; write 0=STOP;1=RUN")
        if key in labels:
            raise ValueError(f"{key} has two texts")
        labels[key] = label
    return labels
