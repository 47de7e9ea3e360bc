"""Whether a part can write in a folder."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from pytest_mock import MockerFixture

from agent_core.api import probe_folder, write_next_step


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


@pytest.mark.parametrize(
    ("code", "step"),
    [
        (errno.EROFS, "mount it for writing"),
        (errno.ENOSPC, "free space there"),
        (errno.EIO, "check the disk or mount"),
        (errno.ENOTDIR, "remove the file that is in the folder's place"),
        (errno.EACCES, "give the agent's user the right to write there"),
    ],
)
def test_what_can_be_done_depends_on_what_failed(tmp_path: Path, mocker: MockerFixture, code: int, step: str) -> None:
    mocker.patch("os.fsync", side_effect=OSError(code, "refused"))
    with pytest.raises(OSError, match="refused") as raised:
        probe_folder(tmp_path)
    assert write_next_step(raised.value).startswith(step)
    assert raised.value.__cause__ is not None
    assert write_next_step(OSError(code, "refused")).startswith(step)
