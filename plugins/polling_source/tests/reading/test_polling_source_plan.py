"""The read plan: few blocks, within the driver's limits, and every tag in one of them."""

from __future__ import annotations

import random
import struct

from hypothesis import given
from hypothesis import strategies as st
from polling_source.reading.plan import ReadPlan, locate_tags
from polling_source.tags.tag import Place, PlacedTag

from agent_core.api import DataType, TagSpec, Value, WordOrder, float32_to_shortest
from agent_core.testing.fake_drivers import FakeBlockDriver

CODES = {
    DataType.INT16: "h",
    DataType.UINT16: "H",
    DataType.INT32: "i",
    DataType.UINT32: "I",
    DataType.INT64: "q",
    DataType.UINT64: "Q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}


def plan_for(driver: FakeBlockDriver, tags: list[TagSpec]) -> ReadPlan:
    points, problems = locate_tags(driver, [PlacedTag(tag, Place()) for tag in tags])
    assert not problems
    return ReadPlan(driver, tags, [point for _, point in points])


def words(*numbers: int) -> list[TagSpec]:
    return [TagSpec(f"D{number}", f"D{number}", DataType.UINT16) for number in numbers]


def blocks(plan: ReadPlan) -> list[tuple[str, int, int]]:
    return [(block.area, block.start, block.units) for block in plan.blocks]


def test_neighbours_are_read_in_one_request() -> None:
    assert blocks(plan_for(FakeBlockDriver(), words(12, 10, 11))) == [("D", 10, 3)]


def test_a_gap_is_read_over_when_the_driver_tolerates_it() -> None:
    driver = FakeBlockDriver(max_gap=10)
    assert blocks(plan_for(driver, words(0, 11))) == [("D", 0, 12)]
    assert blocks(plan_for(driver, words(0, 12))) == [("D", 0, 1), ("D", 12, 1)]


def test_a_block_ends_at_the_limit_of_a_request_and_between_tags() -> None:
    driver = FakeBlockDriver(max_words=5)
    tags = [TagSpec(f"T{start}", f"D{start}", DataType.FLOAT32) for start in range(0, 12, 2)]
    assert blocks(plan_for(driver, tags)) == [("D", 0, 4), ("D", 4, 4), ("D", 8, 4)]


def test_areas_are_read_apart() -> None:
    tags = [*words(0), TagSpec("M0", "M0", DataType.BOOL), TagSpec("M9", "M9", DataType.BOOL)]
    assert blocks(plan_for(FakeBlockDriver(), tags)) == [("D", 0, 1), ("M", 0, 10)]


def test_a_block_starts_where_the_device_can() -> None:
    driver = FakeBlockDriver(max_words=16, alignment=8)
    assert blocks(plan_for(driver, words(3, 9, 27))) == [("D", 0, 10), ("D", 24, 4)]


def test_a_short_tag_within_a_long_one_does_not_shrink_the_block() -> None:
    tags = [TagSpec("LONG", "D0", DataType.STRING, 20), *words(1, 2)]
    assert blocks(plan_for(FakeBlockDriver(), tags)) == [("D", 0, 10)]


def test_every_tag_the_driver_cannot_read_is_named() -> None:
    driver = FakeBlockDriver(max_words=4)
    tags = [
        PlacedTag(TagSpec("A", "X1", DataType.UINT16), Place(file="tags.csv", line=2)),
        PlacedTag(TagSpec("B", "D1", DataType.UINT16), Place(file="tags.csv", line=3)),
        PlacedTag(TagSpec("C", "D1", DataType.STRING, 10), Place(file="tags.csv", line=4)),
        PlacedTag(TagSpec("D", "D1", DataType.BOOL), Place(file="tags.csv", line=5)),
        PlacedTag(TagSpec("E", "M1", DataType.UINT16), Place(file="tags.csv", line=6)),
        PlacedTag(TagSpec("F", "D1.16", DataType.BOOL), Place(file="tags.csv", line=7)),
    ]
    points, problems = locate_tags(driver, tags)
    assert [tag.spec.name for tag, _ in points] == ["B"]
    assert [str(problem) for problem in problems] == [
        "tags.csv:2: tag A: 'X1': write D100, D100.3 or M5",
        "tags.csv:4: tag C: 'D1': 5 units are more than one request reads (4)",
        "tags.csv:5: tag D: 'D1': a bool needs one of the bits 0 to 15",
        "tags.csv:6: tag E: 'M1' is one bit, so its data type is bool, not uint16",
        "tags.csv:7: tag F: 'D1.16': a bool needs one of the bits 0 to 15",
    ]


def reference(driver: FakeBlockDriver, tag: TagSpec) -> Value:
    """The value of a tag by the simplest way there is."""
    point = driver.locate(tag)
    if point.area == "M":
        return driver.bits[point.start] == 1
    data = bytes(driver.words[2 * point.start : 2 * (point.start + point.units)])
    if tag.data_type is DataType.BOOL:
        return bool(struct.unpack(">H", data)[0] >> (point.bit or 0) & 1)
    if tag.data_type is DataType.STRING:
        try:
            return data[: tag.length_bytes].split(b"\0")[0].decode(tag.encoding).rstrip()
        except UnicodeDecodeError:
            return None
    if tag.word_order is WordOrder.LITTLE:
        data = b"".join(data[index : index + 2] for index in range(len(data) - 2, -1, -2))
    value = struct.unpack(">" + CODES[tag.data_type], data)[0]
    return float32_to_shortest(value) if tag.data_type is DataType.FLOAT32 else value


@st.composite
def tag_lists(draw: st.DrawFn) -> list[TagSpec]:
    tags: list[TagSpec] = []
    for number in range(draw(st.integers(1, 60))):
        data_type = draw(st.sampled_from(list(DataType)))
        start = draw(st.integers(0, 300))
        if data_type is DataType.BOOL:
            address = f"M{start}" if draw(st.booleans()) else f"D{start}.{draw(st.integers(0, 15))}"
        else:
            address = f"D{start}"
        length_bytes = draw(st.integers(1, 12)) if data_type is DataType.STRING else 0
        order = draw(st.sampled_from([None, WordOrder.BIG, WordOrder.LITTLE]))
        tags.append(TagSpec(f"T{number}", address, data_type, length_bytes, "latin-1", word_order=order))
    return tags


@given(tag_lists(), st.integers(8, 40), st.integers(0, 20), st.sampled_from([1, 2]), st.integers(0, 2**32))
def test_a_plan_reads_every_tag_within_the_limits_and_decodes_as_the_reference(
    tags: list[TagSpec], max_words: int, max_gap: int, alignment: int, seed: int
) -> None:
    driver = FakeBlockDriver(max_words, max_gap, alignment)
    driver.words[:800] = random.Random(seed).randbytes(800)
    driver.bits[:400] = bytes(random.Random(seed).choices((0, 1), k=400))
    plan = plan_for(driver, tags)
    assert sorted(tag.name for tag in plan.tags) == sorted(tag.name for tag in tags)
    assert [row for block in plan.blocks for row in block.positions] == list(range(len(tags)))
    for block in plan.blocks:
        limits = driver.area(block.area)
        assert 1 <= block.units <= limits.max_units
        assert block.start % limits.alignment_units == 0
        data = driver.read_block(block.area, block.start, block.units)
        assert len(data) == block.size_bytes
        for row, value in zip(block.positions, block.decoder.decode(data), strict=True):
            expected = reference(driver, plan.tags[row])
            assert repr(value) == repr(expected), plan.tags[row]


@given(st.lists(st.integers(0, 400), min_size=1, max_size=60), st.integers(1, 40), st.integers(0, 20))
def test_no_plan_has_fewer_blocks(numbers: list[int], max_words: int, max_gap: int) -> None:
    """Dynamic programming over the sorted words finds the least number of blocks there can be."""
    plan = plan_for(FakeBlockDriver(max_words, max_gap), words(*numbers))
    places = sorted(set(numbers))
    least = [0] * (len(places) + 1)
    for stop in range(1, len(places) + 1):
        options = []
        for start in range(stop - 1, -1, -1):
            if start < stop - 1 and places[start + 1] - places[start] - 1 > max_gap:
                break
            if places[stop - 1] - places[start] + 1 > max_words:
                break
            options.append(least[start] + 1)
        least[stop] = min(options)
    assert len(plan.blocks) == least[-1]
