"""The file of positions: what somebody else has written into it costs time at most."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_core.runtime.replay.position import ReplayPosition


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ('{"a.csv": 7, "b.csv": 0}', {"a.csv": 7, "b.csv": 0}),
        ('{"a.csv": -1, "b.csv": 3}', {"b.csv": 3}),
        ('{"a.csv": 1e999}', {}),
        ('{"a.csv": "x"}', {}),
        ('{"a.csv": ' + "9" * 5000 + "}", {}),
        ("[" * 100_000, {}),
        ("[1, 2]", {}),
        ("\x00", {}),
        ("", {}),
    ],
)
def test_a_position_that_cannot_be_one_is_forgotten(tmp_path: Path, text: str, known: dict[str, int]) -> None:
    (tmp_path / "sink.json").write_text(text, encoding="utf-8")
    position = ReplayPosition(tmp_path / "sink.json")
    assert position.all() == known
    position.keep("c.csv", 1)
    assert ReplayPosition(tmp_path / "sink.json").all() == {**known, "c.csv": 1}


def test_a_file_of_positions_that_is_too_large_is_forgotten_unread(tmp_path: Path) -> None:
    with (tmp_path / "sink.json").open("wb") as stream:
        stream.truncate(1_000_000_000)
    assert ReplayPosition(tmp_path / "sink.json").all() == {}
