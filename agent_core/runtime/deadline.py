"""Deadline: run calls that may hang, and continue when the time is up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from agent_core.api import Clock


def run_until(deadline: float, calls: Mapping[str, Callable[[], object]], clock: Clock) -> dict[str, str]:
    """Run all calls in parallel, each in a daemon thread, until ``deadline`` (the clock's monotonic seconds).

    Returns the problems by name: the exception's text, or that the call did not end in time. A call that hangs is left
    behind; it holds no lock of ours and dies with the process.
    """
    changed = threading.Condition()
    unfinished = set(calls)
    problems: dict[str, str] = {}

    def run(name: str, call: Callable[[], object]) -> None:
        problem = None
        try:
            call()
        except BaseException as error:
            problem = f"{type(error).__name__}: {error}"
        with changed:
            unfinished.discard(name)
            if problem is not None:
                problems[name] = problem
            changed.notify_all()

    for name, call in calls.items():
        threading.Thread(target=run, args=(name, call), name=f"stop-{name}", daemon=True).start()
    with changed:
        while unfinished and (left := deadline - clock.monotonic()) > 0:
            clock.wait(changed, left)
        return problems | dict.fromkeys(unfinished, "did not end in time")
