"""Builds the source distribution and the wheel of every distribution in this repository, without an index.

    python .ci/build.py FOLDER

Each is built from a copy of its own folder alone, and the wheel from the unpacked source distribution: what that lacks,
the wheel lacks. Nothing is written into the repository but FOLDER. Needs setuptools.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.metadata
import io
import os
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol, cast

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [
    ROOT,
    *(file.parent for kind in ("plugins", "kits") for file in sorted(ROOT.glob(f"{kind}/*/pyproject.toml"))),
]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "src", "agent_core")


class Backend(Protocol):
    """What setuptools offers to a front end (PEP 517); it builds what is in the current folder."""

    def build_sdist(self, sdist_directory: str) -> str: ...

    def build_wheel(self, wheel_directory: str) -> str: ...


def build(folder: Path, out: Path) -> tuple[str, str]:
    """The names of the source distribution and the wheel of ``folder``, both in ``out`` afterwards."""
    backend = cast(Backend, importlib.import_module("setuptools.build_meta"))
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name, "copy")
        copy.mkdir()
        for part in PARTS:
            source = folder / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
            elif source.exists():
                shutil.copy2(source, copy / part)
        with _quietly_in(copy):
            sdist = backend.build_sdist(str(out))
        with tarfile.open(out / sdist) as archive:
            archive.extractall(name, filter="data")
        with _quietly_in(Path(name, sdist.removesuffix(".tar.gz"))):
            wheel = backend.build_wheel(str(out))
    return sdist, wheel


@contextlib.contextmanager
def _quietly_in(folder: Path) -> Iterator[None]:
    """In ``folder``; what the backend writes is shown when it fails."""
    before = Path.cwd()
    said = io.StringIO()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            yield
    except BaseException:
        print(said.getvalue(), file=sys.stderr)
        raise
    finally:
        os.chdir(before)


def main(folder: str) -> None:
    """Build all of them and name each file."""
    out = Path(folder).resolve()
    out.mkdir(parents=True, exist_ok=True)
    # setuptools searches the whole environment hundreds of times, always with the same result.
    importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)  # type: ignore[assignment]
    for distribution in FOLDERS:
        print(*build(distribution, out), sep="\n", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
