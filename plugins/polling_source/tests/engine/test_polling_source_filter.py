"""Rules of tags: texts for numbers, limits, and values that are emitted only when they change."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from polling_source.engine.filter import TagFilter
from polling_source.source import PollingSource
from polling_source.tags.rule import TagRule, parse_labels

from agent_core.api import BAD, GOOD, UNCERTAIN, Batch, Value
from agent_core.testing.clock import ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver

MakeSource = Callable[..., PollingSource]


def emitted(rule: TagRule, values: Sequence[Value], resend_seconds: float | None = None) -> list[Value]:
    """What is left of ``values``, read one second apart."""
    tag_filter = TagFilter([rule], resend_seconds)
    found: list[Value] = []
    for second, value in enumerate(values):
        row, qualities = [value], bytearray((BAD if value is None else GOOD,))
        if not tag_filter.apply(row, qualities, float(second)):
            found.append(row[0])
    return found


def test_a_group_without_rules_has_no_filter() -> None:
    assert TagFilter([TagRule(), TagRule()], None).is_empty
    assert not TagFilter([TagRule(), TagRule(on_change=True)], None).is_empty


def test_on_change_emits_the_first_value_and_every_other_one() -> None:
    assert emitted(TagRule(on_change=True), [1, 1, 2, 2, 1]) == [1, 2, 1]
    assert emitted(TagRule(on_change=True), ["A", "A", "B"]) == ["A", "B"]


def test_nan_is_no_change_from_nan() -> None:
    assert len(emitted(TagRule(on_change=True), [math.nan, float("nan"), 1.0, math.nan])) == 3
    assert len(emitted(TagRule(deadband=0.5), [math.nan, float("nan"), 1.0, math.nan])) == 3


def test_a_deadband_compares_with_the_value_emitted_last() -> None:
    assert emitted(TagRule(deadband=0.5), [10.0, 10.4, 10.5, 10.6, 10.2, 10.0]) == [10.0, 10.6, 10.0]
    assert emitted(TagRule(deadband=0), [1, 1, 2]) == [1, 2]


def test_a_deadband_in_percent_is_one_of_the_value_emitted_last() -> None:
    assert emitted(TagRule(deadband_percent=10.0), [100, 109, 110, 111, 121, 123]) == [100, 111, 123]
    assert emitted(TagRule(deadband_percent=10.0), [-100, -91, -89]) == [-100, -89]
    assert emitted(TagRule(deadband_percent=10.0), [0.0, 0.0, 0.001]) == [0.0, 0.001]


@pytest.mark.parametrize("rule", [TagRule(deadband_percent=10.0), TagRule(deadband=0.5), TagRule(on_change=True)])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, math.inf, 2, 5, 100], [1, math.inf, 2, 5, 100]),
        ([1.0, math.inf, math.inf, -math.inf, 1.0], [1.0, math.inf, -math.inf, 1.0]),
        ([math.inf, math.nan, math.inf, 3.0], [math.inf, math.nan, math.inf, 3.0]),
        ([3.0, math.nan, float("nan"), 3.0], [3.0, math.nan, 3.0]),
        ([True, False, False, True], [True, False, True]),
        ([10**400, 1, 10**400, 2.5], [10**400, 1, 10**400, 2.5]),
        (["A", 1, "A"], ["A", 1, "A"]),
        ([Decimal(1), Decimal(1), Decimal(3), 3.5, Decimal(5)], [Decimal(1), Decimal(3), 3.5, Decimal(5)]),
        ([Decimal(3), Decimal("NaN"), Decimal("NaN"), Decimal(3)], [Decimal(3), Decimal("NaN"), Decimal(3)]),
        ([Decimal("sNaN"), Decimal(3)], [Decimal("sNaN"), Decimal(3)]),
        ([Decimal(3), Decimal("Infinity"), Decimal(3)], [Decimal(3), Decimal("Infinity"), Decimal(3)]),
    ],
)
def test_no_value_keeps_a_later_one_from_being_seen_as_a_change(
    rule: TagRule, values: list[Value], expected: list[Value]
) -> None:
    assert [str(value) for value in emitted(rule, values)] == [str(value) for value in expected]


def test_whole_numbers_that_no_float_can_hold_are_compared_exactly() -> None:
    big = 2**60
    assert emitted(TagRule(deadband=0.5), [big, big + 1, big + 1, big]) == [big, big + 1, big]
    assert emitted(TagRule(deadband=2), [big, big + 1, big + 2, big + 3]) == [big, big + 3]
    assert emitted(TagRule(deadband_percent=10.0), [big, big + 1, 2 * big]) == [big, 2 * big]


def test_a_deadband_holds_for_decimals_too() -> None:
    values: list[Value] = [Decimal(100), Decimal(109), Decimal("110.1"), Decimal("110.2")]
    assert emitted(TagRule(deadband_percent=10.0), values) == [Decimal(100), Decimal("110.1")]
    assert emitted(TagRule(deadband=9), values) == [Decimal(100), Decimal("110.1")]


def test_a_bool_is_never_near_another_however_wide_the_deadband() -> None:
    assert emitted(TagRule(deadband=5.0, deadband_percent=200.0), [True, False, True]) == [True, False, True]


def test_of_two_deadbands_the_wider_one_counts() -> None:
    assert emitted(TagRule(deadband=1.0, deadband_percent=10.0), [0.0, 1.0, 1.5, 100.0, 109.0, 111.0]) == [
        *(0.0, 1.5, 100.0, 111.0)
    ]


def test_a_value_that_stays_outside_its_limits_is_thinned_out_like_any_other() -> None:
    assert emitted(TagRule(maximum=10.0, on_change=True), [11, 11, 12, 12, 9]) == [11, 12, 9]


def test_an_unchanged_value_is_sent_again_when_the_last_row_is_old() -> None:
    assert emitted(TagRule(on_change=True), [7] * 10, resend_seconds=4.0) == [7, 7, 7]


def test_a_value_that_comes_back_from_bad_is_a_change() -> None:
    assert emitted(TagRule(on_change=True), [1, 1, None, 1, 1]) == [1, None, 1]


def test_texts_stand_for_numbers_and_others_are_uncertain() -> None:
    tag_filter = TagFilter([TagRule(labels=parse_labels(" 0 = STOP; 1=RUN "))] * 4, None)
    values: list[Value] = [0, True, 7, None]
    qualities = bytearray((GOOD, GOOD, GOOD, BAD))
    assert tag_filter.apply(values, qualities, 0.0) == set()
    assert values == ["STOP", "RUN", 7, None]
    assert list(qualities) == [GOOD, GOOD, UNCERTAIN, BAD]


def test_a_number_outside_its_limits_stays_and_is_bad() -> None:
    tag_filter = TagFilter([TagRule(minimum=0.0, maximum=10.0)] * 5, None)
    values: list[Value] = [0, 10.0, -0.1, math.nan, None]
    qualities = bytearray((GOOD, GOOD, GOOD, GOOD, BAD))
    tag_filter.apply(values, qualities, 0.0)
    assert values[2] == -0.1
    assert list(qualities) == [GOOD, GOOD, BAD, BAD, BAD]


def test_a_quality_that_changes_is_a_change() -> None:
    tag_filter = TagFilter([TagRule(maximum=10.0, deadband=5.0)], None)
    for value, hidden in ((9.0, set()), (9.5, {0}), (10.5, set()), (10.6, {0}), (9.9, set())):
        assert tag_filter.apply([value], bytearray((GOOD,)), 0.0) == hidden


@pytest.mark.parametrize("bad_records", ["on_change", "every_poll"])
def test_a_group_emits_what_changed_and_counts_the_rest(
    make_source: MakeSource, clock: ManualClock, bad_records: str
) -> None:
    driver = FakeBlockDriver()
    tags = [
        {"name": "COUNT", "address": "D1", "data_type": "uint16"},
        {"name": "STATE", "address": "D2", "data_type": "uint16", "enum": "0=STOP;1=RUN", "on_change": True},
    ]
    source = make_source(
        {"PLC01": driver}, [{"id": "G", "device": "PLC01", "interval": 1.0, "tags": tags}], bad_records=bad_records
    )
    source.open()
    batches: list[Batch] = []
    source.workers[0].begin(batches.append)
    for second in range(6):
        driver.store(2, b"\x00\x01" if second >= 3 else b"\x00\x00")
        source.workers[0].run_due()
        clock.advance(1.0)
    assert [dict(zip(batch.names, batch.values, strict=True)) for batch in batches] == [
        {"COUNT": 0, "STATE": "STOP"},
        {"COUNT": 0},
        {"COUNT": 0},
        {"COUNT": 0, "STATE": "RUN"},
        {"COUNT": 0},
        {"COUNT": 0},
    ]
    assert source.groups()[0].suppressed == 4
