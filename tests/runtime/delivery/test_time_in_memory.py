"""How long records wait in volatile memory while a sink fails: each bound of docs/guarantees.md, on a test's clock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from agent_core.api import Batch, RetryableError, SinkState, WriteOutcome, load_schema
from agent_core.config.schema.formats import parse_duration
from agent_core.config.schema.merged import core_schema
from agent_core.runtime.delivery.watch import LOOK_SECONDS
from agent_core.testing.fakes import FakeSink, batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import MakeRig, Rig

PAGE = " ".join((Path(__file__).parents[3] / "docs" / "guarantees.md").read_text(encoding="utf-8").split())


def node(schema: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    for key in keys:
        schema = cast(Mapping[str, object], schema[key])
    return schema


def sink_default(*keys: str) -> float:
    """The default of a key of a sink, in seconds where it is a duration."""
    path = [part for key in keys for part in ("properties", key)]
    found = node(core_schema(), "$defs", "sink", *path)["default"]
    return parse_duration(found) if isinstance(found, str) else float(cast(float, found))


MAX_WAIT = sink_default("batch", "max_wait")
DIVERT_AFTER = sink_default("divert_after")
FIRST, FACTOR, RETRIES = (sink_default("retry", key) for key in ("initial_delay", "multiplier", "max_retries"))
DELAYS = [FIRST * FACTOR**n for n in range(int(RETRIES))]
TIMEOUTS = {
    key: parse_duration(cast(str, value))
    for key, value in node(load_schema("oracle_sink"), "properties", "timeouts", "default").items()
    if value is not None
}
LOGIN = TIMEOUTS["connect"] * (3 + 1)
"""What ``oracle_sink`` makes of a dsn with one name, which counts as three addresses."""


class SlowToFail(FakeSink):
    """Each attempt takes ``seconds`` of the clock, then fails."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.rig: Rig | None = None
        self.waiting = threading.Condition()

    def write(self, batch: Batch) -> WriteOutcome:
        assert self.rig is not None
        clock = self.rig.clock
        until = clock.monotonic() + self.seconds
        with self.waiting:
            while (left := until - clock.monotonic()) > 0:
                clock.wait(self.waiting, left)
        raise RetryableError("away")


def seconds_until_diverted(rig: Rig, attempt_seconds: float) -> float:
    """How long the batch of the only worker is in memory, from its first attempt on."""
    assert isinstance(rig.sink, SlowToFail)
    rig.sink.rig = rig
    rig.accept(batch_of(1)).start()
    for attempt in range(1, 100):
        if attempt_seconds:
            rig.clock.wait_for_a_wait_of(attempt_seconds)
            rig.clock.advance(attempt_seconds)
        delay = rig.observer.wait_for("batch_failed", attempt)[-1][4]
        if delay is None:
            rig.observer.wait_for("batch_diverted")
            return rig.clock.monotonic()
        assert isinstance(delay, float)
        rig.clock.wait_for_a_wait_of(delay)
        rig.clock.advance(delay)
    raise AssertionError("it never left")


def test_attempts_that_fail_at_once_take_the_delays_of_the_retries(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=1, max_retries=int(RETRIES), sink=SlowToFail(0), divert_after=DIVERT_AFTER)
    assert seconds_until_diverted(rig, 0) == sum(DELAYS)
    longest = sum(DELAYS) * (1 + sink_default("retry", "jitter"))
    shown = f"{' + '.join(f'{delay:g}' for delay in DELAYS)} s = {sum(DELAYS):g} s after the first failure"
    assert f"{shown} ({longest:g} s with the longest jitter)" in PAGE


@pytest.mark.parametrize("attempt_seconds", [0.5, 3.0, 6.0, 9.5, 20.0, 60.0])
@pytest.mark.parametrize("max_retries", [3, 1000])
def test_attempts_that_take_long_leave_within_divert_after_and_one_attempt(
    make_rig: MakeRig, attempt_seconds: float, max_retries: int
) -> None:
    sink = SlowToFail(attempt_seconds)
    rig = make_rig(max_records=1, max_retries=max_retries, sink=sink, divert_after=DIVERT_AFTER)
    assert seconds_until_diverted(rig, attempt_seconds) <= DIVERT_AFTER + attempt_seconds


def test_the_page_has_the_figures_of_oracle_sink() -> None:
    in_session, new_session = 2 * TIMEOUTS["call"], TIMEOUTS["wait"] + LOGIN
    assert f"twice `timeouts.call` ({in_session:g} s) in an open session" in PAGE
    assert f"`timeouts.wait` + `timeouts.login` ({new_session:g} s, with one name in the dsn) for a new" in PAGE
    assert f"a batch has left memory {DIVERT_AFTER + max(in_session, new_session):g} s after its first" in PAGE


def test_records_behind_a_busy_worker_wait_for_divert_after_and_one_look(make_rig: MakeRig) -> None:
    sink = SlowToFail(1000)
    rig = make_rig(max_records=1, sink=sink, divert_after=DIVERT_AFTER)
    sink.rig = rig
    assert rig.fallback is not None
    rig.accept(batch_of(0)).start()
    rig.clock.wait_for_a_wait_of(1000)
    came: dict[int, float] = {}
    longest = 0.0
    for number in range(1, 60):
        rig.accept(batch_of(number, start_ns=10 * number))
        came[number] = rig.clock.monotonic()
        rig.clock.advance(LOOK_SECONDS)
        rig.delivery.watch.look()
        for batch, _ in rig.fallback.diversions:
            waited = [rig.clock.monotonic() - came.pop(cast(int, value)) for value in batch.values if value in came]
            longest = max([longest, *waited])
    assert DIVERT_AFTER <= longest <= DIVERT_AFTER + LOOK_SECONDS
    assert len(came) <= DIVERT_AFTER + LOOK_SECONDS, "and none stays longer"
    assert f"`divert_after` and a second ({DIVERT_AFTER + LOOK_SECONDS:g} s)" in PAGE


def test_while_the_sink_is_down_records_leave_after_one_max_wait(make_rig: MakeRig) -> None:
    rig = make_rig(max_records=10, max_retries=0, divert_after=DIVERT_AFTER)
    rig.sink.script.append(RetryableError("away"))
    rig.accept(batch_of(*range(10))).start()
    rig.observer.wait_for("batch_diverted")
    rig.clock.wait_for_a_wait_of(MAX_WAIT)
    began = rig.clock.monotonic()
    rig.accept(batch_of(11, start_ns=100))
    rig.clock.wait_for_a_wait_of(MAX_WAIT)
    rig.clock.advance(MAX_WAIT)
    rig.observer.wait_for("batch_diverted", 2)
    assert rig.clock.monotonic() - began == MAX_WAIT
    assert f"one `max_wait` ({MAX_WAIT:g} s)" in PAGE


@pytest.mark.parametrize("setting", ["under_pressure", "no_fallback", "paused"])
def test_some_settings_have_no_bound_in_time(make_rig: MakeRig, setting: str) -> None:
    rig = make_rig(
        max_records=1,
        max_retries=0,
        capacity=3,
        divert_after=DIVERT_AFTER,
        divert_after_retries=setting != "under_pressure",
        fallback=setting != "no_fallback",
    )
    if setting == "paused":
        rig.delivery.pause()
    else:
        rig.sink.script.extend(RetryableError("away") for _ in range(9))
    rig.accept(batch_of(1, 2, 3)).start()
    if setting != "paused":
        rig.observer.wait_for("batch_failed")

    for _ in range(9):
        rig.clock.advance(LOOK_SECONDS)
        rig.delivery.watch.look()
    rig.clock.advance(10)
    rig.delivery.watch.look()
    assert rig.buffer.stats().pending_records == 3
    rig.accept(batch_of(4, start_ns=10))
    snapshot = rig.snapshot()
    assert (snapshot.pending, snapshot.diverted + snapshot.dropped) == (3, 1), "the buffer was full"


def test_a_batch_inside_a_write_that_does_not_return_stays_until_it_does_or_the_stop(make_rig: MakeRig) -> None:
    release = threading.Event()

    def hang(batch: Batch) -> WriteOutcome:
        release.wait(PATIENCE_SECONDS)
        return WriteOutcome(len(batch))

    rig = make_rig(max_records=1, divert_after=DIVERT_AFTER, write_limit=60)
    rig.sink.script.append(hang)
    rig.accept(batch_of(1)).start()
    rig.sink.wait_until(lambda sink: sink.attempts == 1)
    rig.clock.advance(1000)
    rig.delivery.watch.look()
    assert rig.state() is SinkState.DOWN
    assert rig.snapshot().pending == 1
    rig.stop()
    assert rig.snapshot().diverted_by_reason == {"ambiguous_commit": 1}
    release.set()
