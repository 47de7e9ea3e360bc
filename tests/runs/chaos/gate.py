"""GateFaults: what a network does between the agent and the database, whichever that is."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Final

from plant.tcp_gate import TcpGate
from runs.chaos.storm import Inject, Seen, hold

_SPREAD: Final = 80
"""A fault hits one of so many requests or answers to come, those of all sessions; a batch makes two or three."""

_LOG_IN: Final = 24
"""So many requests and answers it takes to log in and to read the columns of the table."""

_AT_LOG_IN: Final = 0.1
"""Were every log-in hit as often as what follows it, there would never be a session."""


class GateFaults:
    """Faults of a gate, as long as ``call_seconds`` makes them matter: the agent's limit for one call.

    A lost answer, a late request and an orphan are three ways to an ambiguous commit: the server has committed, will
    commit, or may have, and holds the rows' locks.
    """

    def __init__(self, gate: TcpGate, call_seconds: float) -> None:
        self._gate = gate
        self._call_seconds = call_seconds
        self._mended: Counter[str] = Counter()  # what followed from another fault and is none of its own
        self.outages: Mapping[str, Inject] = {
            "connections refused": self._refused,
            "accepted, never answered": self._silent,
            "connections closed": lambda chance: self._order("drop"),
            "connections reset": lambda chance: self._order("reset"),
        }
        self.calls: Mapping[str, Inject] = {
            "request cut": lambda chance: self._nth(chance, "request cut", chance.random()),
            "answer cut": lambda chance: self._nth(chance, "answer cut", chance.random()),
            "answer lost": lambda chance: self._nth(chance, "answer cut", 0),
            "answer slow": lambda chance: self._nth(chance, "answer late", self._seconds(chance, 0.1, 0.9)),
            "answer too late": lambda chance: self._nth(chance, "answer late", self._seconds(chance, 1.1, 3)),
            "request too late": lambda chance: self._nth(chance, "request late", self._seconds(chance, 1.1, 4)),
            "orphan": lambda chance: self._nth(chance, "request orphan", self._seconds(chance, 0.5, 5)),
            "answer in pieces": lambda chance: self._nth(chance, "answer pieces", chance.randint(1, 9)),
        }

    def seen(self) -> Seen:
        return Seen(self._gate.happened - self._mended, self._gate.waiting)

    def clear(self) -> None:
        self._order("clear")

    def _order(self, line: str) -> None:
        assert self._gate.obey(line), line

    def _nth(self, chance: random.Random, what: str, amount: float) -> None:
        self._order(f"spare {0 if chance.random() < _AT_LOG_IN else _LOG_IN}")
        self._order(f"nth {chance.randint(1, _SPREAD)} {what} {amount}")

    def _seconds(self, chance: random.Random, least: float, most: float) -> float:
        return self._call_seconds * chance.uniform(least, most)

    def _refused(self, chance: random.Random) -> None:
        self._order("pause")
        hold(chance)
        self._order("resume")

    def _silent(self, chance: random.Random) -> None:
        self._order("hang")
        hold(chance)
        self._order("unhang")
        before = self._gate.happened["drop"]
        self._order("drop")  # a stream with a hole in it is of no use
        self._mended["drop"] += self._gate.happened["drop"] - before
