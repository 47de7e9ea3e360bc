"""A refused block is split until the bad tag is alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polling_source.reading.silence import Positions
from polling_source.reading.split import Budget, SplitReads

from agent_core.api import DeviceBusy, ReadRefused, UnclearRefusal


class Device:
    """Positions are places; it refuses a request that covers a bad place, gaps between the rows included, and the
    ``busy``-th request from now.
    """

    def __init__(self, bad: set[int]) -> None:
        self.bad = bad
        self.busy = 0
        self.requests: list[Positions] = []

    def read(self, rows: Positions) -> tuple[Positions, list[int]]:
        self.requests.append(rows)
        self.busy -= 1
        if self.busy == 0:
            raise ReadRefused("busy")
        if self.bad.intersection(range(rows[0], rows[-1] + 1)):
            raise ReadRefused(f"bad address in {rows}")
        return rows, list(rows)


def values(split: SplitReads[int], now: float, budget: int = 1000) -> set[int]:
    return {value for _, part in split.read(now, Budget(budget)) for value in part}


def test_a_device_that_refuses_nothing_gets_one_request_a_poll() -> None:
    device = Device(set())
    split = SplitReads((0, 1, 2), device.read, 60.0)
    for now in range(3):
        assert values(split, now) == {0, 1, 2}
    assert device.requests == [(0, 1, 2)] * 3


def test_the_bad_row_is_found_and_the_others_are_read_in_the_same_poll() -> None:
    device = Device({5})
    split = SplitReads(tuple(range(8)), device.read, 60.0)
    assert values(split, 0.0) == set(range(8)) - {5}
    assert split.refused == {5: "bad address in (5,)"}
    assert device.requests == [tuple(range(8)), (0, 1, 2, 3), (4, 5, 6, 7), (4, 5), (4,), (5,), (6, 7)]


def test_the_bad_row_is_then_left_alone_until_the_whole_is_tried_again() -> None:
    device = Device({5})
    split = SplitReads(tuple(range(8)), device.read, 60.0)
    values(split, 0.0)
    device.requests.clear()
    assert values(split, 59.9) == set(range(8)) - {5}
    assert device.requests == [(0, 1, 2, 3), (4,), (6, 7)]
    device.bad.clear()
    device.requests.clear()
    assert values(split, 60.0) == set(range(8))
    assert split.refused == {}
    assert device.requests == [tuple(range(8))]
    assert values(split, 60.1) == set(range(8))
    assert device.requests == [tuple(range(8))] * 2


def test_trying_the_whole_in_vain_keeps_what_is_known_and_joins_two_pieces() -> None:
    device = Device({5})
    split = SplitReads(tuple(range(8)), device.read, 60.0)
    values(split, 0.0)
    device.requests.clear()
    assert values(split, 60.0) == set(range(8)) - {5}
    assert device.requests == [tuple(range(8)), *[(0, 1, 2, 3, 4)] * 2, (6, 7), (5,)]


def test_refusals_that_pass_do_not_split_a_block_further_and_further_over_the_years() -> None:
    """Row 5 is bad for good, so the whole is never read again; now and then the device is busy for one request."""
    device = Device({5})
    split = SplitReads(tuple(range(64)), device.read, 60.0)
    for now in range(100_000):
        if now % 500 == 1:
            device.busy = 1 + now % 7
        values(split, now)
    device.requests.clear()
    assert values(split, 100_000) == set(range(64)) - {5}
    assert len(device.requests) == 2


def test_neighbours_that_cannot_be_read_together_stay_apart_and_cost_no_row() -> None:
    """Each of these rows is good, and between any two is an address that is bad."""
    device = Device(set(range(1, 40, 2)))
    rows = tuple(range(0, 40, 2))
    split = SplitReads(rows, device.read, 60.0)
    values(split, 0.0)
    for now in range(1, 1000):
        device.requests.clear()
        assert values(split, now, budget=2) == set(rows)
        assert len(device.requests) <= len(rows) + 2


def test_a_bad_address_between_two_rows_costs_none_of_them() -> None:
    device = Device({3})
    split = SplitReads((2, 4), device.read, 60.0)
    assert values(split, 0.0) == {2, 4}
    assert split.refused == {}


def test_a_device_that_refuses_everything_is_found_out_over_several_polls() -> None:
    device = Device(set(range(100)))
    split = SplitReads(tuple(range(100)), device.read, 60.0)
    polls = 0
    while len(split.refused) < 100:
        device.requests.clear()
        assert values(split, polls / 10, budget=10) == set()
        assert len(device.requests) <= 10
        polls += 1
    assert polls == 20
    device.requests.clear()
    values(split, 30.0, budget=10)
    assert device.requests == []


def test_a_piece_that_turns_bad_later_is_split_then() -> None:
    device = Device({5})
    split = SplitReads(tuple(range(8)), device.read, 60.0)
    values(split, 0.0)
    device.bad.add(1)
    assert values(split, 1.0) == {0, 2, 3, 4, 6, 7}
    assert set(split.refused) == {1, 5}


@given(st.sets(st.integers(0, 63)), st.sets(st.integers(0, 63), min_size=1), st.integers(1, 20))
def test_in_the_end_every_good_row_is_read_and_every_bad_one_known(bad: set[int], rows: set[int], budget: int) -> None:
    device = Device(bad)
    ordered = tuple(sorted(rows))
    split = SplitReads(ordered, device.read, 1000.0)
    read: set[int] = set()
    for now in range(130):
        read = values(split, now, budget)
        assert not read & bad
    assert read == rows - bad
    assert set(split.refused) == rows & bad


class MoodyDevice(Device):
    """Refuses the requests that touch a place of ``moods`` as that says."""

    def __init__(self, moods: dict[int, type[ReadRefused]]) -> None:
        super().__init__(set())
        self.moods = moods

    def read(self, rows: Positions) -> tuple[Positions, list[int]]:
        for place, mood in self.moods.items():
            if rows[0] <= place <= rows[-1]:
                self.requests.append(rows)
                raise mood(f"{mood.__name__} at {place}")
        return super().read(rows)


WHOLE = tuple(range(8))


@pytest.mark.parametrize("mood", [DeviceBusy, UnclearRefusal])
def test_a_refusal_for_now_leaves_the_block_whole_and_holds_nothing_against_an_address(mood: type[ReadRefused]) -> None:
    device = MoodyDevice({5: mood})
    split = SplitReads(WHOLE, device.read, 60.0)
    for now in range(0, 10, 2):
        device.moods = {5: mood}
        assert values(split, now) == set()
        assert (split.refused, split.untried) == ({}, [])
        assert split.postponed == dict.fromkeys(WHOLE, f"{mood.__name__} at 5")
        device.moods = {}
        assert values(split, now + 1) == set(WHOLE)
        assert split.postponed == {}
    assert device.requests == [WHOLE] * 10


def test_an_unclear_refusal_counts_in_the_next_poll_and_a_busy_one_only_when_it_lasts() -> None:
    unclear, busy = MoodyDevice({5: UnclearRefusal}), MoodyDevice({5: DeviceBusy})
    split, patient = SplitReads(WHOLE, unclear.read, 60.0), SplitReads(WHOLE, busy.read, 60.0)
    assert values(split, 0) == values(patient, 0) == set()
    assert values(split, 1) == set(WHOLE) - {5}
    assert split.refused == {5: "UnclearRefusal at 5"}
    assert values(patient, 59.9) == set()
    assert values(patient, 60.0) == set(WHOLE) - {5}, "the bad address is found in one poll, as always"
    rarely = SplitReads(WHOLE, busy.read, 60.0)
    assert [len(values(rarely, now)) for now in (0, 300, 600)] == [0, 0, 7], "a long interval alone proves nothing"


def test_a_piece_that_is_busy_stays_as_it_is_and_the_others_are_read() -> None:
    device = MoodyDevice({1: ReadRefused})
    split = SplitReads(WHOLE, device.read, 60.0)
    assert values(split, 0) == set(WHOLE) - {1}
    device.moods[6] = DeviceBusy
    assert values(split, 1) == {0, 2, 3}
    assert split.postponed == dict.fromkeys((4, 5, 6, 7), "DeviceBusy at 6")
    assert split.refused == {1: "ReadRefused at 1"}
    device.moods = {0: DeviceBusy}
    device.requests.clear()
    assert values(split, 61) == set(WHOLE) - {0, 1}, "when the whole is busy, the pieces are still read"
    device.moods = {}
    assert values(split, 62) == set(WHOLE)
