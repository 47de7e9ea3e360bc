"""BackgroundHandler: a log handler that may be slow or stuck, and stops nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from typing import Final

from agent_core.api import Clock, Log
from agent_core.cli.logging.unlocked import UnlockedHandler
from agent_core.cli.streams.outlet import Outlet

OPEN_SECONDS: Final = 5.0
"""How long a start waits for the log file: a network share that is away may take minutes."""


class BackgroundHandler(UnlockedHandler):
    """Formats a record where it is logged; opens another handler and gives it the text in the thread of an Outlet.

    ``name`` is the output's in the log. What ``open_target`` raises within ``seconds`` is raised here. When it takes
    longer, lines wait for it, and ``opened`` is False; should it fail then, each line tries again.

    ``stuck`` is True after a ``close`` that could not end the thread; the target is then left open.
    """

    def __init__(
        self, name: str, open_target: Callable[[], logging.Handler], clock: Clock, seconds: float = OPEN_SECONDS
    ) -> None:
        super().__init__()
        self._open_target = open_target
        self._target: logging.Handler | None = None
        self._log = Log(__name__, clock)
        self._first_try: Future[None] = Future()  # cancelled when nobody waits for it any more
        self._outlet = Outlet(name, self._write, clock)
        self.stuck = False
        self._outlet.put("")
        try:
            wait((self._first_try,), seconds)
            if not self._first_try.cancel():
                self._first_try.result()
        except BaseException:
            self._outlet.close()
            raise

    @property
    def opened(self) -> bool:
        return self._target is not None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
        else:
            self._outlet.put(text + "\n")

    def close(self) -> None:
        self._outlet.tell()
        self.stuck = not self._outlet.close()
        if not self.stuck:
            self._outlet.tell()  # what was lost meanwhile
            if self._target is not None:
                self._target.close()
        super().close()

    def _write(self, text: str) -> None:
        if self._target is None:
            try:
                self._target = self._open_target()
            except Exception as error:
                with suppress(InvalidStateError):
                    self._first_try.set_exception(error)
                    return
                self._log.error("log file not opened", error=error, every="open")
                if not text:
                    return
                raise
            with suppress(InvalidStateError):
                self._first_try.set_result(None)
        if text:
            # The target has no formatter, so the message is what it writes, with an end of its own.
            lines = text.removesuffix("\n")
            self._target.handle(logging.LogRecord(__name__, logging.INFO, "", 0, lines, None, None))
