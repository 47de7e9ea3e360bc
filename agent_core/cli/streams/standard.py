"""The standard streams of the process: never missing, and in the background while an agent runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TextIO, cast

from agent_core.api import Clock
from agent_core.cli.streams.outlet import Outlet
from agent_core.cli.streams.proxy import DirectStream, Proxy, QueuedStream, lead_nowhere

_STANDARD: Final = ("stdin", "stdout", "stderr")


def make_streams_safe() -> None:
    """For a process that runs one command: a stream that is closed, or that nobody reads, fails no ``print``.

    A closed descriptor is led nowhere. Otherwise the next file that is opened would get its number, and what some
    library writes to standard error would end up in there.
    """
    for descriptor in range(len(_STANDARD)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest number that is free
    for name in _STANDARD:
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - as long as the process
    sys.stdout = cast(TextIO, DirectStream(sys.stdout))
    sys.stderr = cast(TextIO, DirectStream(sys.stderr, needed=False))


def end_streams(*, wanted: bool) -> bool:
    """Write out what is left if it is ``wanted``, and lead nowhere what cannot be written.

    Python tries again when it exits, and would then change the exit code. False: a thread may hang in a write, and
    Python would hang as well, or abort.
    """
    streams: list[TextIO | Proxy] = [sys.stdout, sys.stderr]
    for stream in streams:
        try:
            if wanted:
                stream.flush()
                continue
        except (OSError, ValueError):
            pass
        lead_nowhere(stream)
    # One whose thread has ended is not there any more: see _in_background.
    return not any(isinstance(stream, QueuedStream) for stream in streams)


@contextmanager
def streams_in_background(clock: Clock, *names: str) -> Iterator[None]:
    """Let ``print`` and everything else write to sys.stdout and sys.stderr without waiting, while the block runs.

    ``names``: of these alone. At the end, what waits is written; that takes at most a second per stream. A stream that
    hangs even then stays replaced, and takes nothing more.
    """
    with ExitStack() as streams:
        for name in names or ("stdout", "stderr"):
            streams.enter_context(_in_background(name, clock))
        yield


@contextmanager
def _in_background(name: str, clock: Clock) -> Iterator[None]:
    before = getattr(sys, name)
    queued = _queued(before, name, clock)
    setattr(sys, name, queued)
    try:
        yield
    finally:
        queued.flush()
        if queued.outlet is None or queued.outlet.close():
            setattr(sys, name, before)


def _queued(stream: TextIO | Proxy, name: str, clock: Clock) -> QueuedStream:
    under = stream.stream if isinstance(stream, Proxy) else stream
    if getattr(under, "name", None) == os.devnull:  # see make_streams_safe
        return QueuedStream(under, None)

    def write(text: str) -> None:
        under.write(text)
        under.flush()

    return QueuedStream(under, Outlet(name, write, clock))
