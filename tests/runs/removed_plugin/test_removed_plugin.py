"""`pip uninstall` of any one plugin leaves the others working, and a YAML that names it gets a clear error."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PLUGINS = sorted(file.parent.name for file in ROOT.glob("plugins/*/pyproject.toml"))
SAMPLES = {name: ROOT / "plugins" / name / "sample.yaml" for name in PLUGINS}
DATABASE = {"ORACLE_DSN": "db.example/plant", "ORACLE_USER": "agent", "ORACLE_PASSWORD": "secret"}


class Site:
    """What is left of the installed packages when one distribution is gone."""

    def __init__(self, folder: Path, without: str) -> None:
        folder.mkdir()
        gone = f"tagferry_{without}-"
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith((gone, f"__editable__.{gone}")):
                (folder / entry.name).symlink_to(entry)
        sources = [ROOT / "plugins" / name / "src" for name in PLUGINS if name != without]
        self._environ = {**os.environ, **DATABASE, "PYTHONPATH": os.pathsep.join(map(str, [folder, ROOT, *sources]))}

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command as it runs there; -S keeps out what is really installed."""
        return subprocess.run(
            [sys.executable, "-S", "-m", "agent_core.cli.main", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
@pytest.mark.alone
@pytest.mark.parametrize("plugin", PLUGINS)
def test_without_a_plugin_the_others_work_and_the_yaml_that_names_it_is_told(plugin: str, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", without=plugin)
    listed = site.agent("plugins", "--json")
    assert listed.returncode == 0, listed.stderr
    names = {entry["type"] for entry in json.loads(listed.stdout)["plugins"]}
    assert names >= set(PLUGINS) - {plugin}
    assert plugin not in names

    naming = SAMPLES[plugin]
    checked = site.agent("check", str(naming))
    text = naming.read_text(encoding="utf-8")
    lines = {n for n, line in enumerate(text.splitlines(), start=1) if plugin in line.partition("#")[0]}
    assert checked.returncode == 2, checked.stdout
    assert any(f"{naming}:{line}:" in checked.stderr for line in lines), checked.stderr
    assert plugin in checked.stderr
    assert "Traceback" not in checked.stderr

    for intact in SAMPLES.values():
        # memory_buffer is what every sink has when the YAML names no other buffer.
        if plugin != "memory_buffer" and plugin not in intact.read_text(encoding="utf-8"):
            again = site.agent("check", str(intact))
            assert again.returncode == 0, again.stderr
            break
