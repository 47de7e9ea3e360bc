"""Verdict: whether the table holds what the plant served, once each, as it was collected."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from plant.process import ModbusPlant
from plant.servers.catalogue import PlantTag
from runs.conftest import Case, Database

from agent_core.api import DataType, Value


@dataclass(frozen=True, slots=True)
class Verdict:
    """Row counts. ``not_in_table`` and ``not_collected`` compare tag, text, microsecond and quality;
    ``not_served`` and ``served_only`` compare tag and value with what the server logged.
    """

    in_table: int
    tags: int
    collected: int
    twice: int
    not_in_table: int
    not_collected: int
    not_served: int
    served_only: int

    @property
    def good(self) -> bool:
        """Every collected value is in the table once, and it is what the plant served."""
        wrong = self.twice + self.not_in_table + self.not_collected + self.not_served + self.served_only
        return self.in_table == self.collected > 0 == wrong

    def __str__(self) -> str:
        return (
            f"collected {self.collected:,}   in the table {self.in_table:,} (of {self.tags:,} tags)   "
            f"twice {self.twice}   missing {self.not_in_table}   not collected {self.not_collected}   "
            f"not served {self.not_served}   served but not collected {self.served_only}"
        )


def verdict(case: Case, database: Database, plant: ModbusPlant) -> Verdict:
    """Compare the three after the agent has stopped."""
    rows, collected = Counter(database.rows()), Counter(case.collected())
    tags = {tag.name: tag for tag in plant.catalogue.tags}
    served = plant.log.compare((row.name, value_of(tags[row.name], row.text)) for row in rows.elements())
    return Verdict(
        in_table=rows.total(),
        tags=len({row.name for row in rows}),
        collected=collected.total(),
        twice=rows.total() - len(rows),
        not_in_table=(collected - rows).total(),
        not_collected=(rows - collected).total(),
        not_served=served.unexpected.total(),
        served_only=served.missing.total(),
    )


def value_of(tag: PlantTag, text: str) -> Value:
    """What the plant must have served for the table to hold this text."""
    match tag.data_type:
        case DataType.FLOAT32:
            return float(text)
        case DataType.BOOL:
            return text == "1"
        case DataType.STRING:
            return text
        case _:
            return int(text)
