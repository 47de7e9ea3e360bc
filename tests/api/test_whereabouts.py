"""Where every record is: one account of one sink's two ledgers."""

from __future__ import annotations

from agent_core.api import LedgerSnapshot, ReplayStatus, Whereabouts


def test_what_is_written_back_counts_as_written() -> None:
    ledger = LedgerSnapshot(
        collected=150, delivered=70, duplicates=4, pending=6, diverted=60, rejected=3, dropped=2, filtered=5
    )
    replay = ReplayStatus(
        read=41, inserted=36, duplicates=4, rejected=1, waiting_records=20, rejected_records=4, counted=False
    )
    found = Whereabouts.of(ledger, replay)
    assert found == Whereabouts(
        written=114, written_back=40, in_memory=6, in_files=20, rejected=4, lost=2, counted=False
    )
    assert found.waiting == 26


def test_a_fallback_that_is_not_read_back_keeps_what_it_got() -> None:
    ledger = LedgerSnapshot(collected=10, delivered=3, diverted=5, rejected=2)
    assert Whereabouts.of(ledger, None) == Whereabouts(written=3, in_files=5, rejected=2)


def test_several_sinks_add_up_and_are_counted_when_each_is() -> None:
    one, other = Whereabouts(written=1, in_files=2), Whereabouts(written=10, lost=1, counted=False)
    assert Whereabouts.together([one, other]) == Whereabouts(written=11, in_files=2, lost=1, counted=False)
    assert Whereabouts.together([]) == Whereabouts()
