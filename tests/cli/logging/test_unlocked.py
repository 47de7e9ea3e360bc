"""A handler without a lock works with every version of ``logging``."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable

import pytest

from agent_core.cli.logging.background import BackgroundHandler
from agent_core.cli.logging.terminal import TerminalHandler
from agent_core.cli.text.terminal import Terminal
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS


def handle(self: logging.Handler, record: logging.LogRecord) -> bool:
    """That of ``logging.Handler`` since Python 3.13."""
    passed = bool(self.filter(record))
    if passed:
        with self.lock:  # type: ignore[union-attr]
            self.emit(record)
    return passed


@pytest.mark.parametrize(
    "handler_of",
    [
        lambda out: TerminalHandler(Terminal(out)),
        lambda out: BackgroundHandler("log", lambda: logging.StreamHandler(out), ManualClock(), PATIENCE_SECONDS),
    ],
    ids=["terminal", "background"],
)
def test_a_record_that_passes_the_filters_is_written_and_no_other_is(
    handler_of: Callable[[io.StringIO], logging.Handler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.Handler, "handle", handle)
    out = io.StringIO()
    handler = handler_of(out)
    handler.addFilter(lambda record: record.msg != "secret")
    for text in ("kept", "secret"):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, text, None, None))
    handler.close()
    assert out.getvalue() == "kept\n"
