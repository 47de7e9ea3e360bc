from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from distributions.offline_index import OfflineIndex
from filelock import FileLock

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> OfflineIndex:
    """With a wheel of each distribution; built once, also when the tests run in several processes."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    wheels, built = base / "wheels", base / "wheels.built"
    with FileLock(base / "wheels.lock"):
        if not built.exists():
            subprocess.run([sys.executable, str(ROOT / ".ci" / "build.py"), str(wheels)], check=True, timeout=300)
            built.touch()
    return OfflineIndex(wheels)
