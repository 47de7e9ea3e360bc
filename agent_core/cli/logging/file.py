"""LogFile: the log in a file that the agent rotates itself."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from agent_core.api import Clock, ConfigError, ConfigProblem, RateLimit
from agent_core.config import LogFileConfig

_logger = logging.getLogger(__name__)

ROTATION_RETRY_SECONDS: Final = 60.0


class LogFile(RotatingFileHandler):
    """Appends to ``path``; full files become ``path.1`` (the youngest) to ``path.<keep>``.

    What goes wrong with the file stops nothing: it is a record for the other handlers, once a minute with a count, the
    lines meanwhile are in those alone, and the file is tried again with each record. Raises ConfigError when the file
    cannot be written at the start.
    """

    def __init__(self, config: LogFileConfig, clock: Clock) -> None:
        self._path = config.path
        self._clock = clock
        self._faults = RateLimit(clock)
        self._lost = 0
        self._rotate_from = 0.0
        try:
            config.path.parent.mkdir(parents=True, exist_ok=True)
            super().__init__(config.path, maxBytes=config.max_size_bytes, backupCount=config.keep)
        except OSError as error:
            message = f"cannot write {config.path}: {error.strerror or error}"
            hint = "give the agent's user the right to write there, or name another file"
            raise ConfigError([ConfigProblem(message, ("log", "file", "path"), hint)]) from error

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        # A disk that is full for long lines and not for short ones tells this once a minute, with all that was lost.
        if lost and self._lost == lost and self._faults.allow("again") is not None:
            self._lost = 0
            _logger.warning("log file written again: path=%s lines_lost=%d", self._path, lost)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802 - the name that logging calls
        """Called by ``emit`` in place of a traceback on standard error."""
        error = sys.exception()
        self._drop_stream()
        self._lost += 1
        if (repeats := self._faults.allow("write")) is not None:
            _logger.error(
                "log file not written: path=%s error=%s%s; make room or mend the folder, the agent goes on trying",
                self._path,
                error,
                repeats,
            )

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the name that logging calls
        if not self._path.exists():  # deleted or moved away: begin anew
            self._drop_stream()
        return bool(super().shouldRollover(record)) and self._clock.monotonic() >= self._rotate_from

    def doRollover(self) -> None:  # noqa: N802 - the name that logging calls
        """Begin a new file. Where that is impossible the old one goes on, beyond its size.

        The file is moved aside first: on Windows that fails while somebody else has it open, and then the older ones
        must stay what they are.
        """
        self._drop_stream()
        aside = self._numbered(0)
        try:
            if aside.exists():
                self._shift()
            self._path.replace(aside)
            self._shift()
        except OSError as error:
            self._rotate_from = self._clock.monotonic() + ROTATION_RETRY_SECONDS
            if (repeats := self._faults.allow("rotation")) is not None:
                _logger.warning(
                    "log file not rotated: path=%s error=%s%s; close the program that has it open",
                    self._path,
                    error,
                    repeats,
                )
        if self.stream is None:
            self.stream = self._open()

    def _shift(self) -> None:
        """``path.0`` becomes ``path.1``, and so on up to the first number that is free."""
        free = next((number for number in range(1, self.backupCount + 1) if not self._numbered(number).exists()), None)
        for number in range(free or self.backupCount, 0, -1):
            self._numbered(number - 1).replace(self._numbered(number))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _open(self) -> TextIOWrapper:
        torn = _is_torn(self._path)
        stream = self._path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n")
        if torn:
            stream.write("\n")
        return stream

    def _drop_stream(self) -> None:
        stream, self.stream = self.stream, None
        if stream is not None:
            with suppress(OSError, ValueError):  # what it still holds cannot be written
                stream.close()


def _is_torn(path: Path) -> bool:
    """True when the last line has no end: the disk was full, or the power failed."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
