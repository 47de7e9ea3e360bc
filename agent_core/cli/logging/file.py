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

from agent_core.api import Clock, ConfigError, ConfigProblem, Log, write_next_step
from agent_core.api.files.private import make_private_folder, private_opener
from agent_core.config import LogFileConfig

ROTATION_RETRY_SECONDS: Final = 60.0


class LogFile(RotatingFileHandler):
    """Appends to ``path``; full files become ``path.1`` (the youngest) to ``path.<keep>``.

    Trouble with the file stops nothing: it is logged to the other handlers, once per minute with a count. Meanwhile the
    lines go to those alone, and the file is tried again with each record. Raises ConfigError when the file cannot be
    written at the start.
    """

    def __init__(self, config: LogFileConfig, clock: Clock) -> None:
        self._path = config.path
        self._clock = clock
        self._log = Log(__name__, clock)
        self._lost = 0
        self._rotate_from = 0.0
        try:
            make_private_folder(config.path.parent)
            super().__init__(config.path, maxBytes=config.max_size_bytes, backupCount=config.keep)
        except OSError as error:
            message = f"cannot write {config.path}: {error.strerror or error}"
            hint = f"{write_next_step(error)}, or choose another file"
            raise ConfigError([ConfigProblem(message, ("log", "file", "path"), hint)]) from error

    def emit(self, record: logging.LogRecord) -> None:
        lost = self._lost
        super().emit(record)
        if lost and self._lost == lost:
            # A disk that is full for long lines and not for short ones tells this once per minute, with all that was
            # lost. The counter first: this line comes here, too.
            self._lost = 0
            if not self._log.warning("log file recovered", path=self._path, lost_lines=lost, every="recovered"):
                self._lost = lost

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name that logging calls
        """Called by ``emit`` in place of a traceback on standard error."""
        error = sys.exception()
        self._drop_stream()
        self._lost += 1 + record.getMessage().count("\n")
        self._log.error(
            "log file write failed",
            path=self._path,
            error=error,
            next_step="make room or fix the folder; the agent retries automatically",
            every="write",
        )

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - the name that logging calls
        if not self._path.exists():  # deleted or moved away: start a new one
            self._drop_stream()
        return bool(super().shouldRollover(record)) and self._clock.monotonic() >= self._rotate_from

    def doRollover(self) -> None:  # noqa: N802 - the name that logging calls
        """Start a new file. Where that is impossible, the old one grows beyond its size.

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
            self._log.warning(
                "log file rotation failed",
                path=self._path,
                error=error,
                next_step="close the program that has it open",
                every="rotation",
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
        # For its owner alone, whatever the umask: a log names hosts, users and tags.
        stream = open(  # noqa: SIM115 - the handler closes it
            self._path,
            "a",
            encoding="utf-8",
            errors="backslashreplace",
            newline="\n",
            opener=private_opener,
        )
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
