"""Overflow: records that leave ``emit`` for the fallback, so that no source waits for a disk."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from agent_core.api import Batch, DivertReason, DropReason, Finding, Lease, Severity
from agent_core.runtime.delivery.diverter import HANGING_SECONDS, Diverter
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import SinkGate

OVERFLOW_RECORDS: Final = 100_000
"""So many records may be on their way, those that are being stored included: half a minute at 3,000 a second."""

ADVICE_SHARE: Final = 0.1
"""An operator is told when so much of that waits: three seconds at 3,000 a second."""

SLOW_NEXT_STEP: Final = "use a faster disk for the fallback, or bring the destination back; what finds no room is lost"

NO_LEASE: Final = -1


class Parcel:
    """Records of one ``emit`` that go to the fallback for the same reason; ``details`` as in a Diversion."""

    __slots__ = ("batch", "details", "ended", "reason")

    def __init__(self, batch: Batch, reason: DivertReason, details: tuple[str, ...] | None = None) -> None:
        self.batch = batch
        self.reason = reason
        self.details = details
        self.ended = False


class Overflow:
    """A bounded queue between the sources and the fallback, and one thread that empties it. Thread-safe.

    The records are pending until the fallback has them. What finds no room, because the fallback hangs or cannot keep
    up, is dropped at once. While nobody attends to it (before the start, after the stop) the caller stores the records.
    """

    def __init__(self, context: SinkContext, diverter: Diverter, gate: SinkGate) -> None:
        self._context = context
        self._clock = context.clock
        self._diverter = diverter
        self._gate = gate
        self._changed = threading.Condition()
        self._parcels: deque[Parcel] = deque()
        self._storing: dict[Parcel, None] = {}
        """In the order in which they came."""
        self._records = 0
        self._attended = False

    @contextmanager
    def attended(self) -> Iterator[None]:
        """The caller's thread calls ``store`` whenever ``wait`` returns, until the block ends."""
        self._set_attended(True)
        try:
            yield
        finally:
            self._set_attended(False)
            while self.store():
                pass

    def _set_attended(self, attended: bool) -> None:
        with self._changed:
            self._attended = attended

    def wait(self, seconds: float) -> bool:
        """Return when there is something to store, after ``seconds`` or on ``wake``; False once the gate is closed."""
        with self._changed:
            if (not self._parcels or self._diverter.hangs) and not self._gate.closed:
                self._clock.wait(self._changed, seconds)
        return not self._gate.closed

    def wake(self) -> None:
        """The gate was closed."""
        with self._changed:
            self._changed.notify_all()

    def put(self, parcel: Parcel, *, until_stored: bool) -> None:
        """Take the records. ``until_stored``: return when the fallback has them, or hangs."""
        with self._changed:
            attended = self._attended
            fits = not self._records or self._records + len(parcel.batch) <= OVERFLOW_RECORDS
            if attended and fits:
                self._parcels.append(parcel)
                self._records += len(parcel.batch)
                self._changed.notify_all()
                if until_stored:
                    self._wait_until_stored(parcel)
        if not attended:
            self._store([parcel])
        elif not fits:
            self._diverter.drop(parcel.batch, DropReason.FALLBACK_FAILED)

    def _wait_until_stored(self, parcel: Parcel) -> None:
        until = self._clock.monotonic() + HANGING_SECONDS
        while not (parcel.ended or self._diverter.hangs) and (left := until - self._clock.monotonic()) > 0:
            self._clock.wait(self._changed, left)

    def advice(self) -> Sequence[Finding]:
        """That much waits for the fallback, in memory next to the buffer, which does not show it."""
        waiting = self._records
        if waiting < ADVICE_SHARE * OVERFLOW_RECORDS:
            return ()
        message = f"{waiting:,} records wait in memory for the fallback, besides the buffer; {OVERFLOW_RECORDS:,} may"
        return (Finding(Severity.WARNING, "overflow", message, SLOW_NEXT_STEP),)

    def store(self, *, last_try: bool = False) -> bool:
        """Hand what waits to the fallback, all that has the reason of the oldest; False when nothing waits.

        Nor does it call a fallback that hangs, unless this is the ``last_try``.
        """
        if self._diverter.hangs and not last_try:
            return False
        with self._changed:
            if not self._parcels:
                return False
            reason = self._parcels[0].reason
            mine = [parcel for parcel in self._parcels if parcel.reason is reason]
            self._parcels = deque(parcel for parcel in self._parcels if parcel.reason is not reason)
            self._storing.update(dict.fromkeys(mine))
        try:
            self._store(mine)
        finally:
            with self._changed:
                self._records -= sum(len(parcel.batch) for parcel in mine)
                self._changed.notify_all()
        return True

    def give_up(self) -> int:
        """At the end of a stop: count what is still here as dropped; how many records.

        A call that returns later counts nothing.
        """
        with self._changed:
            left = [*self._parcels, *self._storing]
            self._parcels.clear()
            left = [parcel for parcel in left if not parcel.ended]
            for parcel in left:
                parcel.ended = True
        for parcel in left:
            self._diverter.drop(parcel.batch, DropReason.SHUTDOWN)
        return sum(len(parcel.batch) for parcel in left)

    def _store(self, parcels: Sequence[Parcel]) -> None:
        """One append for all; if that fails, one for each as long as they fit. What does not is dropped."""
        with self._changed:
            self._storing.update(dict.fromkeys(parcels))
        try:
            if not self._stored(parcels) and len(parcels) > 1:
                for parcel in parcels:
                    if not self._stored([parcel]):
                        break
        finally:  # whatever was raised: what is not in the fallback by now is nowhere
            for parcel in parcels:
                if self._end([parcel]):
                    self._diverter.drop(parcel.batch, DropReason.FALLBACK_FAILED)
            with self._changed:
                for parcel in parcels:
                    self._storing.pop(parcel, None)

    def _stored(self, parcels: Sequence[Parcel]) -> bool:
        batch = parcels[0].batch if len(parcels) == 1 else Batch.join([parcel.batch for parcel in parcels])
        details = None
        if parcels[0].details is not None:
            details = tuple(detail for parcel in parcels for detail in parcel.details or ())
        reason, flight = parcels[0].reason, LeaseFlight(Lease(batch, NO_LEASE))
        self._gate.take_off(flight, diverting=True)  # a stop waits for it
        try:
            stored = self._diverter.store(batch, reason, self._clock.time_ns(), details)
            if stored is None:
                return False
            if self._end(parcels):
                if reason is DivertReason.REJECTED:
                    self._diverter.count_rejected(stored)
                else:
                    self._diverter.count_diverted(stored, reason)
            return True
        finally:
            self._gate.land(flight)

    def _end(self, parcels: Sequence[Parcel]) -> bool:
        """True when they are the caller's to count."""
        with self._changed:
            given_up = any(parcel.ended for parcel in parcels)
            for parcel in parcels:
                parcel.ended = True
            return not given_up
