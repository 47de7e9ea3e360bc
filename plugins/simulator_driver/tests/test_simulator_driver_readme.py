"""README.md says what the signals and their defaults really are."""

from __future__ import annotations

import re
from pathlib import Path

from simulator_driver.address import Address
from simulator_driver.signals import KINDS
from simulator_driver.simulation import COMMON

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_table_names_every_signal_with_all_its_options_and_their_defaults() -> None:
    rows = [Address.parse(cell.replace("\\|", "|")) for cell in re.findall(r"^\| `([a-z_]+:[^`]+)` \|", README, re.M)]
    assert {row.signal: dict(row.options) for row in rows} == {
        name: dict(kind.defaults) for name, kind in KINDS.items()
    }


def test_the_options_of_every_signal_are_explained() -> None:
    for option in COMMON:
        assert f"`{option}=" in README
