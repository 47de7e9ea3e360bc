"""Pipeline: what happens inside ``emit``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agent_core.api import (
    Account,
    Batch,
    Clock,
    DivertReason,
    DropReason,
    Emit,
    Log,
    SourceStatus,
    Transform,
)
from agent_core.registry.events import Events
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_gate import repr_of
from agent_core.runtime.well_formed import well_formed


@dataclass(frozen=True, slots=True)
class Route:
    """One source, its transforms in order, and the deliveries that it feeds."""

    source_id: str
    source_type: str
    transforms: tuple[Transform, ...]
    deliveries: tuple[Delivery, ...]


class Pipeline:
    """Takes batches from sources to buffers, in the sources' threads. Thread-safe."""

    def __init__(self, routes: Sequence[Route], ledger: Ledger, events: Events, clock: Clock) -> None:
        # Buffers that may block come last, so that they delay no other sink.
        self._routes: Mapping[str, Route] = {
            route.source_id: replace(
                route, deliveries=tuple(sorted(route.deliveries, key=lambda delivery: delivery.buffer.blocks))
            )
            for route in routes
        }
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self._log = Log("agent_core.pipeline", clock)
        self._changed = threading.Condition()
        self._emitting = 0
        self._closed = False
        self._collected: dict[str, int] = dict.fromkeys(self._routes, 0)
        self._last_batch_ns: dict[str, int | None] = dict.fromkeys(self._routes)

    def emitter(self, source_id: str) -> Emit:
        """The ``emit`` of one source."""
        route = self._routes[source_id]

        def emit(batch: Batch) -> None:
            self._emit(route, batch)

        return emit

    def close(self, deadline: float) -> bool:
        """Refuse what is emitted from now on and wait for emits in progress; False when ``deadline`` came first."""
        with self._changed:
            self._closed = True
            while self._emitting and self._clock.monotonic() < deadline:
                self._clock.wait(self._changed, deadline - self._clock.monotonic())
            return not self._emitting

    def status(self) -> list[SourceStatus]:
        """A snapshot of every source."""
        with self._changed:
            return [
                SourceStatus(
                    route.source_id,
                    route.source_type,
                    self._collected[route.source_id],
                    self._last_batch_ns[route.source_id],
                )
                for route in self._routes.values()
            ]

    def _emit(self, route: Route, batch: Batch) -> None:
        count = len(batch)
        if not count:
            return
        try:
            batch = well_formed(batch)
        except ValueError as error:
            raise ValueError(f"{route.source_id} emitted a malformed batch: {error}") from error
        with self._changed:
            self._collected[route.source_id] += count
            self._last_batch_ns[route.source_id] = self._clock.time_ns()
            closed = self._closed
            self._emitting += not closed
        if closed:
            for delivery in route.deliveries:
                self._hand_over(route, delivery, partial(delivery.refuse, batch, None, DropReason.AGENT_STOPPING))
            return
        try:
            self._pass_on(route, batch)
        finally:
            with self._changed:
                self._emitting -= 1
                self._changed.notify_all()

    def _pass_on(self, route: Route, batch: Batch) -> None:
        self._events.batch_collected(route.source_id, batch)
        transformed = batch
        try:
            for transform in route.transforms:
                transformed = transform.apply(transformed)
            if transformed is not batch:
                transformed = well_formed(transformed)
        except BaseException as error:
            self._log.error(
                "transform failed",
                source=route.source_id,
                records=len(batch),
                error=repr_of(error),
                every=route.source_id,
                exc_info=error,
            )
            reasons = DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR
            for delivery in route.deliveries:
                self._hand_over(route, delivery, partial(delivery.refuse, batch, *reasons))
            return
        filtered = len(batch) - len(transformed)
        for delivery in route.deliveries:
            if filtered > 0:
                self._ledger.move(delivery.sink_id, Account.COLLECTED, Account.FILTERED, filtered)
            if transformed:
                self._hand_over(route, delivery, partial(delivery.accept, transformed))

    def _hand_over(self, route: Route, delivery: Delivery, hand_over: Callable[[], None]) -> None:
        """``emit`` never raises for what lies downstream, and one sink's defect costs no other its records."""
        try:
            hand_over()
        except BaseException as error:
            self._log.error(
                "sink did not take records",
                source=route.source_id,
                sink=delivery.sink_id,
                error=repr_of(error),
                every=f"{route.source_id} {delivery.sink_id}",
                exc_info=error,
            )
