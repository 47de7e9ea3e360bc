"""What stands in for sys.stdout and sys.stderr."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, cast

import pytest

from agent_core.cli.streams.outlet import Outlet
from agent_core.cli.streams.proxy import MAX_UNFINISHED, DirectStream, Proxy, QueuedStream, drained
from agent_core.testing.clock import ManualClock


class Texts(Outlet):
    """Keeps what was put, and says it through a stream."""

    def __init__(self) -> None:
        self.put_texts: list[str] = []
        super().__init__("stdout", self.put_texts.append, ManualClock())
        self.stream = QueuedStream(io.StringIO(), self)

    def put(self, text: str) -> None:
        self.put_texts.append(text)

    def print(self, *words: object, end: str = "\n", flush: bool = False) -> None:
        print(*words, end=end, flush=flush, file=cast(TextIO, self.stream))


@pytest.fixture
def texts() -> Texts:
    return Texts()


def test_a_print_is_one_text_however_many_writes_it_takes(texts: Texts) -> None:
    texts.print("a", 1, "two\nlines")
    texts.print("dots", end="")
    texts.print(".")
    texts.print("[y/N] ", end="", flush=True)
    assert texts.put_texts == ["a 1 two\nlines\n", "dots.\n", "[y/N] "]


def test_a_line_that_never_ends_is_not_kept_for_ever(texts: Texts) -> None:
    for _ in range(3):
        texts.print("x" * MAX_UNFINISHED, end="")
    assert texts.put_texts
    texts.stream.flush()
    assert "".join(texts.put_texts) == "x" * 3 * MAX_UNFINISHED


def test_a_stream_that_was_closed_at_the_start_takes_nothing_and_says_so() -> None:
    stream = QueuedStream(io.StringIO(), None)
    print("the ledger", file=cast(TextIO, stream), flush=True)
    assert not drained(stream)


@pytest.mark.parametrize("proxy_of", [DirectStream, lambda stream: QueuedStream(stream, None)])
def test_it_looks_like_the_stream_that_it_stands_for(proxy_of: Callable[[TextIO], Proxy]) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    proxy = proxy_of(stream)
    assert (proxy.encoding, proxy.errors, proxy.isatty(), proxy.writable()) == ("ascii", stream.errors, False, True)
    assert proxy.buffer is stream.buffer
    proxy.reconfigure(encoding="utf-8")  # type: ignore[operator]
    assert proxy.encoding == "utf-8"
    with pytest.raises(io.UnsupportedOperation):
        proxy.fileno()
    assert not hasattr(proxy, "nothing_of_a_stream")


@pytest.mark.parametrize("proxy_of", [DirectStream, lambda stream: QueuedStream(stream, None)])
def test_one_that_is_forgotten_leaves_its_stream_alone(proxy_of: Callable[[TextIO], Proxy]) -> None:
    """To flush it would wait for a write that hangs."""

    class Stream(io.StringIO):
        flushed = False

        def flush(self) -> None:
            self.flushed = True

    stream = Stream()
    proxy = proxy_of(stream)
    del proxy
    assert (stream.flushed, stream.closed) == (False, False)


def of_pipe() -> TextIO:
    """The end of a pipe that nobody reads any more."""
    inside, outside = os.pipe()
    os.close(inside)
    return os.fdopen(outside, "w", encoding="utf-8")


@pytest.mark.parametrize(
    "say",
    [
        lambda stream: print("short", file=stream, flush=True),
        lambda stream: print("x" * 100_000, file=stream),
        lambda stream: (stream.write("short"), stream.flush()),
    ],
)
def test_a_reader_that_has_gone_is_not_an_error(say: Callable[[TextIO], object]) -> None:
    with of_pipe() as stream:
        say(cast(TextIO, DirectStream(stream)))
        say(cast(TextIO, DirectStream(stream)))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error() -> None:
    stream = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number is what matters
        print("lost", file=cast(TextIO, DirectStream(stream)), flush=True)
    assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError):  # noqa: PT011 - it still holds the line
        stream.close()
