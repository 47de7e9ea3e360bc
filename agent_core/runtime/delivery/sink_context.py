"""SinkContext: what all parts of one sink's delivery share."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from agent_core.api import Account, Clock, DivertReason, DropReason, Log, SinkState
from agent_core.registry.events import Events
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.error_words import without_secrets


def _unseeded() -> random.Random:
    return random.Random()  # noqa: S311 - jitter, not secrecy


@dataclass(frozen=True, slots=True)
class SinkContext:
    """The sink's id, where its records are counted, who hears of events, the time, the log, and what hides secrets.

    ``randomness`` spreads retries.
    """

    sink_id: str
    ledger: Ledger
    events: Events
    clock: Clock
    log: Log
    redact: Callable[[str], str] = str
    randomness: random.Random = field(default_factory=_unseeded)

    def move(
        self, origin: Account, target: Account, count: int, reason: DropReason | DivertReason | None = None
    ) -> None:
        """Move records of this sink from one account to another."""
        self.ledger.move(self.sink_id, origin, target, count, reason)

    def announce_delivery(self, flight: Flight, replayed_file: str | None) -> None:
        """Tell the observers that a write returned."""
        outcome, attempts, elapsed_seconds = flight.outcome, flight.attempts, flight.elapsed_seconds
        self.events.batch_delivered(self.sink_id, flight.batch, outcome, attempts, elapsed_seconds, replayed_file)

    def announce_failure(self, flight: Flight, error: BaseException, retry_in_seconds: float | None) -> None:
        """Tell the observers that an attempt failed."""
        error = without_secrets(error, self.redact)
        self.events.batch_failed(self.sink_id, flight.batch, error, flight.attempts, retry_in_seconds)

    def announce_state(self, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None) -> None:
        """Tell the observers that the sink's state changed."""
        self.events.sink_state_changed(self.sink_id, old, new, self.redact(reason), next_probe_seconds)
