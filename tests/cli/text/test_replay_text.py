"""What ``tagferry replay`` shows before it writes."""

from __future__ import annotations

from pathlib import Path

from agent_core.api import BadLine
from agent_core.cli.text.replay_text import preview_json, preview_lines
from agent_core.runtime.replay.file import ReplayFile
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.report import FilePreview, ReplayPreview
from agent_core.testing.clock import START_NS

SECOND_NS = 1_000_000_000


def preview(count: int, *, damaged: int = 0, left_out: int = 0) -> ReplayPreview:
    """Files of 100 records, a minute each; the first of them have a damaged line."""
    position = ReplayPosition(Path("position.json"))
    files = []
    for number in range(count):
        file = ReplayFile(f"backup_{number}.csv", str(number), 14_000, False, lambda *_: iter(()), None, position)
        start = START_NS + number * 60 * SECOND_NS
        bad = (BadLine(7, "no timestamp"),) * (number < damaged)
        files.append(FilePreview(file, 0, 100, 100, start, start + 59 * SECOND_NS, bad, len(bad)))
    names = tuple(f"rejected_{number}.csv" for number in range(left_out))
    return ReplayPreview("warehouse", "oracle_sink", tuple(files), names)


def test_a_few_files_are_shown_one_by_one() -> None:
    lines = preview_lines(preview(10), filtered=False)
    assert [line.split()[0] for line in lines[1:11]] == [f"backup_{number}.csv" for number in range(10)]
    assert lines[-1] == "1,000 records in 10 files"


def test_a_hundred_thousand_files_are_one_screen() -> None:
    found = preview(100_000, left_out=50_000)
    lines = preview_lines(found, filtered=True)
    assert len(lines) <= 24
    assert [line.split()[0] for line in lines[1:12]] == [
        *(f"backup_{number}.csv" for number in range(5)), "...",
        *(f"backup_{number}.csv" for number in range(99_995, 100_000)),
    ]  # fmt: skip
    assert lines[6].split()[:6] == ["...", "99,990", "more", "files", "9,999,000", "9,999,000"]
    assert "2026-01-01 00:05:00" in lines[6]
    assert lines[-2].endswith("rejected_4.csv and 49,995 more")
    assert lines[-1].startswith("10,000,000 records in 100,000 files (1,400,000,000 bytes), 10,000,000 of them wanted")
    assert len(preview_json(found)["files"]) == 100_000  # type: ignore[arg-type]


def test_many_damaged_files_are_counted() -> None:
    lines = preview_lines(preview(1000, damaged=500), filtered=False)
    assert "495 with notes: see --json" in lines[6]
    assert sum("unreadable: no timestamp" in line for line in lines) == 20
    assert "and 480 more unreadable lines" in lines
