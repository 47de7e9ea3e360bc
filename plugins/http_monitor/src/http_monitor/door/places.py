"""Places: who may hold a connection to the monitor, and for how long without saying what it wants.

Each connection takes a descriptor from the process that also writes backup files and talks to PLCs, so their number is
limited. While the application works for a connection it keeps its place. While the client is awaited (its request, its
body, or that it takes its answer) a deadline runs, and when the places are used up, the connection that has been
waited for longest makes room for the next.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

MOST_CONNECTIONS: Final = 200
"""More than any plant has browsers."""
FEWEST_CONNECTIONS: Final = 8
SHARE_OF_DESCRIPTORS: Final = 4
"""The monitor may use one descriptor in four; the data path keeps the rest."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What connections may take.

    A connection that has not sent the whole head of a request within ``request_seconds`` is closed, as is one whose
    body is not there ``transfer_seconds`` later, or that does not take its answer for so long.
    """

    connections: int = MOST_CONNECTIONS
    request_seconds: float = 15.0
    transfer_seconds: float = 10.0

    @property
    def per_address(self) -> int:
        """Places that one address can have."""
        return max(1, self.connections // 2)

    @property
    def for_probes(self) -> int:
        """Places that are never used by anything but a probe's answer."""
        return max(1, self.connections // 8)

    @classmethod
    def of_this_process(cls) -> Limits:
        """From the number of descriptors that the process may open now."""
        return cls(max(FEWEST_CONNECTIONS, min(MOST_CONNECTIONS, _descriptors() // SHARE_OF_DESCRIPTORS)))


class Place:
    """One connection's place. ``hang_up`` closes the connection; it is called at most once."""

    def __init__(self, address: str, places: Places) -> None:
        self.address: Final = address
        self.hang_up: Callable[[], object] = _nothing
        self._places = places
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> None:
        """Nothing is being done for the connection; its next request is awaited, but not for ever."""
        self._places.waits(self)
        self._arm(self._places.limits.request_seconds)

    def work(self, *, probe: bool = False) -> bool:
        """A request is there. False when the places left are kept for probes and this is none: answer 503."""
        if not self._places.works(self, probe=probe):
            return False
        self._disarm()
        return True

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Hang up when what is done inside, waiting for the client, takes longer, or the place is needed."""
        self._places.awaits(self)
        self._arm(seconds)
        try:
            yield
        finally:
            self._disarm()
            self._places.awaits_no_more(self)

    def leave(self) -> None:
        """The connection is closed. Safe twice."""
        self._disarm()
        self._places.left(self)

    def evict(self) -> None:
        """Close the connection, whose place is somebody else's from now on."""
        self.leave()
        self.hang_up()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        if self._places.holds(self):
            self._timer = asyncio.get_running_loop().call_later(seconds, self.evict)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@dataclass(slots=True)
class Places:
    """All of them. Used in the server's loop alone."""

    limits: Limits
    unlimited: Callable[[str], bool] = lambda _: False
    """Addresses that may have any number of the places: proxies, which bring other people's requests."""
    _held: dict[Place, None] = field(default_factory=dict)
    _waiting: dict[Place, None] = field(default_factory=dict)  # the longest first
    _working: set[Place] = field(default_factory=set)  # without probes
    _of_address: Counter[str] = field(default_factory=Counter)

    def take(self, address: str) -> tuple[Place | None, Place | None]:
        """A place for a new connection, and the waiting one that has to be evicted for it.

        Without a place, everybody is being worked for: close the new connection.
        """
        mine = self._of_address[address] >= self.limits.per_address and not self.unlimited(address)
        evicted = None
        if mine or len(self._held) >= self.limits.connections:
            evicted = next((place for place in self._waiting if not mine or place.address == address), None)
            if evicted is None:
                return None, None
        place = Place(address, self)
        self._held[place] = None
        self._of_address[address] += 1
        return place, evicted

    def longest_waiting(self) -> list[Place]:
        """Everybody nothing is being done for, the longest first."""
        return list(self._waiting)

    def holds(self, place: Place) -> bool:
        return place in self._held

    def waits(self, place: Place) -> None:
        self._working.discard(place)
        self.awaits(place)

    def awaits(self, place: Place) -> None:
        if place in self._held:
            self._waiting.setdefault(place)

    def awaits_no_more(self, place: Place) -> None:
        self._waiting.pop(place, None)

    def works(self, place: Place, *, probe: bool) -> bool:
        if not probe:
            if len(self._working) >= self.limits.connections - self.limits.for_probes:
                return False
            self._working.add(place)
        self.awaits_no_more(place)
        return True

    def left(self, place: Place) -> None:
        self.awaits_no_more(place)
        self._working.discard(place)
        if place in self._held:
            del self._held[place]
            self._of_address[place.address] -= 1
            if not self._of_address[place.address]:
                del self._of_address[place.address]


def _nothing() -> None:
    """The connection is not there yet."""


if sys.platform == "win32":

    def _descriptors() -> int:
        return MOST_CONNECTIONS * SHARE_OF_DESCRIPTORS  # sockets are not limited there

else:
    import resource

    def _descriptors() -> int:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return MOST_CONNECTIONS * SHARE_OF_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
