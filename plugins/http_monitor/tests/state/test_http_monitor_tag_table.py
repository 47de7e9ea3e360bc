"""Current values: the newest of each tag, whatever batches they came in."""

from __future__ import annotations

import threading
from array import array

from http_monitor.state.tag_table import HISTORY_CELLS, HISTORY_POINTS, MAX_NOTED_BATCHES, TagTable
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import BAD, GOOD, Batch, Origin, Value

ORIGIN = Origin("line1", "PLC01", "G1")


def batch(origin: Origin, stamp: int, values: dict[str, Value]) -> Batch:
    return Batch.of(origin, tuple(values), tuple(values.values()), stamp)


def shown(table: TagTable) -> dict[tuple[str, str], Value]:
    table.fold()
    return {(tag.origin.group, tag.name): tag.value for tag in table.page(limit=10_000).tags}


NAMES = ("A", "B", "C", "D")
POLLS = st.lists(
    st.tuples(st.sampled_from(["G1", "G2"]), st.dictionaries(st.sampled_from(NAMES), st.integers(), min_size=1)),
    max_size=30,
)


@given(POLLS, st.sets(st.integers(0, 29)))
def test_the_newest_value_is_shown_whenever_it_is_read(
    polls: list[tuple[str, dict[str, int]]], folds: set[int]
) -> None:
    table = TagTable()
    expected: dict[tuple[str, str], Value] = {}
    for number, (group, values) in enumerate(polls):
        table.note(batch(Origin("line1", "PLC01", group), number, dict(values)))
        expected |= {(group, name): value for name, value in values.items()}
        if number in folds:
            table.fold()
    assert shown(table) == expected
    assert table.total == len(expected)


def test_polls_that_share_their_names_are_read_once() -> None:
    table, names = TagTable(), ("A", "B")
    for number in range(100):
        table.note(Batch.of(ORIGIN, names, (number, -number), number))
    assert shown(table) == {("G1", "A"): 99, ("G1", "B"): -99}


def test_joined_batches_keep_their_origins() -> None:
    other = Origin("line1", "PLC02", "G2")
    stamps = Batch.of(other, ("A",), (2,), array("q", [5]), bytes((BAD,)))
    table = TagTable()
    table.note(Batch.join([batch(ORIGIN, 1, {"A": 1}), stamps]))
    table.fold()
    first, second = table.page().tags
    assert (first.value, first.quality, first.timestamp_ns) == (1, GOOD, 1)
    assert (second.value, second.quality, second.timestamp_ns) == (2, BAD, 5)
    assert second.origin == other
    assert table.not_good() == 1


def test_what_nobody_reads_is_bounded() -> None:
    table = TagTable()
    for number in range(MAX_NOTED_BATCHES + 100):
        table.note(batch(ORIGIN, number, {f"T{number}": number}))
    table.fold()
    assert table.total == MAX_NOTED_BATCHES


def test_the_history_has_one_entry_a_sample_and_is_bounded() -> None:
    table = TagTable()
    values: list[Value] = [1, 2.5, True, None, "text", float("nan"), 10**400]
    for value in values:
        table.note(batch(ORIGIN, 0, {"A": value}))
        table.fold()
        table.sample()
    [tag] = table.page().tags
    assert tag.trend == (1.0, 2.5, 1.0, None, None, None, None)
    for _ in range(2 * HISTORY_POINTS):
        table.sample()
    [tag] = table.page().tags
    assert len(tag.trend) == HISTORY_POINTS


def test_a_tag_that_comes_later_has_no_history_before_it() -> None:
    table = TagTable()
    table.note(batch(ORIGIN, 0, {"A": 1}))
    table.fold()
    table.sample()
    table.note(batch(ORIGIN, 0, {"B": 2, "A": 3}))
    table.fold()
    table.sample()
    first, second = table.page().tags
    assert (first.name, first.trend) == ("A", (1.0, 3.0))
    assert (second.name, second.trend) == ("B", (None, 2.0))


def test_with_very_many_tags_the_history_becomes_shorter() -> None:
    table = TagTable()
    count = HISTORY_CELLS // 10
    table.note(batch(ORIGIN, 0, {f"T{number}": number for number in range(count)}))
    table.fold()
    for _ in range(20):
        table.sample()
    assert len(table.page(limit=1).tags[0].trend) == 10


def test_a_page_holds_what_was_asked_for() -> None:
    table = TagTable()
    for group in ("G1", "G2", "G3"):
        table.note(batch(Origin("line1", "PLC01", group), 0, {f"{group}_{number}": number for number in range(10)}))
    table.fold()
    page = table.page(offset=8, limit=5)
    assert [tag.name for tag in page.tags] == ["G1_8", "G1_9", "G2_0", "G2_1", "G2_2"]
    assert (page.matching, page.total) == (30, 30)
    found = table.page("_9", offset=1)
    assert [tag.name for tag in found.tags] == ["G2_9", "G3_9"]
    assert found.matching == 3
    assert table.page("plc01", offset=29).tags[0].name == "G3_9"
    assert table.page(offset=30).tags == ()
    assert table.page("nothing").matching == 0


def test_noting_while_reading_loses_nothing() -> None:
    table, done = TagTable(), threading.Event()

    def read() -> None:
        while not done.is_set():
            table.fold()

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(3000):
        table.note(batch(ORIGIN, number, {f"T{number}": number}))
    done.set()
    reader.join()
    assert len(shown(table)) == 3000
