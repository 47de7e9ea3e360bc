"""Whether a part can write in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from agent_core.api import probe_folder


def test_a_folder_is_probed_and_left_as_it_was(tmp_path: Path) -> None:
    probe = probe_folder(tmp_path)
    assert probe.place == tmp_path
    assert probe.free_bytes > 0
    assert list(tmp_path.iterdir()) == []


def test_before_a_folder_is_created_the_nearest_one_above_it_is_probed(tmp_path: Path) -> None:
    assert probe_folder(tmp_path / "a" / "b").place == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_a_failure_says_where_and_why(tmp_path: Path, mocker: MockerFixture) -> None:
    mocker.patch("os.fsync", side_effect=OSError(28, "No space left on device"))
    with pytest.raises(OSError, match=f"^cannot write in {tmp_path}: No space left on device$"):
        probe_folder(tmp_path / "backup")
