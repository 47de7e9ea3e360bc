"""How values move: each signal over time, shaped by the tag's data type."""

from __future__ import annotations

import math
import statistics
import struct
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulator_driver.config import SimulatorDriverConfig
from simulator_driver.driver import SimulatorDriver

from agent_core.api import BAD, GOOD, AddressError, DataType, ItemReading, TagSpec, Value
from agent_core.testing.background import Background
from agent_core.testing.clock import ManualClock

INTEGERS = {
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}
ADDRESSES = (
    "constant:5",
    "ramp:min=-5,max=100000,period=60s",
    "sine:min=-70000,max=70000,period=60s,phase=random",
    "square:low=-1,high=1e12,period=7s,duty=0.3",
    "bool:period=60s,duty=0.9",
    "noise:mean=20,sd=1e20",
    "random_walk:min=0,max=100,period=10m",
    "counter:step=-3,every=100ms,reset=never",
    "text:1|2|3,every=30s,pick=random",
)


def driver(clock: ManualClock, seed: int = 1, latency: float = 0.0) -> SimulatorDriver:
    return SimulatorDriver(SimulatorDriverConfig("", 2.0, seed, latency), clock)


def values(
    address: str,
    data_type: DataType = DataType.FLOAT64,
    count: int = 5,
    every: float = 15.0,
    name: str = "T",
    seed: int = 1,
    length: int = 0,
) -> Sequence[Value]:
    """What one tag holds at ``count`` times, the first at midnight UTC."""
    clock = ManualClock()
    simulator = driver(clock, seed)
    tag = TagSpec(name, address, data_type, length_bytes=length)
    found: list[Value] = []
    for _ in range(count):
        (reading,) = simulator.read_items([tag])
        found.append(reading.value)
        clock.advance(every)
    return found


def numbers(address: str, data_type: DataType = DataType.FLOAT64, count: int = 5, every: float = 15.0) -> list[float]:
    return [float(value) for value in values(address, data_type, count, every) if isinstance(value, (int, float))]


def test_a_constant_stays() -> None:
    assert values("constant:5", DataType.INT16, count=3) == [5, 5, 5]


def test_a_ramp_climbs_from_min_to_max_and_falls_back() -> None:
    assert values("ramp:min=0,max=100,period=60s") == [0.0, 25.0, 50.0, 75.0, 0.0]


def test_a_phase_shifts_by_a_part_of_the_period() -> None:
    assert values("ramp:min=0,max=100,period=60s,phase=0.25") == [25.0, 50.0, 75.0, 0.0, 25.0]


def test_a_random_phase_is_another_one_for_each_tag() -> None:
    first, second = (values("ramp:phase=random", name=name) for name in ("A", "B"))
    assert first != second


def test_a_sine_swings_between_min_and_max() -> None:
    assert numbers("sine:min=10,max=30,period=60s") == pytest.approx([20.0, 30.0, 20.0, 10.0, 20.0])


def test_a_square_is_high_for_its_duty_then_low() -> None:
    assert values("square:low=2,high=9,period=60s,duty=0.5") == [9.0, 9.0, 2.0, 2.0, 9.0]


def test_a_bool_is_true_for_its_duty() -> None:
    assert values("bool:period=60s,duty=0.75", DataType.BOOL) == [True, True, True, False, True]


def test_noise_has_its_mean_and_deviation() -> None:
    found = numbers("noise:mean=20,sd=0.5", count=2000, every=1.0)
    assert statistics.fmean(found) == pytest.approx(20.0, abs=0.05)
    assert statistics.stdev(found) == pytest.approx(0.5, abs=0.05)


def test_a_random_walk_wanders_within_its_bounds_in_small_steps() -> None:
    found = numbers("random_walk:min=10,max=20,period=10m", count=2000, every=1.0)
    assert 10.0 <= min(found) < 13.0
    assert 17.0 < max(found) <= 20.0
    assert max(abs(after - before) for before, after in pairwise(found)) < 0.3


def test_a_counter_counts_and_begins_anew_at_its_reset() -> None:
    assert values("counter:step=2,every=5s,reset=30s,start=100") == [100.0, 106.0, 100.0, 106.0, 100.0]


def test_a_counter_beyond_its_type_begins_anew_as_in_a_plc() -> None:
    assert values("counter:start=65535", DataType.UINT16, count=2, every=1.0) == [65535, 0]
    assert values("counter:start=32767", DataType.INT16, count=2, every=1.0) == [32767, -32768]


def test_a_text_goes_through_its_states() -> None:
    found = values("text:RUN|IDLE|FAULT,every=15s", DataType.STRING, length=8)
    assert sorted(set(map(str, found))) == ["FAULT", "IDLE", "RUN"]
    assert found[:2] == found[3:]


def test_a_text_may_pick_at_random_and_a_state_named_twice_comes_twice_as_often() -> None:
    found = Counter(values("text:RUN|RUN|IDLE,every=1s,pick=random", DataType.STRING, count=1500, every=1.0))
    assert found["RUN"] / found["IDLE"] == pytest.approx(2.0, abs=0.4)


def test_a_text_of_numbers_makes_states_of_a_number() -> None:
    assert set(values("text:1|2|4,every=15s", DataType.UINT16, count=3)) == {1, 2, 4}


def test_digits_rounds_as_a_sensor_does() -> None:
    assert values("ramp:max=1,period=7s,digits=2", count=2, every=1.0) == [0.0, 0.14]
    assert values("ramp:max=1,period=7s,digits=2", DataType.STRING, count=2, every=1.0) == ["0.00", "0.14"]


def test_bad_is_the_share_of_readings_that_are_bad() -> None:
    clock = ManualClock()
    simulator = driver(clock)
    readings: list[ItemReading] = []
    for _ in range(1000):
        readings += simulator.read_items([TagSpec("T", "constant:5,bad=0.1", DataType.INT16)])
        clock.advance(1.0)
    assert set(readings) == {ItemReading(5, GOOD), ItemReading(None, BAD)}
    assert sum(reading.quality == BAD for reading in readings) == pytest.approx(100, abs=35)


@given(
    st.sampled_from(ADDRESSES), st.sampled_from(list(DataType)), st.integers(0, 2**62), st.sampled_from(("A", "온도"))
)
def test_every_signal_gives_every_data_type_a_value_of_its_own_kind(
    address: str, data_type: DataType, start_ns: int, name: str
) -> None:
    simulator = driver(ManualClock(start_ns))
    tag = TagSpec(name, address, data_type, length_bytes=6)
    simulator.check(tag)
    (reading,) = simulator.read_items([tag])
    value = reading.value
    if data_type is DataType.BOOL:
        assert isinstance(value, bool)
    elif data_type is DataType.STRING:
        assert isinstance(value, str)
        assert 1 <= len(value.encode()) <= 6
    elif data_type in INTEGERS:
        low, high = INTEGERS[data_type]
        assert type(value) is int
        assert low <= value <= high
    else:
        assert isinstance(value, float)
        assert math.isfinite(value)
        if data_type is DataType.FLOAT32:
            assert len(f"{value!r}".replace("-", "").replace(".", "").split("e")[0].strip("0")) <= 9
            assert struct.unpack("<f", struct.pack("<f", value))[0] == pytest.approx(value, rel=1e-7)


@given(st.sampled_from(ADDRESSES), st.integers(-5, 5), st.sampled_from(("A", "B")))
def test_a_value_depends_on_time_seed_and_tag_and_on_nothing_that_was_read_before(
    address: str, seed: int, name: str
) -> None:
    once = values(address, count=4, every=15.0, name=name, seed=seed)
    assert values(address, count=2, every=45.0, name=name, seed=seed) == [once[0], once[3]]


def test_another_seed_and_another_tag_have_other_values() -> None:
    found = {values("noise:mean=0,sd=1", count=1, name=name, seed=seed)[0] for name in "AB" for seed in (1, 2)}
    assert len(found) == 4


def test_a_value_is_the_same_on_every_machine() -> None:
    assert values("noise:mean=20,sd=0.5,digits=6", count=2, every=1.0) == [20.195273, 19.865862]
    assert values("random_walk:min=0,max=100,digits=6", count=2, every=60.0) == [40.038186, 44.292866]


def test_tags_of_one_request_are_read_at_one_time_and_two_of_one_name_are_kept_apart() -> None:
    clock = ManualClock()
    simulator = driver(clock)
    tags = [TagSpec("T", "counter:every=1s", DataType.INT32), TagSpec("T", "constant:7", DataType.INT32)]
    clock.advance(3.0)
    for _ in range(2):
        assert [reading.value for reading in simulator.read_items(tags)] == [3, 7]


def test_a_tag_that_was_never_checked_and_means_nothing_is_bad() -> None:
    tags = [TagSpec("A", "D100", DataType.INT16), TagSpec("B", "constant:1", DataType.INT16)]
    assert driver(ManualClock()).read_items(tags) == [ItemReading(None, BAD), ItemReading(1, GOOD)]


def test_the_latency_passes_before_the_values_are_taken() -> None:
    clock = ManualClock()
    simulator = driver(clock, latency=0.5)
    reading = Background(lambda: simulator.read_items([TagSpec("T", "counter:every=500ms", DataType.INT16)]))
    clock.wait_for_waiters()
    clock.advance(0.25)
    assert not reading.done
    clock.advance(0.25)
    assert reading.result() == [ItemReading(1, GOOD)]


@pytest.mark.parametrize(
    ("address", "data_type", "message"),
    [
        ("rmap:min=0", DataType.INT16, "no signal is called 'rmap'; did you mean ramp? known: constant:5; ramp:"),
        ("D100", DataType.INT16, "no signal is called 'd100'; known: constant:5; ramp:min=0,max=100,period=60s;"),
        ("ramp:mni=0", DataType.INT16, "ramp has no option 'mni'; did you mean min? known: min, max, period,"),
        ("ramp:5", DataType.INT16, "expected option=value, not '5'; as in ramp:min=0,max=100,period=60s"),
        ("ramp:min=0,7", DataType.INT16, "expected option=value, not '7'"),
        ("ramp:min=0,min=1", DataType.INT16, "min appears twice"),
        ("ramp:min=9,max=1", DataType.INT16, "min=9 is larger than max=1"),
        ("ramp:min=low", DataType.INT16, "min=low is not a number"),
        ("ramp:max=1e300", DataType.INT16, "max=1e300 is not a number between -1e+100 and 1e+100"),
        ("ramp:phase=2", DataType.INT16, "phase=2 is not between 0 and 1"),
        ("sine:period=5 parsecs", DataType.INT16, "period=5 parsecs is not a duration above 0 such as 500ms"),
        ("counter:every=0s", DataType.INT16, "every=0s is not a duration above 0"),
        ("counter:step=1.5", DataType.INT16, "step=1.5 is not a whole number"),
        ("noise:sd=-1", DataType.INT16, "sd is less than 0"),
        ("constant:5,digits=99", DataType.FLOAT32, "digits is not between 0 and 15"),
        ("constant:5,bad=2", DataType.FLOAT32, "bad=2 is not between 0 and 1"),
        ("constant", DataType.INT16, "a value is missing; as in constant:5"),
        ("constant:high", DataType.INT16, "'high' is no int16"),
        ("constant:70000", DataType.INT16, "70000 is no int16: -32768 to 32767"),
        ("constant:nan", DataType.BOOL, "nan is not a bool: 0 or 1"),
        ("text:RUN|IDLE", DataType.UINT16, "'RUN' is no uint16"),
        ("text:a|b,pick=any", DataType.STRING, "pick=any is none of cycle, random"),
    ],
)
def test_a_wrong_address_is_told_what_would_be_right(address: str, data_type: DataType, message: str) -> None:
    with pytest.raises(AddressError) as raised:
        driver(ManualClock()).check(TagSpec("T", address, data_type, length_bytes=4))
    assert str(raised.value).startswith(f"address '{address}': {message}")


@pytest.mark.parametrize(
    ("address", "expected"), [("constant:nan", math.nan), ("constant:inf", math.inf), ("constant:1e39", None)]
)
def test_a_float_may_be_what_only_floats_can_be(address: str, expected: float | None) -> None:
    (value,) = values(address, DataType.FLOAT32, count=1)
    assert isinstance(value, float)
    if expected is None:
        assert value == pytest.approx(3.4028235e38)
    else:
        assert value == expected or math.isnan(value)


def test_a_string_keeps_its_text_and_fits_its_length() -> None:
    assert values("constant:007", DataType.STRING, count=1) == ["007"]
    assert values("constant:운전", DataType.STRING, count=1, length=4) == ["운"]
