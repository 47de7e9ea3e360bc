"""docs/architecture.md: the tree and the parts of a delivery are those of the repository."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def tree() -> list[str]:
    """The paths that the page draws."""
    drawn = PAGE.partition("## The tree")[2].split("```")[1]
    paths: list[str] = []
    above = [""]
    for line in drawn.strip("\n").splitlines():
        entry = line.split()[0]
        if entry == "...":
            continue
        depth = (len(line) - len(line.lstrip())) // 2
        above[depth + 1 :] = [above[depth] + entry]
        paths.append(above[depth + 1])
        inside = re.findall(r"(?<= )((?:\w+/)+)(?= |$)", line.partition(entry)[2])
        paths += [f"{above[depth + 1]}src/{entry}{folder}" for folder in inside if above[depth] == "plugins/"]
    return paths


def packages(folder: str) -> list[str]:
    """Every folder of code below ``folder``, and ``folder`` itself."""
    return sorted(
        f"{found.parent.relative_to(ROOT).as_posix()}/" for found in (ROOT / folder).rglob("__init__.py")
    )  # fmt: skip


def test_everything_that_is_drawn_exists() -> None:
    paths = tree()
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_folder_of_the_core_is_drawn() -> None:
    assert [package for package in packages("agent_core") if package not in tree()] == []


def test_every_kit_and_every_wing_of_the_plugins_shown_is_drawn() -> None:
    drawn = tree()
    shown = [path for path in drawn if re.fullmatch(r"plugins/\w+/", path)]
    assert shown
    for plugin in shown:
        name = plugin.split("/")[1]
        wings = [path for path in packages(f"{plugin}src/{name}") if path != f"{plugin}src/{name}/"]
        assert [wing for wing in wings if wing not in drawn] == []
    assert sorted(path for path in drawn if re.fullmatch(r"kits/\w+/", path)) == sorted(
        f"{file.parent.relative_to(ROOT).as_posix()}/" for file in ROOT.glob("kits/*/pyproject.toml")
    )


def test_the_parts_of_a_delivery_are_its_modules() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", PAGE.partition("## One sink")[2].partition("\n## ")[0], flags=re.MULTILINE)
    modules = {file.stem for file in (ROOT / "agent_core" / "runtime" / "delivery").glob("*.py")} - {"__init__"}
    assert set(listed) == modules - {"sink_context"}
