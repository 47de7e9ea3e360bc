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
YAML = """\
sources:
  - id: line1
    type: polling_source
    config:
      devices:
        - {{id: PLC01, driver: {driver}}}
      groups:
        - {{id: G1, device: PLC01, interval: 1s, tags: [{{name: T1, address: "{address}", data_type: float32}}]}}
buffer: {{type: memory_buffer}}
sinks:
  - id: main
    type: {sink}
    config: {config}
    fallback: {{type: csv_sink, config: {{directory: backup}}}}
"""
MODBUS = {"driver": "modbus_driver, address: 127.0.0.1", "address": "hr:1"}
SIMULATOR = {"driver": "simulator_driver", "address": "sine:min=0,max=1,period=1s"}
SQLITE = {"sink": "sqlite_sink", "config": "{}"}
ORACLE = {"sink": "oracle_sink", "config": "{dsn: db/x, user: u, password: p}"}
NAMED_BY = {"simulator_driver": SIMULATOR | SQLITE, "oracle_sink": MODBUS | ORACLE}


class Site:
    """What is left of the installed packages when one distribution is gone."""

    def __init__(self, folder: Path, without: str) -> None:
        folder.mkdir()
        gone = f"tag_agent_{without}-"
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if not entry.name.startswith((gone, f"__editable__.{gone}")):
                (folder / entry.name).symlink_to(entry)
        sources = [ROOT / "plugins" / name / "src" for name in PLUGINS if name != without]
        self._environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [folder, ROOT, *sources]))}

    def agent(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command as it runs there; -S keeps out what is really installed."""
        return subprocess.run(
            [sys.executable, "-S", "-m", "agent_core.cli.main", *arguments],
            env=self._environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=60,
        )


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")
@pytest.mark.parametrize("plugin", PLUGINS)
def test_without_a_plugin_the_others_work_and_the_yaml_that_names_it_is_told(plugin: str, tmp_path: Path) -> None:
    site = Site(tmp_path / "site", without=plugin)
    listed = site.agent("plugins", "--json")
    assert listed.returncode == 0, listed.stderr
    names = {entry["type"] for entry in json.loads(listed.stdout)["plugins"]}
    assert names >= set(PLUGINS) - {plugin}
    assert plugin not in names

    file = tmp_path / "agent.yaml"
    file.write_text(YAML.format(**NAMED_BY.get(plugin, MODBUS | SQLITE)), encoding="utf-8")
    checked = site.agent("check", str(file))
    lines = file.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, start=1) if plugin in text)
    assert checked.returncode == 2, checked.stdout
    assert f"{file}:{line}:" in checked.stderr
    assert plugin in checked.stderr
    assert "Traceback" not in checked.stderr

    intact = tmp_path / "intact.yaml"
    others = (ORACLE if plugin == "sqlite_sink" else SQLITE) | (SIMULATOR if plugin == "modbus_driver" else MODBUS)
    text = YAML.format(**others)
    if plugin == "csv_sink":
        text = text[: text.index("    fallback:")]
    if plugin not in ("polling_source", "memory_buffer"):  # without these two there is nothing to run
        intact.write_text(text, encoding="utf-8")
        assert site.agent("check", str(intact)).returncode == 0, site.agent("check", str(intact)).stderr
