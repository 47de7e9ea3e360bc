"""The signals: how a value moves, each a pure function of the time, the options and the tag's key."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from simulator_driver.address import Options
from simulator_driver.chance import normal, uniform, wander

Raw = float | int | str
Signal = Callable[[int], Raw]
"""From UTC nanoseconds to a value that the tag's data type then shapes."""


class Values(Enum):
    """How many values stand before the options."""

    NONE = auto()
    ONE = auto()
    SEVERAL = auto()


@dataclass(frozen=True, slots=True)
class Kind:
    """One word before the colon.

    ``defaults`` names every option it has. ``values``: how many values it wants before the options, separated by
    ``|``. ``wraps``: a value beyond the data type's range begins anew at its other end, as a PLC's counter does;
    others stop at the end.
    """

    example: str
    defaults: Mapping[str, str]
    make: Callable[[Sequence[Raw], Options, int], Signal]
    values: Values = Values.NONE
    wraps: bool = False


def _constant(values: Sequence[Raw], _options: Options, _key: int) -> Signal:
    value = values[0]
    return lambda time_ns: value  # noqa: ARG005 - always the same


def _ramp(_values: Sequence[Raw], options: Options, key: int) -> Signal:
    low, high = options.range()
    span = high - low
    turn = _turns(options, key)
    return lambda time_ns: low + span * turn(time_ns)


def _sine(_values: Sequence[Raw], options: Options, key: int) -> Signal:
    low, high = options.range()
    middle, reach = (low + high) / 2, (high - low) / 2
    turn = _turns(options, key)
    return lambda time_ns: middle + reach * math.sin(math.tau * turn(time_ns))


def _square(_values: Sequence[Raw], options: Options, key: int) -> Signal:
    low, high, duty = options.number("low"), options.number("high"), options.share("duty")
    turn = _turns(options, key)
    return lambda time_ns: high if turn(time_ns) < duty else low


def _bool(_values: Sequence[Raw], options: Options, key: int) -> Signal:
    return _square((), Options({**options.texts, "low": "0", "high": "1"}), key)


def _noise(_values: Sequence[Raw], options: Options, key: int) -> Signal:
    mean, deviation = options.number("mean"), options.number("sd")
    if deviation < 0:
        raise ValueError("sd is less than 0")
    return lambda time_ns: mean + deviation * normal(key, time_ns)


def _random_walk(_values: Sequence[Raw], options: Options, key: int) -> Signal:
    low, high = options.range()
    span, period_ns = high - low, options.duration_ns("period")
    return lambda time_ns: low + span * wander(key, time_ns / period_ns)


def _counter(_values: Sequence[Raw], options: Options, _key: int) -> Signal:
    start, step, every_ns = options.whole("start"), options.whole("step"), options.duration_ns("every")
    if options.texts["reset"] == "never":
        return lambda time_ns: start + step * (time_ns // every_ns)
    reset_ns = options.duration_ns("reset")
    return lambda time_ns: start + step * (time_ns % reset_ns // every_ns)


def _text(states: Sequence[Raw], options: Options, key: int) -> Signal:
    count, every_ns = len(states), options.duration_ns("every")
    if options.choice("pick", "cycle", "random") == "cycle":
        return lambda time_ns: states[time_ns // every_ns % count]
    return lambda time_ns: states[int(uniform(key, time_ns // every_ns) * count)]


def _turns(options: Options, key: int) -> Callable[[int], float]:
    """How much of the period is over, from 0 up to 1."""
    period_ns = options.duration_ns("period")
    phase = uniform(key, 0) if options.texts["phase"] == "random" else options.share("phase")
    shift_ns = round(phase * period_ns)
    return lambda time_ns: (time_ns + shift_ns) % period_ns / period_ns


_PERIODIC = {"period": "60s", "phase": "0"}

KINDS: Mapping[str, Kind] = {
    "constant": Kind("constant:5", {}, _constant, Values.ONE),
    "ramp": Kind("ramp:min=0,max=100,period=60s", {"min": "0", "max": "100", **_PERIODIC}, _ramp),
    "sine": Kind("sine:min=0,max=100,period=60s", {"min": "0", "max": "100", **_PERIODIC}, _sine),
    "square": Kind(
        "square:low=0,high=10,period=60s,duty=0.5", {"low": "0", "high": "1", "duty": "0.5", **_PERIODIC}, _square
    ),
    "bool": Kind("bool:period=60s,duty=0.9", {"duty": "0.5", **_PERIODIC}, _bool),
    "noise": Kind("noise:mean=20,sd=0.5", {"mean": "0", "sd": "1"}, _noise),
    "random_walk": Kind(
        "random_walk:min=0,max=100,period=10m", {"min": "0", "max": "100", "period": "10m"}, _random_walk
    ),
    "counter": Kind(
        "counter:step=1,every=1s,reset=1d",
        {"start": "0", "step": "1", "every": "1s", "reset": "1d"},
        _counter,
        wraps=True,
    ),
    "text": Kind("text:RUN|IDLE|FAULT,every=30s", {"every": "30s", "pick": "cycle"}, _text, Values.SEVERAL),
}
