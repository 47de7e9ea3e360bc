"""The standard streams while something runs in front of them."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import pytest

from agent_core.api import SystemClock
from agent_core.cli.streams.outlet import Outlet
from agent_core.cli.streams.proxy import QueuedStream
from agent_core.cli.streams.standard import end_streams, streams_in_background
from agent_core.testing.suite.patience import PATIENCE_SECONDS


def test_what_is_printed_in_the_background_is_there_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with streams_in_background(SystemClock()):
        print("out")
        print("err", file=sys.stderr)
        print("no end", end="")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("out\nno end", "err\n")


def test_a_pipe_that_nobody_reads_stops_no_print_and_is_not_touched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = os.pipe()
    pipe = os.fdopen(outside, "w")
    monkeypatch.setattr(sys, "stderr", pipe)
    with streams_in_background(SystemClock(), "stderr"):
        for _ in range(1000):
            print("x" * 1000, file=sys.stderr)
    assert not end_streams(wanted=True), "Python would hang at exit"
    print("whoever still prints does not hang", file=sys.stderr, flush=True)
    os.close(inside)  # lets the thread go
    for thread in threading.enumerate():
        if thread.name == "output-stderr":
            thread.join(PATIENCE_SECONDS)
    with suppress(BrokenPipeError):
        pipe.close()


def test_after_a_ctrl_c_while_what_waits_is_written_python_is_not_let_end_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(_: Outlet) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stderr", sys.stderr)  # put back at the end
    close = Outlet.close
    monkeypatch.setattr(Outlet, "close", interrupted)
    with pytest.raises(KeyboardInterrupt), streams_in_background(SystemClock(), "stderr"):
        stream = sys.stderr
    assert not end_streams(wanted=True)
    assert isinstance(stream, QueuedStream)
    assert stream.outlet is not None
    assert close(stream.outlet)
