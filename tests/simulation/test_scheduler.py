"""What the scheduler finds in small pieces of code that are wrong, and that it finds it again."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from types import ModuleType

import pytest

from agent_core.testing.simulation.lives import Death, LifeError, live
from agent_core.testing.simulation.primitives import Primitives
from agent_core.testing.simulation.scheduler import Scheduler
from agent_core.testing.suite.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a life is a forked process")

SEEDS = range(60)


def outcome(play: Callable[[ModuleType, Scheduler], object], seed: int, *, lines: bool = False) -> tuple[object, str]:
    """What ``play`` returns with the seed's interleaving, and the hash of its trace. LifeError as in ``live``."""

    def life(death: Death[tuple[object, str]]) -> tuple[object, str]:
        scheduler = Scheduler(random.Random(seed), fail=death.fail)
        trace = (lambda file: file == __file__) if lines else None
        result = play(Primitives(scheduler, trace).threading, scheduler)
        return result, scheduler.trace_hash

    return live(life)


def two_locks_in_opposite_order(threads: ModuleType, _: Scheduler) -> None:
    one, other = threads.Lock(), threads.Lock()

    def take(first: threading.Lock, second: threading.Lock) -> None:
        with first, second:
            pass

    pair = [threads.Thread(target=take, args=order) for order in ((one, other), (other, one))]
    for thread in pair:
        thread.start()
    for thread in pair:
        thread.join()


def waiting_without_looking(threads: ModuleType, _: Scheduler) -> None:
    done = threads.Condition()

    def finish() -> None:
        with done:
            done.notify()

    threads.Thread(target=finish).start()
    with done:
        done.wait()  # the notification may have come before


def counting_without_a_lock(threads: ModuleType, _: Scheduler) -> int:
    count = 0

    def add() -> None:
        nonlocal count
        before = count
        count = before + 1

    counting = [threads.Thread(target=add) for _ in range(3)]
    for thread in counting:
        thread.start()
    for thread in counting:
        thread.join()
    return count


def waiting_for_a_minute(threads: ModuleType, scheduler: Scheduler) -> float:
    event = threads.Event()
    assert not event.wait(60)
    return scheduler.monotonic()


def failing(play: Callable[[ModuleType, Scheduler], object]) -> list[str]:
    found = []
    for seed in SEEDS:
        try:
            outcome(play, seed)
        except LifeError as error:
            found.append(str(error))
    return found


def test_two_locks_that_are_taken_in_opposite_order_are_found_with_the_places_where_threads_stand() -> None:
    found = failing(two_locks_in_opposite_order)
    assert 0 < len(found) < len(SEEDS)
    assert "every thread waits, and nothing will wake one" in found[0]
    assert f"{__file__}:" in found[0]
    assert "take" in found[0]


def test_a_notification_that_comes_before_the_wait_is_found() -> None:
    assert 0 < len(failing(waiting_without_looking)) < len(SEEDS)


def test_a_missing_lock_is_found_when_threads_may_switch_at_every_line() -> None:
    counts = {outcome(counting_without_a_lock, seed, lines=True)[0] for seed in SEEDS}
    assert 3 in counts
    assert counts > {3}


def test_the_same_seed_gives_the_same_history_and_another_seed_another() -> None:
    traces = {seed: outcome(counting_without_a_lock, seed)[1] for seed in range(8)}
    assert all(outcome(counting_without_a_lock, seed)[1] == trace for seed, trace in traces.items())
    assert len(set(traces.values())) > 1


def test_time_passes_at_once_when_nobody_has_anything_to_do() -> None:
    waited, _ = outcome(waiting_for_a_minute, 0)
    assert waited == 60


def test_a_life_that_computes_without_end_is_ended() -> None:
    def spin(_: Death[None]) -> None:
        while True:
            pass

    with pytest.raises(LifeError, match=r"still running after 0\.05 s of computing"):
        live(spin, 0.05)


def test_a_life_that_waits_for_something_real_is_ended() -> None:
    with pytest.raises(LifeError, match=r"still running after 0\.1 s of real time: a thread waits"):
        live(lambda _: threading.Event().wait(PATIENCE_SECONDS), 0.01)


def test_what_a_life_raises_is_told_with_its_traceback() -> None:
    def fails(*_: object) -> None:
        raise ValueError("this is why")

    with pytest.raises(LifeError, match="this is why"):
        outcome(fails, 0)
