"""Under the widest umask, all files and folders of an agent are their owner's alone."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs.conftest import Case

from agent_core.cli.main import main
from agent_core.testing.agent_process import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")

DAMAGED = """\
timestamp,tag_name,tag_value,value_type,quality,source,device,group,insertion_attempt_time,reason
2026-01-01T00:00:00.000000000Z,T,1,int,GOOD,line1,D,G,2026-01-01T00:00:00.000000000Z,sink_down
this is no record
"""


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def too_open(folder: Path, forbidden: int) -> list[str]:
    """What somebody else than the owner has one of these rights on."""
    return [
        f"{oct(path.stat().st_mode)} {path.relative_to(folder)}"
        for path in sorted(folder.rglob("*"))
        if path.stat().st_mode & forbidden
    ]


@pytest.mark.usefixtures("no_umask")
def test_everything_the_agent_makes_is_its_owners_alone_whatever_the_umask(case: Case, tmp_path: Path) -> None:
    made = case.folder / "made"
    with case.agent() as agent:
        wait_until(lambda: re.search(r"written [1-9]", agent.output) is not None, what="records in the database")
        backup = made / "for/backup/warehouse"
        in_the_way = made / "for/data"
        in_the_way.rename(made / "for/away")
        in_the_way.write_text("where the sink wants a folder", encoding="utf-8")
        in_the_way.chmod(0o600)
        wait_until(lambda: any(backup.glob("backup_*")), what="a backup file")
        damaged = backup / "backup_20260101_000000.csv"
        damaged.touch(0o600)
        damaged.write_text(DAMAGED, encoding="utf-8")
        in_the_way.unlink()
        wait_until(lambda: any(backup.glob("done/*")), what="a replayed file")
        wait_until(lambda: any(backup.glob("damaged/*")), what="a damaged file")
        assert too_open(made, 0o077) == []
        assert agent.stop() == 0, agent.output
    file = str(case.folder / "agent.yaml")
    assert main(["replay", file, "--yes"]) == 0
    assert too_open(made, 0o077) == []
    assert {path.suffix for path in made.rglob("*")} >= {".json", ".lock", ".csv", ".db", ".log"}


@pytest.mark.usefixtures("no_umask")
def test_what_a_command_writes_for_its_user_can_be_read_by_others_and_changed_by_nobody_else(
    case: Case, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir(0o755)
    lists = [argument for name in ("tags.csv", "groups.yaml") for argument in ("--to", str(out / name))]
    assert main(["catalog", "export", str(case.folder / "agent.yaml"), *lists]) == 0
    assert main(["schema", "-o", str(out / "agent.schema.json")]) == 0
    assert len(list(out.iterdir())) == 3
    assert too_open(out, 0o022) == []
