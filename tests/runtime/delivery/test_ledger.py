import threading

import pytest

from agent_core.api import Account, DivertReason, DropReason
from agent_core.runtime.delivery.ledger import Ledger


def test_a_fresh_ledger_balances_at_zero() -> None:
    snapshot = Ledger(["a"]).snapshot("a")
    assert snapshot.balanced
    assert snapshot.collected == snapshot.pending == 0


def test_every_way_a_record_can_end_keeps_the_ledger_balanced() -> None:
    ledger = Ledger(["a"])
    ledger.move("a", Account.COLLECTED, Account.PENDING, 100)
    ledger.move("a", Account.RECOVERED, Account.PENDING, 10)
    ledger.move("a", Account.COLLECTED, Account.FILTERED, 5)
    ledger.move("a", Account.PENDING, Account.DELIVERED, 50)
    ledger.move("a", Account.PENDING, Account.DUPLICATES, 10)
    ledger.move("a", Account.PENDING, Account.REJECTED, 3)
    ledger.move("a", Account.PENDING, Account.DIVERTED, 20, DivertReason.SINK_DOWN)
    ledger.move("a", Account.PENDING, Account.DROPPED, 7, DropReason.BUFFER_FULL)
    snapshot = ledger.snapshot("a")
    assert snapshot.balanced
    assert (snapshot.collected, snapshot.recovered, snapshot.pending) == (105, 10, 20)
    assert snapshot.diverted_by_reason == {"sink_down": 20}
    assert snapshot.dropped_by_reason == {"buffer_full": 7}


def test_more_records_than_an_account_holds_cannot_be_moved() -> None:
    ledger = Ledger(["a"])
    ledger.move("a", Account.COLLECTED, Account.PENDING, 1)
    with pytest.raises(ValueError, match="2 records moved from pending, which holds 1"):
        ledger.move("a", Account.PENDING, Account.DELIVERED, 2)
    assert ledger.snapshot("a").balanced


@pytest.mark.parametrize(
    ("origin", "target", "count", "reason"),
    [
        (Account.PENDING, Account.COLLECTED, 1, None),
        (Account.COLLECTED, Account.PENDING, -1, None),
        (Account.COLLECTED, Account.DROPPED, 1, None),
        (Account.COLLECTED, Account.PENDING, 1, DropReason.SHUTDOWN),
    ],
)
def test_a_move_that_means_nothing_is_refused(
    origin: Account, target: Account, count: int, reason: DropReason | None
) -> None:
    with pytest.raises(ValueError, match="no such move"):
        Ledger(["a"]).move("a", origin, target, count, reason)


def test_moves_from_many_threads_are_all_counted() -> None:
    ledger = Ledger(["a"])

    def collect() -> None:
        for _ in range(1000):
            ledger.move("a", Account.COLLECTED, Account.PENDING, 3)
            ledger.move("a", Account.PENDING, Account.DELIVERED, 2)

    threads = [threading.Thread(target=collect) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = ledger.snapshot("a")
    assert (snapshot.collected, snapshot.delivered, snapshot.pending) == (24000, 16000, 8000)
    assert snapshot.balanced


def test_what_is_given_up_is_dropped_until_it_finds_its_place() -> None:
    ledger = Ledger(["sink", "other"])
    for sink_id in ("sink", "other"):
        ledger.move(sink_id, Account.COLLECTED, Account.PENDING, 10)
    assert ledger.give_up("sink") == 10
    assert ledger.snapshot("sink").dropped_by_reason == {"shutdown": 10}
    ledger.move("sink", Account.PENDING, Account.DIVERTED, 4, DivertReason.BUFFER_FULL)
    ledger.move("sink", Account.PENDING, Account.DROPPED, 1, DropReason.FALLBACK_FAILED)
    ledger.move("sink", Account.COLLECTED, Account.PENDING, 3)
    snapshot = ledger.snapshot("sink")
    assert (snapshot.pending, snapshot.diverted, snapshot.dropped) == (0, 4, 9)
    assert snapshot.dropped_by_reason == {"shutdown": 8, "fallback_failed": 1}
    assert snapshot.balanced
    with pytest.raises(ValueError, match="9 records moved that were given up, which were 8"):
        ledger.move("sink", Account.PENDING, Account.DELIVERED, 9)
    ledger.move("sink", Account.PENDING, Account.DELIVERED, 8)
    assert ledger.snapshot("sink").dropped_by_reason == {"fallback_failed": 1}
    assert ledger.snapshot("other").pending == 10
