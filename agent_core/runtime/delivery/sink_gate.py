"""SinkGate: the state of one sink, and who may write to it now."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from agent_core.api import AuthenticationError, Clock, ConfigurationError, Lease, RetryableError, SinkState
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.retry import wished_seconds
from agent_core.runtime.error_words import text_of

StateChanged = Callable[[SinkState, SinkState, str, float | None], None]
"""``(old, new, reason, next_probe_seconds)``; called outside the gate's lock, by one thread at a time, in order."""

WRITABLE = frozenset({SinkState.UP, SinkState.RETRYING})
PROBED = frozenset({SinkState.DOWN, SinkState.THROTTLED, SinkState.LOCKED_OUT, SinkState.MISCONFIGURED})
"""States in which exactly one worker writes, as the probe."""


@dataclass(frozen=True, slots=True)
class ProbeIntervals:
    """Seconds until the next probe: after an outage or a refused log-in, and after the errors that last longer."""

    normal: float
    slow: float

    def after(self, error: BaseException) -> tuple[SinkState, float]:
        """The state that an error leads to when its retries are used up, and the wait until the first probe."""
        if isinstance(error, AuthenticationError):
            return SinkState.LOCKED_OUT, self.normal
        if isinstance(error, ConfigurationError):
            return SinkState.MISCONFIGURED, self.slow
        if isinstance(error, RetryableError):
            wished = wished_seconds(error) or 0.0
            if error.throttle:
                return SinkState.THROTTLED, max(self.slow, wished)
            return SinkState.DOWN, max(self.normal, wished)
        return SinkState.DOWN, self.normal


class SinkGate:
    """Holds the state and the leases that are in flight; all waiting of a delivery's workers is on ``changed``.

    Call ``locked_`` methods with the lock held. ``closed``, ``writable`` and ``take_off`` do without it; every other
    method takes it. While the sink is up a batch takes it once, when its write returns.
    """

    def __init__(self, clock: Clock, on_change: StateChanged) -> None:
        self.changed = threading.Condition()
        self._clock = clock
        self._on_change = on_change
        self._state = SinkState.UP
        self._probe_at = 0.0
        self._prober: object | None = None
        self._before_pause = SinkState.UP
        self._last_error: BaseException | None = None
        self._closed = False
        self._failing_since: float | None = None
        self._returned_at = -math.inf
        self._flights: dict[LeaseFlight, None] = {}
        """In the order in which they took off."""
        self._unannounced: deque[tuple[SinkState, SinkState, str, float | None]] = deque()
        self._announcing = False

    @property
    def state(self) -> SinkState:
        with self.changed:
            return self._state

    @property
    def last_error(self) -> BaseException | None:
        """Why the sink last entered a state other than up; None when it never did."""
        with self.changed:
            return self._last_error

    @property
    def closed(self) -> bool:
        """True once ``close`` was called: workers hand back what they hold and end."""
        return self._closed

    @property
    def writable(self) -> bool:
        """True while every worker may write.

        The lock would add nothing: it is not held during the write, so in either case a state that changes now finds
        the write in progress.
        """
        return self._state in WRITABLE and not self._closed

    def close(self) -> None:
        """Let nobody write any more; wake every worker."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()

    def sleep(self, seconds: float) -> bool:
        """Wait ``seconds``; False as soon as the gate is closed."""
        until = self._clock.monotonic() + seconds
        with self.changed:
            while not self._closed and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self.changed, left)
            return not self._closed

    def take_off(self, flight: LeaseFlight, *, diverting: bool = False) -> None:
        """A worker has leased a batch. The shutdown finds it here if the worker hangs.

        ``diverting``: it goes straight to the fallback, so at no moment may the shutdown take it over.
        """
        flight.diverting = diverting
        self._flights[flight] = None  # atomic, as is the copy that land_all makes

    def returned(self, flight: LeaseFlight) -> bool:
        """The write returned: the sink is up and the flight is over. True when the caller must settle the lease."""
        with self.changed:
            self._locked_up(flight, "a write returned")
            self._returned_at = self._clock.monotonic()
            mine = self._locked_land(flight)
        self._announce()
        return mine

    def land(self, flight: LeaseFlight) -> bool:
        """End a flight in any other way. True when the caller must settle or release the lease."""
        with self.changed:
            self._locked_end_probe(flight)
            if flight.diverting:
                self.changed.notify_all()
            return self._locked_land(flight)

    def land_all(self) -> list[Lease]:
        """Take over every lease in flight: its worker hangs, or its records may be in the sink.

        The caller must settle or release them. Those on their way into the fallback are left out: two would store them.
        """
        with self.changed:
            flights = [flight for flight in tuple(self._flights) if not flight.diverting]
            return [flight.lease for flight in flights if self._locked_land(flight)]

    def begin_divert(self, flight: LeaseFlight) -> bool:
        """The caller is about to store the flight's records in the fallback; False when they are no longer its own."""
        with self.changed:
            flight.diverting = not flight.landed
            return flight.diverting

    def end_divert(self, flight: LeaseFlight) -> None:
        """The fallback did not take them."""
        with self.changed:
            flight.diverting = False
            self.changed.notify_all()

    def locked_diverting(self) -> bool:
        """True while records of a flight are on their way into the fallback."""
        return any(flight.diverting for flight in tuple(self._flights))

    def failing_seconds(self) -> float:
        """Seconds since the first failure after which no write has returned; 0.0 when there is none."""
        with self.changed:
            return 0.0 if self._failing_since is None else self._clock.monotonic() - self._failing_since

    def longest_write_seconds(self) -> float:
        """How long the oldest write under way has taken so far; 0.0 when there is none."""
        began = [since for flight in tuple(self._flights) if (since := flight.calling_since) is not None]
        return self._clock.monotonic() - min(began) if began else 0.0

    def hanging_seconds(self) -> float:
        """The same, if no other write has returned since that one began; else 0.0."""
        longest = self.longest_write_seconds()
        return longest if self._returned_at <= self._clock.monotonic() - longest else 0.0

    def locked_closed(self) -> bool:
        return self._closed

    def next_probe_seconds(self) -> float | None:
        """Seconds until the next probe; None outside the states that probe."""
        with self.changed:
            return max(0.0, self._probe_at - self._clock.monotonic()) if self._state in PROBED else None

    def locked_state(self) -> SinkState:
        return self._state

    def locked_probe_at(self) -> float:
        """When the next probe is due, in the clock's monotonic seconds."""
        return self._probe_at

    def locked_claim_probe(self, worker: object) -> bool:
        """True when the probe is due and belongs to ``worker``, which then calls ``up``, ``down`` or ``give_back``."""
        if self._state not in PROBED:
            return False
        if self._prober is None and self._clock.monotonic() >= self._probe_at:
            self._prober = worker
        return self._prober is worker

    def locked_is_prober(self, worker: object) -> bool:
        return self._prober is worker

    def admits(self, worker: object) -> bool:
        """True while ``worker`` may write: anyone when the sink is writable, else the prober alone."""
        with self.changed:
            return self._state in WRITABLE or self._prober is worker

    def give_back(self, worker: object) -> None:
        """``worker`` writes nothing for now. A probe that it claimed and did not make is free again."""
        with self.changed:
            self._locked_end_probe(worker)

    def probe_now(self) -> bool:
        """Make the next probe due at once; False in a state that does not probe."""
        with self.changed:
            self._probe_at = self._clock.monotonic()
            self.changed.notify_all()
            return self._state in PROBED

    def up(self, worker: object, reason: str) -> None:
        """A write returned. A paused sink stays paused and resumes as ``up``."""
        with self.changed:
            self._locked_up(worker, reason)
        self._announce()

    def retrying(self, error: BaseException) -> bool:
        """A first failure: ``up`` becomes ``retrying``. False when the sink is already down, or paused."""
        with self.changed:
            if self._state not in WRITABLE:
                return False
            self._last_error = error
            self._locked_failing()
            self._locked_enter(SinkState.RETRYING, text_of(error), None)
        self._announce()
        return True

    def down(self, worker: object, state: SinkState, error: BaseException, probe_in_seconds: float) -> None:
        """Enter a state that probes. A late failure of a worker other than the prober does not delay the probe."""
        with self.changed:
            was_prober = self._prober is worker
            self._locked_end_probe(worker)
            old = self._state
            self._locked_failing()
            if old is SinkState.PAUSED:
                self._before_pause = state
                return
            if old in PROBED and not was_prober:
                return
            self._last_error = error
            self._locked_enter(state, text_of(error), probe_in_seconds)
            self._probe_at = self._clock.monotonic() + probe_in_seconds
            self.changed.notify_all()
        self._announce()

    def pause(self) -> None:
        """No writes until ``resume``; a write in progress ends."""
        with self.changed:
            if self._state is SinkState.PAUSED:
                return
            self._before_pause = self._state
            self._locked_enter(SinkState.PAUSED, "paused by the operator", None)
            self.changed.notify_all()
        self._announce()

    def resume(self) -> None:
        """Return to the state before the pause; if that state probes, a probe is due at once."""
        with self.changed:
            if self._state is not SinkState.PAUSED:
                return
            self._locked_enter(self._before_pause, "resumed by the operator", None)
            self._probe_at = self._clock.monotonic()
            self.changed.notify_all()
        self._announce()

    def _locked_up(self, worker: object, reason: str) -> None:
        self._locked_end_probe(worker)
        self._failing_since = None
        if self._state is SinkState.PAUSED:
            self._before_pause = SinkState.UP
        elif self._state is not SinkState.UP:
            self._locked_enter(SinkState.UP, reason, None)
            self.changed.notify_all()

    def _locked_failing(self) -> None:
        if self._failing_since is None:
            self._failing_since = self._clock.monotonic()

    def _locked_enter(self, state: SinkState, reason: str, next_probe_seconds: float | None) -> None:
        if self._state is not state:
            self._unannounced.append((self._state, state, reason, next_probe_seconds))
            self._state = state

    def _announce(self) -> None:
        """Announce what is not announced yet, unless another thread is doing so: it then announces this too."""
        while self._unannounced:  # read without the lock: a change of our own is already there
            with self.changed:
                if self._announcing or not self._unannounced:
                    return
                self._announcing = True
                change = self._unannounced.popleft()
            try:
                self._on_change(*change)
            finally:
                with self.changed:
                    self._announcing = False

    def _locked_end_probe(self, worker: object) -> None:
        if self._prober is worker:
            self._prober = None
            self.changed.notify_all()

    def _locked_land(self, flight: LeaseFlight) -> bool:
        self._flights.pop(flight, None)
        landed, flight.landed = flight.landed, True
        return not landed
