"""Builds the distributions of this repository with setuptools, in one process and without an index.

    python .ci/build.py dist FOLDER

Writes the source distribution and the wheel of each into FOLDER. Each is built from a copy of its own folder alone, and
the wheel from the unpacked source distribution: what that lacks, the wheel lacks. The repository stays as it is.

    python .ci/build.py editable FILE FOLDER

Writes an editable wheel for each ``-e PATH`` of the requirements file into FOLDER, and FOLDER/requirements.txt, which
is FILE with these wheels in place of the paths. pip itself starts three processes per path, which would be most of the
time that an installation takes. FOLDER/names.txt lists the distributions: pip keeps an installed one of the same
version, so they are to be uninstalled first.
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
    """What setuptools offers to a front end (PEP 517 and 660); it builds what is in the current folder."""

    def build_sdist(self, sdist_directory: str) -> str: ...

    def build_wheel(self, wheel_directory: str) -> str: ...

    def build_editable(self, wheel_directory: str) -> str: ...


def dist(out: Path) -> None:
    """Everything that could be uploaded."""
    backend = _backend()
    out.mkdir(parents=True, exist_ok=True)
    for folder in FOLDERS:
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
        print(sdist, wheel, sep="\n", flush=True)


def editable(file: Path, out: Path) -> None:
    """What ``pip install -r FILE`` would build."""
    backend = _backend()
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    names, requirements = [], []
    for line in _lines(file):
        if line.startswith("-e "):
            with _quietly_in(file.parent / line.removeprefix("-e ")):
                wheel = backend.build_editable(str(out))
            names.append(wheel.partition("-")[0])
            requirements.append(f"{names[-1]} @ {(out / wheel).as_uri()}")
        else:
            requirements.append(line)
    for name, lines in ("names.txt", names), ("requirements.txt", requirements):
        (out / name).write_text("\n".join([*lines, ""]), encoding="utf-8")


def _lines(file: Path) -> Iterator[str]:
    for line in map(str.strip, file.read_text(encoding="utf-8").splitlines()):
        if line.startswith("-r "):
            yield from _lines(file.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            yield line


def _backend() -> Backend:
    # setuptools searches the whole environment hundreds of times, always with the same result.
    importlib.metadata.entry_points = functools.cache(importlib.metadata.entry_points)  # type: ignore[assignment]
    return cast(Backend, importlib.import_module("setuptools.build_meta"))


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


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["dist", folder]:
            dist(Path(folder).resolve())
        case ["editable", file, folder]:
            editable(Path(file).resolve(), Path(folder).resolve())
        case _:
            sys.exit(__doc__)
