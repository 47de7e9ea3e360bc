"""Environment: a virtual environment that holds some distributions and no other."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from venv import EnvBuilder

from distributions.offline_index import OfflineIndex


class Environment:
    """Empty at first. What is put into it is this environment's own: subprocesses of its Python see nothing else."""

    def __init__(self, folder: Path, index: OfflineIndex) -> None:
        self._index = index
        EnvBuilder(symlinks=sys.platform != "win32").create(folder)
        where = {"base": str(folder), "platbase": str(folder)}
        self.packages: Final = Path(sysconfig.get_path("purelib", "venv", where))
        self.programs: Final = Path(sysconfig.get_path("scripts", "venv", where))
        self.python: Final = self.programs / ("python.exe" if sys.platform == "win32" else "python")

    def link(self, names: Iterable[str]) -> None:
        """As an installer would, but for the programs, and with symbolic links to what lies unpacked elsewhere."""
        for name in names:
            found = self._index.distribution(name)
            for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
                if not (self.packages / top).exists():
                    (self.packages / top).symlink_to(str(found.locate_file(top)))

    def pip_install(self, requirement: str) -> str:
        """What the real installer does when the index's folder is all that it can reach; its output."""
        options = ["--no-index", "--find-links", str(self._index.folder), "--no-compile", "--no-cache-dir"]
        return self._run(sys.executable, "-m", "pip", "--python", str(self.python), "install", *options, requirement)

    def run(self, *arguments: str, folder: Path | None = None) -> str:
        """Its Python with these arguments; the output. AssertionError unless it ends with 0."""
        return self._run(str(self.python), *arguments, folder=folder)

    def _run(self, *command: str, folder: Path | None = None) -> str:
        # What the caller's environment says about paths and indexes is not this environment's.
        foreign = ("PYTHON", "PIP_", "PYTEST_", "VIRTUAL_ENV")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        done = subprocess.run(
            command,
            cwd=folder or self.packages,
            env={**environ, "PIP_CONFIG_FILE": os.devnull, "PYTHONUTF8": "1"},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout}\n{done.stderr}"
        return done.stdout
