"""PeerProcess: a real server for a driver in a process of its own, and the server's side of that.

A module of ``plant.servers`` is run with ``python -m plant.servers.<module> --control``. It prints
``listening port=N direct=M`` (through its ``TcpGate``, and past it), then obeys lines on stdin, answers each with
``ok`` or ``error ...``, and ends when stdin does.
"""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

START_SECONDS = 120.0
ANSWER_SECONDS = 60.0


class PeerProcess:
    """Started by ``with`` or ``start``; stopped, at the latest, at the end of ``with``.

    Orders return when the server has obeyed. Raises RuntimeError when it does not answer in time. After ``kill`` or
    ``stop``, ``start`` runs a new process on the same port.
    """

    def __init__(self, module: str, folder: Path, *arguments: str, port: int = 0) -> None:
        self.port = port
        self.direct_port = 0
        self._module = module
        self._arguments = arguments
        self._errors_file = folder / f"{module}_errors.txt"
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> str:
        """``host:port`` of the gate."""
        return f"127.0.0.1:{self.port}"

    @property
    def direct_address(self) -> str:
        """``host:port`` of the server itself, for measurements."""
        return f"127.0.0.1:{self.direct_port}"

    def start(self) -> None:
        """Run the server and wait until it listens."""
        command = [sys.executable, "-m", f"plant.servers.{self._module}", "--control", "--port", str(self.port)]
        self._lines = queue.Queue()
        with self._errors_file.open("a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [*command, *self._arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                encoding="utf-8",
            )
        threading.Thread(target=self._read_lines, args=(self._process, self._lines), daemon=True).start()
        try:
            self.port, self.direct_port = self._read_ports()
        except BaseException:
            self.kill()
            raise

    def order(self, line: str) -> None:
        """Pass one line to the server, and wait until it has obeyed."""
        assert self._process is not None
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        answer = self._line(ANSWER_SECONDS)
        if answer != "ok":
            raise RuntimeError(f"{self._module} answered {line!r} with {answer!r}")

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

    def _read_ports(self) -> tuple[int, int]:
        line = self._line(START_SECONDS)
        found = re.fullmatch(r"listening port=(\d+) direct=(\d+)", line)
        if found is None:
            raise RuntimeError(f"{self._module} did not start: {line!r} {self._errors_file.read_text('utf-8')}")
        return int(found[1]), int(found[2])

    def _forget(self) -> None:
        process, self._process = self._process, None
        for stream in (process.stdin, process.stdout) if process else ():
            if stream:
                stream.close()

    def _line(self, seconds: float) -> str:
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            raise RuntimeError(f"{self._module} said nothing for {seconds:g} s") from None

    @staticmethod
    def _read_lines(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
        assert process.stdout
        try:
            for line in process.stdout:
                lines.put(line.strip())
        except ValueError:  # closed while reading
            return
        lines.put("(end)")


def obey_stdin(obey: Callable[[str], bool]) -> None:
    """The server's side: carry out each line of stdin until it ends. ``obey`` is False for a line it does not know."""
    for line in sys.stdin:
        try:
            print("ok" if obey(line) else f"error unknown line {line!r}", flush=True)
        except (ValueError, OSError, RuntimeError) as error:
            print(f"error {error}", flush=True)
