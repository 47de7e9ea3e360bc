"""What stands in for sys.stdout and sys.stderr."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from io import TextIOBase
from typing import Final, TextIO

from agent_core.cli.streams.outlet import FLUSH_SECONDS, Outlet

MAX_UNFINISHED: Final = 64 * 1024
"""Characters of a line without an end that are kept until it comes."""

_GONE: Final = (errno.EPIPE, errno.EINVAL) if os.name == "nt" else (errno.EPIPE,)
"""How a write fails when the reader of a pipe has gone."""


class Proxy(TextIOBase):
    """Everything but writing is that of ``stream``."""

    def __init__(self, stream: TextIO) -> None:
        self.stream: Final = stream

    def __del__(self) -> None:
        """Leave the stream as it is: that of TextIOBase closes, thus flushes, and waits for whoever does not read."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self.stream.encoding

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        return self.stream.errors

    def __getattr__(self, name: str) -> object:
        """What only some streams have: ``reconfigure``, ``name``; also ``buffer``, which may block."""
        return getattr(self.stream, name)

    def fileno(self) -> int:
        return self.stream.fileno()

    def isatty(self) -> bool:
        return self.stream.isatty()

    def writable(self) -> bool:
        return True


class DirectStream(Proxy):
    """Writes at once. A reader that has gone (``tagferry status | head -1``) is not an error: nobody gets the rest.

    So a command ends as it would have, with its own exit code. Another error is raised when the output is ``needed``;
    otherwise the rest is lost as well.
    """

    def __init__(self, stream: TextIO, *, needed: bool = True) -> None:
        super().__init__(stream)
        self._needed = needed

    def write(self, text: str, /) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self._forgive(error)
            return len(text)

    def flush(self) -> None:
        try:
            self.stream.flush()
        except OSError as error:
            self._forgive(error)

    def _forgive(self, error: OSError) -> None:
        if self._needed and error.errno not in _GONE:
            raise error
        lead_nowhere(self.stream)


class QueuedStream(Proxy):
    """Writes through an Outlet, whole lines at a time: neither ``write`` nor ``flush`` waits or raises.

    Without an outlet the text is lost: the stream was closed before the process started.
    """

    def __init__(self, stream: TextIO, outlet: Outlet | None) -> None:
        super().__init__(stream)
        self.outlet: Final = outlet
        self._unfinished: list[str] = []

    def write(self, text: str, /) -> int:
        if self.outlet is not None:
            self._unfinished.append(text)
            if text.endswith("\n") or sum(map(len, self._unfinished)) > MAX_UNFINISHED:
                self.flush()
        return len(text)

    def flush(self) -> None:
        """Begin to write a line that has no end yet."""
        unfinished, self._unfinished = self._unfinished, []
        if unfinished and self.outlet is not None:
            self.outlet.put("".join(unfinished))


def drained(stream: TextIO | Proxy, seconds: float = FLUSH_SECONDS) -> bool:
    """True when all that was written to ``stream`` has been taken by whoever reads; a QueuedStream gets ``seconds``."""
    stream.flush()
    if not isinstance(stream, QueuedStream):
        return True
    return stream.outlet is not None and stream.outlet.drain(seconds)


def lead_nowhere(stream: TextIO | Proxy) -> None:
    """From now on ``stream`` writes into nothing, and what it still holds goes there, too."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)
        stream.flush()
