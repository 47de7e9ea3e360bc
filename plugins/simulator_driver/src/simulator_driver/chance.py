"""Pseudo-random numbers as a pure function of a key and a counter: nothing is remembered between two of them."""

from __future__ import annotations

import math
from hashlib import blake2b

_MASK = 2**64 - 1


def key_of(seed: int, name: str) -> int:
    """The 64-bit key of one tag: other tags, and other seeds, have other numbers."""
    return int.from_bytes(blake2b(f"{seed}\0{name}".encode(), digest_size=8).digest())


def uniform(key: int, counter: int) -> float:
    """A number in [0, 1).

    SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014), its state for
    ``counter`` computed instead of stepped to.
    """
    mixed = (key + counter * 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((mixed ^ (mixed >> 31)) >> 11) * 2.0**-53


def normal(key: int, counter: int) -> float:
    """A number of the standard normal distribution (Box and Muller, 1958)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, 2 * counter)))
    return radius * math.cos(math.tau * uniform(key, 2 * counter + 1))


def wander(key: int, position: float) -> float:
    """A number in [0, 1] that moves smoothly with ``position``, as a random walk kept within bounds looks.

    Value noise in three octaves: random heights at whole positions, joined by smooth steps.
    """
    total = 0.0
    for octave, share in _OCTAVES:
        scaled = position * octave
        whole = math.floor(scaled)
        part = scaled - whole
        before = uniform(key + octave, whole)
        total += share * (before + (uniform(key + octave, whole + 1) - before) * part * part * (3.0 - 2.0 * part))
    return total


_OCTAVES = ((1, 0.7), (4, 0.2), (16, 0.1))
