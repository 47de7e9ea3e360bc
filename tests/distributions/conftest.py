from __future__ import annotations

import os

import pytest
from distributions.offline_index import OfflineIndex
from filelock import FileLock


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> OfflineIndex:
    """With a wheel of each distribution; built once, also when the tests run in several processes."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, built = base / "index", base / "index.built"
    with FileLock(base / "index.lock"):
        if built.exists():
            return OfflineIndex(folder)
        index = OfflineIndex.build(folder)
        built.touch()
        return index
