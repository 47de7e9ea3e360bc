"""ForeignLimit: a warning of another library that repeats."""

from __future__ import annotations

import logging

from agent_core.cli.logging.foreign_limit import ForeignLimit
from agent_core.testing.clock import ManualClock


def test_a_warning_of_another_library_passes_once_per_minute_with_the_count_of_the_others() -> None:
    clock = ManualClock()
    limit = ForeignLimit(clock, ["agent_core"])

    def passes(line: int, logger: str = "uvicorn.error", level: int = logging.WARNING) -> str | None:
        made = logging.LogRecord(logger, level, "h11_impl.py", line, "Invalid %s", ("100 %",), None)
        passed = [limit.filter(made) for _ in ("standard error", "file")]
        assert passed[0] is passed[1]
        return made.getMessage() if passed[0] else None

    assert passes(1) == passes(2) == "Invalid 100 %"
    assert [passes(1) for _ in range(5)] == [None] * 5
    assert passes(1, logger="agent_core.agent") == passes(1, level=logging.INFO) == "Invalid 100 %"
    clock.advance(60.0)
    assert passes(1) == "Invalid 100 % repeated=5"
