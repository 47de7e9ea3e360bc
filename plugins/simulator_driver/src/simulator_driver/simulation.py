"""Simulation: what one tag's address comes to, and what is wrong with an address that comes to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from agent_core.api import BAD, AddressError, ItemReading, TagSpec, did_you_mean
from simulator_driver.address import Address, Options
from simulator_driver.chance import key_of, uniform
from simulator_driver.shape import shape_of, written_value
from simulator_driver.signals import KINDS, Kind, Values

Simulation = Callable[[int], ItemReading]
"""From UTC nanoseconds to the tag's reading at that time."""

COMMON: Mapping[str, str] = {"bad": "0", "digits": ""}
"""Options of every signal: the share of readings that are BAD, and the decimals a float is rounded to."""

BAD_READING = ItemReading(None, BAD)
_BAD_STREAM = 0x5DEECE66D
"""Added to a tag's key, so that whether a reading is BAD has nothing to do with its value."""


def simulate(tag: TagSpec, seed: int) -> Simulation:
    """Make the tag's simulation. Raises AddressError, which teaches the syntax."""
    try:
        return _simulate(tag, Address.parse(tag.address), seed)
    except ValueError as error:
        raise AddressError(f"address '{tag.address}': {error}") from None


def _simulate(tag: TagSpec, address: Address, seed: int) -> Simulation:
    kind = KINDS.get(address.signal)
    if kind is None:
        examples = "; ".join(kind.example for kind in KINDS.values())
        raise ValueError(f"no signal is called {address.signal!r}; {_hint(address.signal, KINDS)}known: {examples}")
    options = _options(address, kind)
    values = [written_value(tag, text) for text in _values(address, kind)]
    key = key_of(seed, tag.name)
    signal = kind.make(values, options, key)
    digits = options.whole("digits") if options.texts["digits"] else None
    if digits is not None and not 0 <= digits <= 15:
        raise ValueError("digits is not between 0 and 15")
    shape = shape_of(tag, digits, kind.wraps)
    bad = options.share("bad")
    if bad == 0.0:
        return lambda time_ns: ItemReading(shape(signal(time_ns)))
    bad_key = key + _BAD_STREAM
    return lambda time_ns: BAD_READING if uniform(bad_key, time_ns) < bad else ItemReading(shape(signal(time_ns)))


def _values(address: Address, kind: Kind) -> Sequence[str]:
    """The texts before the options."""
    if kind.values is Values.NONE:
        if address.argument is not None:
            raise ValueError(f"expected option=value, not {address.argument!r}; as in {kind.example}")
        return ()
    if not address.argument:
        raise ValueError(f"a value is missing; as in {kind.example}")
    if kind.values is Values.ONE:
        return (address.argument,)
    return [text.strip() for text in address.argument.split("|")]


def _options(address: Address, kind: Kind) -> Options:
    known = {**kind.defaults, **COMMON}
    for name in address.options:
        if name not in known:
            raise ValueError(
                f"{address.signal} has no option {name!r}; {_hint(name, known)}"
                f"known: {', '.join(known)}; as in {kind.example}"
            )
    return Options({**known, **address.options})


def _hint(name: str, known: Iterable[str]) -> str:
    hint = did_you_mean(name, known)
    return f"{hint} " if hint else ""
