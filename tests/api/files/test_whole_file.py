"""Files of others are read to a limit; the agent's own are private."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from agent_core.api.files.private import make_private_folder, replace_private
from agent_core.api.files.whole_file import read_whole, read_whole_text, size_text

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")


def test_a_file_of_the_limit_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1000)
    assert read_whole(file, 1000) == b"x" * 1000
    with pytest.raises(OSError, match="it is larger than 999 bytes"):
        read_whole(file, 999)


def test_text_has_neither_a_byte_order_mark_nor_windows_line_ends(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert read_whole_text(tmp_path / "file", 100) == "a\nb\n"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the system's own words
        read_whole(tmp_path, 100)


@pytest.mark.skipif(not hasattr(os, "pipe2"), reason="this system does not name the ends of a pipe")
def test_a_pipe_is_read_where_a_person_names_it(tmp_path: Path) -> None:
    inside, outside = os.pipe()
    os.write(outside, b"token\n")
    os.close(outside)
    try:
        with pytest.raises(OSError, match="it is not a regular file"):
            read_whole(Path(f"/dev/fd/{inside}"), 100)
        assert read_whole_text(Path(f"/dev/fd/{inside}"), 100, may_be_pipe=True) == "token\n"
    finally:
        os.close(inside)


@pytest.mark.parametrize(("size", "text"), [(16 * 2**20, "16 MiB"), (64 * 1024, "64 KiB"), (1000, "1000 bytes")])
def test_a_size_is_shown_in_its_largest_whole_unit(size: int, text: str) -> None:
    assert size_text(size) == text


@posix
def test_every_folder_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "a" / "b" / "c")
        make_private_folder(tmp_path / "a" / "b" / "c")
        (tmp_path / "c.json.new").touch()  # a crash left it
        replace_private(tmp_path / "c.json", "old")
        replace_private(tmp_path / "c.json", "text")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a": 0o700, "b": 0o700, "c": 0o700, "c.json": 0o600}
    assert (tmp_path / "c.json").read_text(encoding="utf-8") == "text"


def test_a_file_in_the_way_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "a")


OWN_FILES = {
    "agent_core/api/plugin/factories.py": "a plugin's schema, part of what is installed",
    "agent_core/config/schema/merged.py": "the core's schema, part of what is installed",
    "plugins/http_monitor/src/http_monitor/routes/page.py": "the page, part of what is installed",
}


def test_no_part_reads_a_whole_file_without_a_limit() -> None:
    """What is read line by line or in pieces has limits of its own."""
    files = [*ROOT.glob("agent_core/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    found = {
        file.relative_to(ROOT).as_posix()
        for file in files
        if re.search(r"\.(read_text|read_bytes)\(|\bopen\([^)]*\)\.read\(", file.read_text(encoding="utf-8"))
    }
    found = {file for file in found if not file.startswith("agent_core/testing/")}
    assert found - OWN_FILES.keys() == set(), "use agent_core.api.files.whole_file"
