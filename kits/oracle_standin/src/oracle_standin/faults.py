"""Fault rules: what goes wrong, at which call, how often.

A rule counts every call that it matches. It fires from the ``nth`` such call on, ``times`` times (0: forever).
"""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass, field
from typing import Any

POINTS = ("connect", "auth", "execute", "query", "fetch", "commit", "rollback", "ping")
ACTIONS = ("drop", "rst", "hang", "freeze", "latency", "ora", "midpacket", "refuse")
_ids = itertools.count(1)


@dataclass(slots=True)
class Rule:
    """One fault rule. Raises ValueError if a field makes no sense.

    * ``drop``/``rst``: close the connection (cleanly, or by a TCP reset) ``before`` or ``after`` the work; with
      ``row`` or ``value``, at such a row of an array.
    * ``hang``/``latency``: wait ``seconds`` (default: an hour, or one second); a client's break ends the wait.
    * ``freeze``: like ``hang``, but it notices neither a break nor a lost client, and locks stay held. It ends, with
      the connection, when the rules are cleared.
    * ``ora``: answer with ``code``, or each time with the next of ``codes`` (0: nothing happens); with ``row``, only
      that row of an array fails; with ``value`` (a regular expression for the bound values), each row that it matches,
      as with a trigger.
    * ``midpacket``: send half of the reply, then close.
    * ``refuse``: at ``connect``, the listener refuses with ``code`` (default 12514).
    """

    point: str
    action: str
    when: str = "before"
    nth: int = 1
    times: int = 1
    match: str | None = None
    code: int | None = None
    codes: list[int] = field(default_factory=list)
    message: str | None = None
    row: int | None = None
    value: str | None = None
    seconds: float | None = None
    id: int = field(default_factory=lambda: next(_ids))
    seen: int = 0
    fired: int = 0

    def __post_init__(self) -> None:
        if self.point not in POINTS:
            raise ValueError(f"point must be one of {', '.join(POINTS)}")
        if self.action not in ACTIONS:
            raise ValueError(f"action must be one of {', '.join(ACTIONS)}")
        if self.when not in ("before", "after"):
            raise ValueError("when must be before or after")
        if self.action == "ora" and self.code is None and not self.codes:
            raise ValueError("action ora needs a code")
        for pattern in (self.match, self.value):
            re.compile(pattern or "")

    @property
    def by_row(self) -> bool:
        return self.row is not None or self.value is not None


class Faults:
    """The rules of one server. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rules: list[Rule] = []
        self.latency_seconds = 0.0  # added to every reply
        self.cleared = threading.Condition(self._lock)

    def add(self, fields: dict[str, Any]) -> Rule:
        """Adds a rule. Raises TypeError or ValueError if it makes no sense."""
        rule = Rule(**fields)
        with self._lock:
            # A permanent rule for single rows (a trigger) would hide those after it.
            self.rules = sorted([*self.rules, rule], key=lambda rule: rule.by_row and not rule.times)
        return rule

    def clear(self, id: int | None = None) -> None:  # noqa: A002 - as in JSON
        """Remove one rule, or all of them and the latency."""
        with self._lock:
            if id is not None:
                self.rules = [rule for rule in self.rules if rule.id != id]
                return
            self.rules = []
            self.latency_seconds = 0.0
            self.cleared.notify_all()

    def freeze(self, seconds: float) -> None:
        """Waits; when the rules are cleared, no longer. Nothing else ends it."""
        with self.cleared:
            self.cleared.wait(seconds)

    def pick(self, point: str, when: str, text: str, *, by_row: bool = False) -> Rule | None:
        """The rule that fires now, if any: one for the whole call, or one for single rows of an array.

        ``text`` is the SQL, the user or the connect string. Every matching rule counts the call; the first one
        that is due fires.
        """
        if not self.rules:
            return None
        due: Rule | None = None
        with self._lock:
            for rule in self.rules:
                if rule.point != point or rule.when != when or rule.by_row != by_row:
                    continue
                if rule.match is not None and not re.search(rule.match, text, re.IGNORECASE):
                    continue
                rule.seen += 1
                if due is None and rule.seen >= rule.nth and (not rule.times or rule.fired < rule.times):
                    if rule.codes:
                        rule.code = rule.codes[rule.fired % len(rule.codes)]
                    rule.fired += 1
                    due = rule if rule.code != 0 else None
        return due
