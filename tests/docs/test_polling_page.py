"""docs/polling.md: its configuration is valid, its commands run, and they print what the page shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent_core.cli.command_line import build_parser
from agent_core.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "polling.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^\*\*`(.+?)`\*\*\n\n```\w+\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
COMMANDS = [
    line.split()[1:]
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("tagferry ")
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With the files of the page in it."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_page_shows_the_files_it_speaks_of() -> None:
    assert sorted(FILES) == ["agent.yaml", "tags.csv"]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_the_options_it_is_shown_with(words: list[str]) -> None:
    build_parser().parse_args(words)


def test_the_plan_is_the_one_that_the_page_shows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--plan"]) == 0
    (shown,) = re.findall(r"^```\n(PLC01 by .*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert f"\n{shown}\n" in capsys.readouterr().out


def test_the_commands_for_catalogues_work_one_after_the_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    catalogues = [words for words in COMMANDS if words[0] == "catalog"]
    assert len(catalogues) == 2
    for words in catalogues:
        assert main(words) == 0, capsys.readouterr().err
    assert capsys.readouterr().out.splitlines() == [
        "3 groups, 5 tags -> lists.csv, groups.yaml",
        "2 groups, 4 tags -> from_csv.yaml",
    ]
