"""``python -m oracle_standin.check_drivers``: the driver behaviour tests with the oldest and newest supported driver.

Each version gets a virtual environment in a temporary folder, which is removed at the end.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

VERSIONS = ("4.0.1", "26.1.0")  # the range the project supports: oldest and newest
_KIT = Path(__file__).resolve().parents[2]
_NEEDS = ("cryptography", "sqlglot", "pytest")


def check(version: str, profile: str, folder: Path) -> int:
    """Runs the tests in the environment of ``folder``, which is created if missing; returns pytest's exit code."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"oracledb=={version}", *_NEEDS], check=True)
    tests = sorted(map(str, (_KIT / "tests").glob("test_driver_behaviour_*.py")))
    options = ["--quiet", "-p", "no:cacheprovider", "--rootdir", str(_KIT)]
    print(f"oracledb {version}, stand-in {profile}", flush=True)
    environment = os.environ | {"STANDIN_PROFILE": profile, "PYTHONPATH": str(_KIT / "src")}
    return subprocess.run([python, "-m", "pytest", *options, *tests], env=environment, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m oracle_standin.check_drivers", description=__doc__)
    parser.add_argument("versions", nargs="*", default=VERSIONS, help=f"default: {' '.join(VERSIONS)}")
    parser.add_argument("--profile", action="append", choices=("19", "23"), help="default: both")
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="oracle_standin_") as folder:
        for version in options.versions:
            for profile in options.profile or ("19", "23"):
                failed |= check(version, profile, Path(folder) / version)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
