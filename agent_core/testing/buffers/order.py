"""The order of records, leases and releases."""

from __future__ import annotations

import itertools

import pytest

from agent_core.api import LeaseError
from agent_core.testing.buffers.case import BufferCase, MakeOpen, leases, lent
from agent_core.testing.records import RecordMaker, numbers, records


class OrderTests(BufferCase):
    """First in, first out, at every end of a lease."""

    def test_records_come_out_in_the_order_they_were_appended_with_all_their_columns(self, make: MakeOpen) -> None:
        buffer, maker = make(100), RecordMaker()
        batches = [maker.batch(count) for count in (3, 1, 7, 2, 12, 5, 1, 9)]
        for batch in batches:
            assert not buffer.append(batch)
        lease = lent(buffer, 100)
        assert records(lease.batch) == [record for batch in batches for record in batch.records()]

    @pytest.mark.parametrize("max_records", [1, 4, 10])
    def test_a_lease_is_cut_exactly_at_max_records(self, make: MakeOpen, max_records: int) -> None:
        buffer, maker = make(40), RecordMaker()
        batches = [maker.batch(count) for count in (25, 3, 2, 10)]
        for batch in batches:
            buffer.append(batch)
        got = list(leases(buffer, max_records))
        assert [len(lease.batch) for lease in got] == [max_records] * (40 // max_records)
        assert [record for lease in got for record in records(lease.batch)] == [
            record for batch in batches for record in batch.records()
        ]

    def test_leased_records_are_invisible_to_other_leases_which_may_be_settled_in_any_order(
        self, make: MakeOpen
    ) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(9))
        first, second, third = leases(buffer, 3)
        assert [numbers(lease.batch) for lease in (first, second, third)] == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
        for lease, left in ((second, 6), (third, 3), (first, 0)):
            buffer.settle(lease)
            assert buffer.stats().leased_records == left
        assert buffer.lease(10, 0.0) is None

    def test_released_records_are_back_where_they_were_whatever_the_order_of_release(self, make: MakeOpen) -> None:
        for order in itertools.permutations(range(3)):
            buffer, maker = make(), RecordMaker()
            buffer.append(maker.batch(2))
            buffer.append(maker.batch(7))
            out = list(leases(buffer, 3))
            buffer.append(maker.batch(1))
            for which in order:
                buffer.release(out[which])
            assert numbers(lent(buffer, 10).batch) == list(range(10)), order

    def test_released_records_are_put_between_those_that_are_leased(self, make: MakeOpen) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(9))
        first, second, _third = leases(buffer, 3)
        buffer.release(second)
        assert numbers(lent(buffer, 2).batch) == [3, 4]
        buffer.release(first)
        assert numbers(lent(buffer, 10).batch) == [0, 1, 2, 5]

    @pytest.mark.parametrize("first", ["settle", "release"])
    @pytest.mark.parametrize("second", ["settle", "release"])
    def test_a_lease_that_was_settled_or_released_is_not_out_any_more(
        self, make: MakeOpen, first: str, second: str
    ) -> None:
        buffer = make()
        buffer.append(RecordMaker().batch(5))
        lease = lent(buffer, 3)
        other = lent(buffer, 1)
        getattr(buffer, first)(lease)
        before = buffer.stats()
        with pytest.raises(LeaseError):
            getattr(buffer, second)(lease)
        assert buffer.stats() == before
        buffer.settle(other)

    @pytest.mark.parametrize("end", ["settle", "release"])
    def test_a_lease_of_another_buffer_is_not_out(self, make: MakeOpen, end: str) -> None:
        mine, other = make(), make()
        for buffer in (mine, other):
            buffer.append(RecordMaker().batch(2))
        own, foreign = lent(mine, 2), lent(other, 2)
        with pytest.raises(LeaseError):
            getattr(mine, end)(foreign)
        mine.settle(own)
        other.settle(foreign)
