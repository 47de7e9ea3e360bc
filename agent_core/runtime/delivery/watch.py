"""Watch: sees what no worker of a sink can see while it is inside a call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent_core.api import Buffer, DivertReason, RetryableError, SinkState
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.overflow import Overflow
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import PROBED, WRITABLE, SinkGate
from agent_core.runtime.delivery.workers import Workers
from agent_core.runtime.error_words import repr_of

LOOK_SECONDS: Final = 1.0
"""How often it looks."""

RELIEF_RECORDS: Final = 100_000
"""How many records leave for the fallback at once: one write and one sync of the disk for all of them."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: a write under way for longer than ``write`` hangs, and the sink is down.

    Records wait in the buffer for at most ``divert_after`` while the sink fails or a write has not returned; None when
    they need not leave it (a durable buffer, or no fallback).
    """

    write: float
    divert_after: float | None


class Watch:
    """Looks at one sink about once a second, in two threads of its own.

    A write that has not returned for longer than its limit, or a sink without a worker, becomes the state ``down``.
    While the sink fails or a write hangs, records that wait too long in a volatile buffer leave for the fallback, as
    in an outage, although every worker may be busy with an attempt.
    """

    def __init__(
        self,
        context: SinkContext,
        buffer: Buffer,
        gate: SinkGate,
        diverter: Diverter,
        overflow: Overflow,
        workers: Workers,
        limits: Limits,
        probe_seconds: float,
    ) -> None:
        self._context = context
        self._clock = context.clock
        self._buffer = buffer
        self._gate = gate
        self._diverter = diverter
        self._overflow = overflow
        self._workers = workers
        self._limits = limits
        self._probe_seconds = probe_seconds

    def run(self, look_elsewhere: Callable[[], None] = lambda: None) -> None:
        """Look at the calls until the gate closes, and there as well; the body of a thread."""

        def look() -> None:
            self.look_at_calls()
            look_elsewhere()

        self._each_time(partial(self._gate.sleep, LOOK_SECONDS), look)

    def run_relief(self) -> None:
        """Empty the overflow and relieve the buffer until the gate closes; the body of another thread.

        It is the only one besides the workers' that waits for the fallback, which may hang.
        """
        with self._overflow.attended():
            self._each_time(partial(self._overflow.wait, LOOK_SECONDS), self._relieve_all)

    def _relieve_all(self) -> None:
        self._overflow.store()
        self.relieve()

    def _each_time(self, wait: Callable[[], bool], look: Callable[[], None]) -> None:
        while wait():
            try:
                look()
            except BaseException as error:
                sink_id = self._context.sink_id
                with suppress(BaseException):  # nothing that a log handler does ends the watch either
                    self._context.log.error(
                        "watch failed", sink=sink_id, error=repr_of(error), every=sink_id, exc_info=error
                    )

    def look(self) -> None:
        """Compare the calls, the workers and the buffer with their limits, now."""
        self.look_at_calls()
        self.relieve()

    def look_at_calls(self) -> None:
        """A write that hangs, or no worker, makes the sink ``down``; a fallback that hangs is named."""
        self._diverter.name_hanging()
        if self._gate.state in WRITABLE:
            if self._workers.all_lost:
                self._down("no worker is left to write", "restart the agent; its log says why they ended")
            elif self._gate.hanging_seconds() >= self._limits.write:
                self._down(
                    f"a write has not returned for longer than its limit ({self._limits.write:g} s)",
                    "check the destination and the network; if it stays, restart the agent",
                )
        self._workers.make_up_for(self._diverter.hanging_threads())  # raises when no thread is to be had

    def relieve(self) -> None:
        """Hand the records that have waited too long to the fallback.

        On a slow disk there are more each time, and the overflow has its turn between them.
        """
        while self._must_leave() and self._relieve():
            self._overflow.store()

    def _down(self, what: str, next_step: str) -> None:
        error = RetryableError(f"{what} ({next_step})", next_step=next_step)
        self._gate.down(self, SinkState.DOWN, error, self._probe_seconds)

    def _must_leave(self) -> bool:
        """True when records that wait should leave for the fallback.

        While the sink is down that is at once: workers divert their batches as well, but on a slow disk not as fast as
        records come, and a full buffer would delay the sources. While it fails or a write hangs it is when the oldest
        has waited too long.
        """
        after, state = self._limits.divert_after, self._gate.state
        if after is None or state is SinkState.PAUSED or self._gate.closed or self._diverter.hangs:
            return False
        if state in PROBED:
            return True
        failing = max(self._gate.failing_seconds(), self._gate.longest_write_seconds())
        return failing >= after and self._buffer.stats().oldest_age_seconds >= after

    def _relieve(self) -> bool:
        """Hand what is ready to the fallback; False when there was nothing, or it did not take it."""
        if (lease := self._buffer.lease(RELIEF_RECORDS, 0)) is None:
            return False
        flight = LeaseFlight(lease)
        self._gate.take_off(flight, diverting=True)
        reason, stored = DivertReason.SINK_DOWN, None
        try:
            stored = self._diverter.store(lease.batch, reason, self._clock.time_ns(), None)
            if stored is not None:
                self._diverter.count_diverted(stored, reason)
                self._buffer.settle(lease)
        finally:
            self._gate.land(flight)
            if stored is None:
                self._buffer.release(lease)
        return stored is not None
