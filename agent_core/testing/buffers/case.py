"""BufferCase: how the tests of a buffer make buffers, and what they share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Final, Protocol, TypeVar

import pytest

from agent_core.api import Buffer, Clock, Lease
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock
from agent_core.testing.contract import Contract
from agent_core.testing.suite.patience import PATIENCE_SECONDS

T = TypeVar("T")

POLICIES: Final = ("drop_oldest", "drop_newest", "block")
FOREVER: Final = 3600.0
"""A ``max_wait_seconds`` that is never reached unless a test advances the ManualClock."""
STEP_SECONDS: Final = 0.25
"""How far ``advance_until_done`` moves the clock in one step."""


NOT_SHARED: Final = "not_shared"
Marked = TypeVar("Marked", bound=Callable[..., object])


def not_shared(tests: Marked) -> Marked:
    """Mark a test, or each of a class, as one that does not apply to a shared buffer."""
    for name, test in {tests.__name__: tests, **vars(tests)}.items():
        if name.startswith("test_"):
            setattr(test, NOT_SHARED, True)
    return tests


class MakeOpen(Protocol):
    """Makes an empty buffer and opens it; it is closed when the test ends."""

    def __call__(self, capacity: int = 10, when_full: str = "drop_oldest", clock: Clock | None = None) -> Buffer: ...


class BufferCase(Contract):
    """What an author provides, and the fixtures made from it."""

    block_limit_seconds: ClassVar[float] = 5.0
    """How long ``append`` waits with ``block``, in the buffers that ``make_buffer`` makes."""

    shared: ClassVar[bool] = False
    """True for a buffer that other agents fill: the tests that need records, room or time of its own are skipped."""

    @pytest.fixture(autouse=True)
    def _applies(self, request: pytest.FixtureRequest) -> None:
        if self.shared and getattr(request.function, NOT_SHARED, False):
            pytest.skip("does not apply to a shared buffer")

    def make_buffer(self, folder: Path, *, capacity: int, when_full: str, clock: Clock) -> Buffer:
        """A buffer that is not open. With the same folder again: one that finds what a durable buffer has kept."""
        raise NotImplementedError(f"{type(self).__name__}.make_buffer")

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def make(self, tmp_path: Path, clock: ManualClock) -> Iterator[MakeOpen]:
        made: list[Buffer] = []
        default_clock = clock

        def make(capacity: int = 10, when_full: str = "drop_oldest", clock: Clock | None = None) -> Buffer:
            folder = tmp_path / f"buffer-{len(made)}"
            folder.mkdir()
            buffer = self.make_buffer(folder, capacity=capacity, when_full=when_full, clock=clock or default_clock)
            made.append(buffer)
            buffer.open()
            return buffer

        yield make
        for buffer in made:
            buffer.stop_waiting()
            buffer.close()


def lent(buffer: Buffer, max_records: int) -> Lease:
    """A lease of what is ready."""
    lease = buffer.lease(max_records, 0.0)
    assert lease is not None, "nothing is ready"
    return lease


def leases(buffer: Buffer, max_records: int) -> Iterator[Lease]:
    """Leases, without waiting, until nothing is ready."""
    while (lease := buffer.lease(max_records, 0.0)) is not None:
        yield lease


def leasing(buffer: Buffer, max_records: int, max_wait_seconds: float = FOREVER) -> Background[Lease | None]:
    """A lease taken in its own thread."""
    return Background(lambda: buffer.lease(max_records, max_wait_seconds))


def got(call: Background[Lease | None]) -> Lease:
    """The lease that a thread got."""
    lease = call.result()
    assert lease is not None, "None from a buffer that holds records"
    return lease


def advance_until_done(clock: ManualClock, call: Background[T]) -> None:
    """Move time on in steps: a thread that was just woken may start its wait again a moment later."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not call.done and time.monotonic() < end:
        clock.advance(STEP_SECONDS)
        call.wait(0.02)
