"""Each observer of a running agent has a thread of its own: one that hangs holds up nobody."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from agent_core.api import Batch, DropReason, hookimpl
from agent_core.registry import Events, HookManager, mailbox
from agent_core.registry.observers import ObserverGuard
from agent_core.testing.agent_process import wait_until
from agent_core.testing.background import Background
from agent_core.testing.fakes import FakeObserver, batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS


class Hanging:
    """Returns from its first event when the test says so."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.heard: list[int] = []

    @hookimpl
    def agent_batch_collected(self, batch: Batch) -> None:
        self.began.set()
        self.go_on.wait(2 * PATIENCE_SECONDS)
        self.heard.append(len(batch))


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.go_on.set()


@pytest.fixture
def events() -> Events:
    return Events(HookManager(ObserverGuard(budget_seconds=1e9)))


def test_an_observer_that_hangs_holds_up_neither_data_nor_others_and_is_named(
    events: Events, hanging: Hanging, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(mailbox, "MOST_EVENTS", 5)
    monkeypatch.setattr(mailbox, "ROOM_SECONDS", 0.0)
    other = FakeObserver()
    events.register_observer(hanging, "page")
    events.register_observer(other)
    events.open()

    def collect() -> None:
        for number in range(9):
            events.batch_collected("line", batch_of(*range(number)))
            hanging.began.wait(PATIENCE_SECONDS)
            other.wait_for("batch_collected", number + 1)

    Background(collect).result()
    assert events.observer_events_missed == {"page": 3}, "one is inside, five wait"
    plugin = __name__.partition(".")[0]
    assert f"observer events dropped: observer=page hook=agent_batch_collected plugin={plugin}" in caplog.text
    hanging.go_on.set()
    Background(events.close).result()
    assert hanging.heard == [0, 1, 2, 3, 4, 5]


def test_the_records_of_events_that_wait_are_bounded_too(
    events: Events, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MOST_RECORDS", 10)
    monkeypatch.setattr(mailbox, "ROOM_SECONDS", 0.0)
    events.register_observer(hanging)
    events.open()
    events.batch_collected("line", batch_of(1))
    assert hanging.began.wait(PATIENCE_SECONDS)
    for count in (50, 1, 1):
        events.batch_collected("line", batch_of(*range(count)))
    assert events.observer_events_missed == {"Hanging": 2}, "one large batch is heard in any case"


def test_an_observer_that_has_not_had_its_turn_misses_nothing(
    events: Events, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MOST_EVENTS", 1)
    monkeypatch.setattr(mailbox, "ROOM_SECONDS", 2 * PATIENCE_SECONDS)
    events.register_observer(hanging)
    events.open()

    def collect() -> None:
        for count in range(1, 6):
            events.batch_collected("line", batch_of(*range(count)))

    collecting = Background(collect)
    assert hanging.began.wait(PATIENCE_SECONDS)
    hanging.go_on.set()
    collecting.result()
    Background(events.close).result()
    assert (hanging.heard, events.observer_events_missed) == ([1, 2, 3, 4, 5], {})


def test_an_observer_that_hangs_is_waited_for_once(
    events: Events, hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MOST_EVENTS", 1)
    monkeypatch.setattr(mailbox, "ROOM_SECONDS", 0.0)
    events.register_observer(hanging, "page")
    events.open()
    events.batch_collected("line", batch_of(1))
    assert hanging.began.wait(PATIENCE_SECONDS)
    for _ in range(2):
        events.batch_collected("line", batch_of(1, 2))
    monkeypatch.setattr(mailbox, "ROOM_SECONDS", 2 * PATIENCE_SECONDS)
    Background(lambda: events.batch_collected("line", batch_of(1, 2, 3))).result()
    assert events.observer_events_missed == {"page": 2}


def test_a_log_that_fails_ends_no_observer(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise SystemExit

    class Defective:
        heard = 0

        @hookimpl
        def agent_records_dropped(self) -> None:
            self.heard += 1
            raise ValueError

    observer = Defective()
    events.register_observer(observer)
    monkeypatch.setattr(ObserverGuard, "_failed", fail)
    events.open()
    for number in range(3):
        events.records_dropped("sink", number, DropReason.SHUTDOWN)
    Background(events.close).result()
    assert observer.heard == 3


def test_events_collect_so_that_each_costs_no_change_of_threads_and_the_end_waits_for_none_of_it(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "COLLECT_SECONDS", 2 * PATIENCE_SECONDS)
    observer = FakeObserver()
    events.register_observer(observer)
    events.open()
    wait_until(lambda: events.manager.guard._mailboxes["FakeObserver"]._idle)
    for number in range(3):
        events.records_dropped("sink", number, DropReason.SHUTDOWN)
    assert observer.events == []
    Background(events.close).result()
    assert len(observer.events) == 3


def test_an_event_that_finds_no_room_ends_the_collecting(events: Events, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "COLLECT_SECONDS", 2 * PATIENCE_SECONDS)
    monkeypatch.setattr(mailbox, "ROOM_SECONDS", 2 * PATIENCE_SECONDS)
    monkeypatch.setattr(mailbox, "MOST_EVENTS", 2)
    observer = FakeObserver()
    events.register_observer(observer)
    events.open()

    def drop() -> None:
        for number in range(3):
            events.records_dropped("sink", number, DropReason.SHUTDOWN)

    Background(drop).result()
    observer.wait_for("records_dropped", 2)
    Background(events.close).result()


def test_events_are_heard_in_order_and_all_of_them_before_the_end(events: Events) -> None:
    observer = FakeObserver()
    events.register_observer(observer)
    events.records_dropped("sink", 0, DropReason.SHUTDOWN)
    assert observer.named("records_dropped"), "before the start, in the caller's thread"
    events.open()
    events.open()
    for number in range(1, 500):
        events.records_dropped("sink", number, DropReason.SHUTDOWN)
    Background(events.close).result()
    events.close()
    assert [event[1] for event in observer.named("records_dropped")] == list(range(500))
    events.records_dropped("sink", 500, DropReason.SHUTDOWN)
    assert len(observer.named("records_dropped")) == 501, "after the end, too"


def test_without_a_thread_to_be_had_observers_are_called_as_before(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    observer = FakeObserver()
    events.register_observer(observer)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        events.open()
    events.records_dropped("sink", 1, DropReason.SHUTDOWN)
    assert observer.named("records_dropped")
