"""AgentProcess: ``tagferry run`` as a user starts it, in its own process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType

from agent_core.testing.suite.defects import check_output
from agent_core.testing.suite.patience import PATIENCE_SECONDS, PROCESS_SECONDS

AGENT = (sys.executable, "-m", "agent_core.cli.main")


class AgentProcess:
    """Runs a YAML file in its folder; always stopped at the end, by its own process id.

    ``output`` is everything it has written so far; ``echo`` also prints it. ``stop`` sends SIGINT (Ctrl-Break on
    Windows) and returns the exit code. A traceback in the output fails the ``with`` block at its end, except for the
    events of the log that the run ``provokes``.
    """

    def __init__(
        self,
        file: Path,
        environ: Mapping[str, str] | None = None,
        *,
        echo: bool = False,
        provokes: Collection[str] = (),
    ) -> None:
        self._echo = echo
        self._provokes = provokes
        self._command = [*AGENT, "run", file.name, "--status-every", "100ms"]
        self._folder = file.parent
        self._environ = {**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})}
        self._process: subprocess.Popen[str] | None = None
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> AgentProcess:
        self._process = subprocess.Popen(
            self._command,
            cwd=self._folder,
            env=self._environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            # Its own group, so that on Windows Ctrl-Break reaches nothing else.
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        process = self._running()
        with self._changed:
            self._changed.wait_for(lambda: self._ended, PATIENCE_SECONDS)
        assert process.stdout is not None
        process.stdout.close()
        if kind is None:
            check_output(self.output, self._provokes)

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def output(self) -> str:
        with self._changed:
            return "".join(self._lines)

    def wait_for(self, text: str, seconds: float = PROCESS_SECONDS) -> None:
        """Return once ``text`` has been written. Raises AssertionError with the output if it does not appear."""
        with self._changed:
            found = self._changed.wait_for(lambda: text in "".join(self._lines) or self._ended, seconds)
        assert found, f"{text!r} did not come within {seconds} s:\n{self.output}"
        assert text in self.output, f"{text!r} never came:\n{self.output}"

    def stop(self, seconds: float = PROCESS_SECONDS) -> int:
        """Ask it to stop, as Ctrl-C does; its exit code."""
        self.interrupt()
        return self.wait(seconds)

    def interrupt(self) -> None:
        """Ask it to stop; returns at once."""
        self._running().send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))

    def wait(self, seconds: float = PROCESS_SECONDS) -> int:
        """Wait until it has ended; its exit code."""
        process = self._running()
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the agent did not end within {seconds} s:\n{self.output}") from None
        with self._changed:
            self._changed.wait_for(lambda: self._ended, PATIENCE_SECONDS)
        return code

    def running(self) -> bool:
        """True while it runs."""
        return self._running().poll() is None

    def kill(self) -> None:
        """End it at once, as a power cut does. Safe if it has already ended."""
        process = self._running()
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE_SECONDS)

    def ledger(self, sink_id: str) -> dict[str, int]:
        """The final ledger of one sink, by column, as it was printed."""
        lines = self.output.splitlines()
        header = max(number for number, line in enumerate(lines) if line.startswith("sink ") and "balances" in line)
        totals = next(line for line in lines[header:] if line.startswith(f"{sink_id} "))
        assert totals.split()[-1] == "yes", f"the ledger does not balance:\n{self.output}"
        amounts = [int(text.replace(",", "")) for text in totals.split()[1:-1]]
        return dict.fromkeys(("duplicates", "rejected", "diverted"), 0) | dict(
            zip(lines[header].split()[1:-1], amounts, strict=True)
        )

    def places(self, sink_id: str) -> dict[str, int]:
        """Where the records of one sink are, as it was printed at the stop; ``written back`` is not among them."""
        lines = self.output.splitlines()
        header = max(number for number, line in enumerate(lines) if line.startswith("where the records are "))
        row = next(line for line in lines[header:] if line.startswith(f"{sink_id} "))
        names = re.split(r"\s{2,}", lines[header].strip())[1:]
        amounts = [int(text.replace(",", "").lstrip("~")) for text in row.split()[1:]]
        return dict(zip(names, amounts, strict=True))

    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "not started"
        return self._process

    def _read(self) -> None:
        stdout = self._running().stdout
        assert stdout is not None
        for line in stdout:
            if self._echo:
                print(line, end="", flush=True)
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def wait_until(condition: Callable[[], bool], seconds: float = PROCESS_SECONDS, what: str = "it") -> None:
    """Poll a condition of another process, which no Condition tells us of. Raises AssertionError in the end."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.05)
