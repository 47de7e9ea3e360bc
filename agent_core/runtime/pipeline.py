"""Pipeline: what happens inside ``emit``."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from agent_core.api import Account, Batch, Clock, DivertReason, DropReason, Emit, Log, SourceStatus, Transform
from agent_core.registry.events import Events
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.error_words import repr_of
from agent_core.runtime.sources.intake import Intake
from agent_core.runtime.sources.well_formed import SetAside, WellFormed


@dataclass(frozen=True, slots=True)
class Route:
    """One source, its transforms in order with their types, and the deliveries that it feeds."""

    source_id: str
    source_type: str
    transforms: tuple[Transform, ...]
    deliveries: tuple[Delivery, ...]
    transform_types: tuple[str, ...] = ()

    def step(self, index: int) -> str:
        """What a transform is called in log and status."""
        types = self.transform_types
        return f"transform {index + 1} ({types[index] if types else type(self.transforms[index]).__name__})"


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
        self._emitting: dict[int, tuple[Route, int | None]] = {}
        """The route of the source that emits in each thread, and the index of the transform it is in."""
        self._closed = False
        self._intakes: Mapping[str, Intake] = {source_id: Intake() for source_id in self._routes}
        self._well_formed = WellFormed()

    @property
    def intakes(self) -> Mapping[str, Intake]:
        """What each source has handed over so far."""
        return self._intakes

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

    def emitting(self) -> Sequence[str]:
        """The sources that emit at this moment, each with the transform it is in."""
        with self._changed:
            emitting = tuple(self._emitting.values())
        return sorted({r.source_id if index is None else f"{r.source_id} in {r.step(index)}" for r, index in emitting})

    def status(self) -> list[SourceStatus]:
        """What is known of every source here; whether it works is for the ``SourceWatch`` to say."""
        with self._changed:
            return [
                SourceStatus(
                    route.source_id,
                    route.source_type,
                    intake.collected,
                    intake.last_batch_ns,
                    set_aside=intake.set_aside,
                    refused_batches=intake.refused_batches,
                    failures=dict(intake.failures),
                )
                for route, intake in zip(self._routes.values(), self._intakes.values(), strict=True)
            ]

    def _emit(self, route: Route, batch: Batch) -> None:
        intake = self._intakes[route.source_id]
        try:
            batch, aside = self._well_formed.check(batch)
        except ValueError as error:
            with self._changed:
                intake.refused_batches += 1
            self._log.error("batch refused", source=route.source_id, error=error, every=route.source_id)
            raise ValueError(f"{route.source_id} emitted a malformed batch: {error}") from error
        count = len(batch) + (0 if aside is None else len(aside.batch))
        with self._changed:
            intake.seen(self._clock.monotonic())
            if not count:
                return
            intake.collected += count
            intake.last_batch_ns = self._clock.time_ns()
            closed = self._closed
            if not closed:
                self._emitting[threading.get_ident()] = route, None
        if closed:
            for delivery in route.deliveries:
                for part in (batch,) if aside is None else (batch, aside.batch):
                    self._hand_over(route, delivery, partial(delivery.refuse, part, None, DropReason.AGENT_STOPPING))
            return
        try:
            if aside is not None:
                self._set_aside(route, aside)
            if batch:
                self._pass_on(route, batch)
        finally:
            with self._changed:
                self._emitting.pop(threading.get_ident(), None)
                self._changed.notify_all()

    def _pass_on(self, route: Route, batch: Batch) -> None:
        self._events.batch_collected(route.source_id, batch)
        transformed, thread = batch, threading.get_ident()
        for index, transform in enumerate(route.transforms):
            self._emitting[thread] = route, index
            try:
                made = transform.apply(transformed)
                if made is not transformed:
                    transformed = self._made_by_transform(made)
            except BaseException as error:
                self._transform_failed(route, index, batch, error)
                return
            if not transformed:
                break
        self._emitting[thread] = route, None
        filtered = len(batch) - len(transformed)
        for delivery in route.deliveries:
            if filtered > 0:
                self._ledger.move(delivery.sink_id, Account.COLLECTED, Account.FILTERED, filtered)
            if transformed:
                self._hand_over(route, delivery, partial(delivery.accept, transformed))

    def _made_by_transform(self, batch: Batch) -> Batch:
        """Raises ValueError for anything but records, so that those it was given go to the fallback as they were."""
        transformed, aside = self._well_formed.check(batch)
        if aside is not None:
            raise ValueError(f"{aside.batch.names[0]}: {aside.reasons[0]}")
        return transformed

    def _transform_failed(self, route: Route, index: int, batch: Batch, error: BaseException) -> None:
        """The untouched batch goes to the fallbacks."""
        step = route.step(index)
        with self._changed:
            self._intakes[route.source_id].failures[step] += 1
        self._log.error(
            "transform failed",
            source=route.source_id,
            transform=step,
            records=len(batch),
            error=repr_of(error),
            every=f"{route.source_id} {step}",
            exc_info=error,
        )
        reasons = DivertReason.TRANSFORM_ERROR, DropReason.TRANSFORM_ERROR
        for delivery in route.deliveries:
            self._hand_over(route, delivery, partial(delivery.refuse, batch, *reasons))

    def _set_aside(self, route: Route, aside: SetAside) -> None:
        """Records that are none cost no other record anything: no sink sees them."""
        with self._changed:
            self._intakes[route.source_id].set_aside += len(aside.batch)
        self._log.error(
            "records set aside",
            source=route.source_id,
            records=len(aside.batch),
            tag=aside.batch.names[0],
            reason=aside.reasons[0],
            every=route.source_id,
        )
        for delivery in route.deliveries:
            self._hand_over(route, delivery, partial(delivery.set_aside, aside.batch, aside.reasons))

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
