"""ModbusPlant: a plant's server in a process of its own, for the time of a ``with`` block."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from plant.catalogue import PLANT_GROUPS, PLANT_TAGS, Catalogue
from plant.request_log import RequestLog

TESTS = Path(__file__).parents[1]
START_SECONDS = 30.0
ANSWER_SECONDS = 10.0


class ModbusPlant:
    """Started by ``with``; stopped, at the latest, at its end. Faults are set by the methods, which return when the
    server has obeyed. Raises RuntimeError when the server does not answer in time.

    ``folder`` takes the request log. ``port`` 0 takes a free one and keeps it through ``pause`` and ``resume``.
    """

    def __init__(
        self, folder: Path, tags: int = PLANT_TAGS, groups: int = PLANT_GROUPS, port: int = 0, name: str = "plant"
    ) -> None:
        self.catalogue = Catalogue(tags, groups)
        self.port = port
        self._log_file = folder / f"{name}_requests.csv"
        self.log = RequestLog(self._log_file, self.catalogue)
        self._errors_file = folder / f"{name}_errors.txt"
        self._command = [sys.executable, "-m", "plant.modbus_server", "--control"]
        self._command += ["--tags", str(tags), "--groups", str(groups), "--log", str(self._log_file)]
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        path = os.pathsep.join(filter(None, (str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH"))))
        with self._errors_file.open("w", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONPATH": path},
            )
        threading.Thread(target=self._read_lines, args=(self._process,), daemon=True).start()
        try:
            self.port = self._read_port()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """``host:port`` as modbus_driver wants it."""
        return f"127.0.0.1:{self.port}"

    def tags_csv(self, file: Path) -> Path:
        """Write the tag list; returns ``file``."""
        self.catalogue.write_csv(file)
        return file

    def source_yaml(self, tags_csv: Path, interval: str = "1s", timeout: str = "2s") -> str:
        """The ``sources:`` part of an agent.yaml that polls this plant."""
        return self.catalogue.source_yaml(self.address, tags_csv, interval, timeout)

    def pause(self) -> None:
        """Stop listening and drop every connection."""
        self._order("pause")

    def resume(self) -> None:
        """Listen again on the same port."""
        self._order("resume")

    def drop(self) -> None:
        """Drop every connection; new ones are welcome."""
        self._order("drop")

    def hang(self) -> None:
        """Accept connections and requests, answer none."""
        self._order("hang")

    def unhang(self) -> None:
        """Answer new requests again; those that hung stay without an answer."""
        self._order("unhang")

    def refuse(self, register: int, count: int = 1) -> None:
        """Refuse reads that touch these holding registers, too."""
        self._order(f"refuse {register} {count}")

    def silence(self, register: int, count: int = 1) -> None:
        """Leave reads that touch these holding registers without an answer, too."""
        self._order(f"silence {register} {count}")

    def allow(self) -> None:
        """Refuse nothing any more, and answer everything."""
        self._order("allow")

    def delay(self, seconds: float) -> None:
        """Answer this much later. Longer than the client waits, the log says *served* of what it never got."""
        self._order(f"delay {seconds}")

    def set_coil(self, address: int, state: bool) -> None:
        """Set a coil, as a PLC program would."""
        self._order(f"coil {address} {int(state)}")

    def wait_for_coil(self, address: int, state: bool) -> None:
        """Return once the coil has that state. RuntimeError after 5 s."""
        self._order(f"wait {address} {int(state)}")

    def stop(self) -> None:
        """End the process, by force if it does not obey. Safe twice."""
        process = self._process
        if process is None:
            return
        assert process.stdin
        try:
            process.stdin.close()  # its cue to end
            process.wait(ANSWER_SECONDS)
        except (OSError, subprocess.TimeoutExpired):
            self.kill()
        self._forget()

    def kill(self) -> None:
        """End the process as a power cut would. Safe twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(ANSWER_SECONDS)
            self._forget()

    def _read_port(self) -> int:
        line = self._line(START_SECONDS)
        if not line.startswith("listening port="):
            raise RuntimeError(f"the plant did not start: {line!r} {self._errors_file.read_text('utf-8')}")
        return int(line.partition("=")[2])

    def _forget(self) -> None:
        process, self._process = self._process, None
        for stream in (process.stdin, process.stdout) if process else ():
            if stream:
                stream.close()

    def _order(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._line(ANSWER_SECONDS)
        if answer != "ok":
            raise RuntimeError(f"the plant answered {line!r} with {answer!r}")

    def _line(self, seconds: float) -> str:
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            raise RuntimeError(f"the plant said nothing for {seconds:g} s") from None

    def _read_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout
        try:
            for line in process.stdout:
                self._lines.put(line.strip())
        except ValueError:  # closed while reading
            return
        self._lines.put("(end)")
