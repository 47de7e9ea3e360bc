"""`pytest plugins/X` works in a folder that holds X alone, with what its metadata names and nothing else installed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from distributions.environment import Environment
from distributions.offline_index import OURS, OfflineIndex

ROOT = Path(__file__).parents[2]
FOLDERS = {folder.name: folder for folder in sorted(file.parent for file in ROOT.glob("[pk]*/*/pyproject.toml"))}
QUICK = {"oracle_standin": "test_sql", "plant": "test_tcp_gate"}
"""What is run of each: by default its configuration; the rest is collected only."""

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows"),
    pytest.mark.parametrize("name", FOLDERS),
]


@pytest.fixture
def environment(name: str, index: OfflineIndex, tmp_path: Path) -> Environment:
    """With the distribution and all that it and its ``test`` extra name, directly or not."""
    environment = Environment(tmp_path / "venv", index)
    environment.link(index.resolve(f"{OURS}-{name.replace('_', '-')}[test]"))
    return environment


@pytest.fixture
def alone(name: str, tmp_path: Path) -> Path:
    """The distribution's folder, away from the repository."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*", "build")
    return shutil.copytree(FOLDERS[name], tmp_path / "alone" / name, ignore=ignored)


@pytest.mark.alone
def test_every_test_collects_alone_and_the_quick_ones_pass(name: str, environment: Environment, alone: Path) -> None:
    """Whatever is selected, pytest imports every file of tests, and one that fails is an error."""
    print(
        environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", QUICK.get(name, "config"), folder=alone)
    )


@pytest.mark.isolation
def test_every_test_passes_alone(name: str, environment: Environment, alone: Path) -> None:
    """Slow, since it is every test of every plugin and kit once more."""
    print(environment.run("-m", "pytest", "-q", "-p", "no:cacheprovider", folder=alone))
