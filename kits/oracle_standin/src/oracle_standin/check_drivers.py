"""``python -m oracle_standin.check_drivers``: clients that this project did not write, in their supported versions.

The driver behaviour tests run with the oldest and the newest supported python-oracledb; node-oracledb in its Thin mode
logs in, inserts an array with batch errors, and reads. Each version is installed in a temporary folder, which is
removed at the end. node-oracledb needs ``node`` and ``npm``: without them it is left out, which is said, and which
fails where CI=true.
"""

from __future__ import annotations

import argparse
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

VERSIONS = ("4.0.1", "26.1.0")  # the range the project supports: oldest and newest
NODE_VERSIONS = ("6.10.0", "26.0.0")
PROFILES = ("19", "23")
_DEBIANS_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_KIT = Path(__file__).resolve().parents[2]
_NEEDS = ("cryptography", "sqlglot", "pytest")


def check(version: str, profile: str, folder: Path) -> int:
    """Runs the tests in the environment of ``folder``, which is created if missing; returns pytest's exit code."""
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"oracledb=={version}", *_NEEDS], check=True)
    tests = sorted(map(str, (_KIT / "tests").glob("test_driver_behaviour_*.py")))
    print(f"oracledb {version}, stand-in {profile}", flush=True)
    return _pytest(python, tests, {"STANDIN_PROFILE": profile})


def check_node(version: str, folder: Path) -> int:
    """Runs the test of node-oracledb, for all profiles, with the version that npm installs into ``folder``."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        print(f"node-oracledb {version}: left out, node and npm are not here", flush=True)
        return int(os.environ.get("CI") == "true")
    folder.mkdir()
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    trusted = ssl.get_default_verify_paths().cafile or _DEBIANS_CERTIFICATES
    environ = {"NODE_EXTRA_CA_CERTS": trusted} | os.environ  # Node.js does not look at the system's own
    command = [npm, "install", *quiet, "--prefix", str(folder), f"oracledb@{version}"]
    if subprocess.run(command, env=environ, check=False).returncode:
        print(f"node-oracledb {version}: left out, npm cannot install it", flush=True)
        return int(os.environ.get("CI") == "true")
    print(f"node-oracledb {version}", flush=True)
    modules = {"STANDIN_NODE_MODULES": str(folder / "node_modules")}
    return _pytest(Path(sys.executable), [str(_KIT / "tests" / "test_node_client.py")], modules)


def _pytest(python: Path, tests: list[str], environment: dict[str, str]) -> int:
    options = ["--quiet", "-p", "no:cacheprovider", "--rootdir", str(_KIT)]
    environ = os.environ | {"PYTHONPATH": str(_KIT / "src")} | environment
    return subprocess.run([python, "-m", "pytest", *options, *tests], env=environ, check=False).returncode


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m oracle_standin.check_drivers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "versions", nargs="*", default=VERSIONS, help=f"of python-oracledb; default: {' '.join(VERSIONS)}"
    )
    parser.add_argument("--profile", action="append", choices=PROFILES, help="default: both")
    parser.add_argument(
        "--node", action="append", metavar="VERSION", help=f"of node-oracledb; default: {' '.join(NODE_VERSIONS)}"
    )
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="oracle_standin_") as name:
        folder = Path(name)
        for version in options.versions:
            for profile in options.profile or PROFILES:
                failed |= check(version, profile, folder / version)
        for version in options.node or NODE_VERSIONS:
            failed |= check_node(version, folder / f"node-{version}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
