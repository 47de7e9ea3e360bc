"""What is left after a power cut."""

from __future__ import annotations

import os
import random
from pathlib import Path

from agent_core.testing.simulation.disk import Disk


def test_what_was_made_durable_is_there_and_the_rest_may_be_torn(tmp_path: Path) -> None:
    sizes = set()
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        disk = Disk(folder, lambda: 0)
        with (folder / "part").open("wb", buffering=0) as file:
            file.write(b"safe")
            disk.fsync(file.fileno())
            file.write(b"unsafe")
        descriptor = os.open(folder, os.O_RDONLY)
        disk.fsync(descriptor)
        os.close(descriptor)
        disk.cut_power(random.Random(seed))
        left = (folder / "part").read_bytes()
        assert b"safeunsafe".startswith(left)
        sizes.add(len(left))
    assert min(sizes) >= 4
    assert len(sizes) > 2


def test_a_rename_may_be_undone_until_the_folder_is_durable(tmp_path: Path) -> None:
    names = set()
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / "old").write_bytes(b"safe")
        disk = Disk(folder, lambda: 0)
        (folder / "old").rename(folder / "new")
        disk.cut_power(random.Random(seed))
        [path] = folder.iterdir()
        assert path.read_bytes() == b"safe"
        names.add(path.name)
    assert names == {"old", "new"}


def test_files_change_when_the_clock_of_the_simulation_says_so(tmp_path: Path) -> None:
    now = 0
    disk = Disk(tmp_path, lambda: now)
    file = tmp_path / "file"
    file.write_bytes(b"1")
    before = disk.stat(file)
    now = 60_000_000_000
    assert disk.stat(file).st_mtime_ns == before.st_mtime_ns == 0
    file.write_bytes(b"12")
    assert disk.stat(file).st_mtime_ns == now
