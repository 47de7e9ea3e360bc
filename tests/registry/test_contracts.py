"""What the core finds of a part that does not fit its contract, before it runs."""

import functools
from typing import Any

import pytest

from agent_core import api
from agent_core.api import Batch, Emit, WriteOutcome
from agent_core.registry.contracts import OPTIONAL, REQUIRED, misfits
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver
from agent_core.testing.fakes import FakeBacklog, FakeFallback, FakeSink


class Source:
    def open(self) -> None: ...
    def close(self) -> None: ...
    def start(self, emit: Emit) -> None: ...
    def stop(self, timeout_seconds: float) -> None: ...


class StopsWithoutATimeOut(Source):
    def stop(self) -> None: ...  # type: ignore[override]


class StartsAsync(Source):
    async def start(self, emit: Emit) -> None: ...  # type: ignore[override]


class StopIsAValue(Source):
    stop = 5  # type: ignore[assignment]


class HalfAPulse(Source):
    def pulse(self, when: float) -> None: ...


class IdempotentIsAMethod(FakeSink):
    def idempotent(self) -> bool:  # type: ignore[override]
        return True


class IdempotentLater(FakeSink):
    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        raise AssertionError("it is valid after open, so nothing may ask before")


class KeywordOnly(FakeSink):
    def write(self, *, batch: Batch) -> WriteOutcome:  # type: ignore[override]
        raise NotImplementedError


class ReadsWithoutAPosition(FakeBacklog):
    def read(self, file: str) -> Any:  # type: ignore[override]
        raise NotImplementedError


class Wrapped:
    """A part behind ``__getattr__``, as a decorator of sinks might be."""

    def __init__(self, part: object) -> None:
        self._part = part

    def __getattr__(self, name: str) -> object:
        return getattr(self._part, name)


class WriteOfAPartial(FakeSink):
    def __init__(self) -> None:
        super().__init__()
        self.write = functools.partial(FakeSink.write, self)  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (Source(), "source"),
        (FakeSink(), "sink"),
        (FakeFallback(), "sink"),
        (FakeBacklog(), "sink"),
        (Wrapped(FakeBacklog()), "sink"),
        (WriteOfAPartial(), "sink"),
        (IdempotentLater(), "sink"),
        (FakeBlockDriver(), "driver"),
        (FakeItemDriver(), "driver"),
    ],
)
def test_a_part_with_the_members_of_its_contract_fits(part: object, kind: str) -> None:
    assert misfits(part, kind) == []


@pytest.mark.parametrize(
    ("part", "kind", "fault"),
    [
        (None, "sink", "it is None, not a Sink"),
        (FakeSink, "sink", "it is the class FakeSink, not a Sink"),
        (Source(), "sink", "it has no method write"),
        (Source(), "sink", "it has no idempotent"),
        (StopsWithoutATimeOut(), "source", "stop() -> None cannot be called as stop(timeout_seconds)"),
        (StartsAsync(), "source", "start is a coroutine function"),
        (StopIsAValue(), "source", "stop is not a method"),
        (HalfAPulse(), "source", "pulse(when: float) -> None cannot be called as pulse()"),
        (IdempotentIsAMethod(), "sink", "idempotent is a method, not a value or a property"),
        (KeywordOnly(), "sink", "write(*, batch: agent_core.api.batch.Batch)"),
        (ReadsWithoutAPosition(), "sink", "cannot be called as read(file, from_record, max_records)"),
    ],
)
def test_each_misfit_is_said(part: object, kind: str, fault: str) -> None:
    assert fault in "; ".join(misfits(part, kind))


def test_every_contract_that_is_looked_for_at_run_time_is_compared() -> None:
    looked_for = {part for part in vars(api).values() if getattr(part, "_is_runtime_protocol", False)}
    compared = {*REQUIRED.values(), *(contract for contracts in OPTIONAL.values() for contract in contracts)}
    assert looked_for <= compared
