"""Fault rules: what goes wrong, at which call, how often.

A rule counts every call it matches and fires from the ``nth`` such call on, ``times`` times (0: for ever).
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
    """One fault rule. Raises ValueError when a field makes no sense.

    * ``drop``/``rst``: close the connection (orderly, or by a TCP reset) ``before`` or ``after`` the work.
    * ``hang``/``latency``: wait ``seconds`` (default: an hour, or one second); a client's break ends the wait.
    * ``freeze``: like ``hang``, but deaf: neither a break nor the client's leaving is noticed, locks stay held. It
      ends when the rules are cleared, with the connection.
    * ``ora``: answer ``code``; with ``row`` only that row of an array fails, with ``value`` (a regular expression
      on the bound values) each row it matches, as a trigger would do.
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
        if self.action == "ora" and self.code is None:
            raise ValueError("action ora needs a code")
        for pattern in (self.match, self.value):
            re.compile(pattern or "")

    @property
    def by_row(self) -> bool:
        return self.row is not None or self.value is not None


class Faults:
    """The rules of one server; safe to use from every session's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.rules: list[Rule] = []
        self.latency_seconds = 0.0  # added to every reply
        self.cleared = threading.Condition(self._lock)

    def add(self, fields: dict[str, Any]) -> Rule:
        """Raises TypeError or ValueError for a rule that makes no sense."""
        rule = Rule(**fields)
        with self._lock:
            # An endless rule for single rows (a trigger) would hide those that follow.
            self.rules = sorted([*self.rules, rule], key=lambda rule: rule.by_row and not rule.times)
        return rule

    def clear(self) -> None:
        with self._lock:
            self.rules = []
            self.latency_seconds = 0.0
            self.cleared.notify_all()

    def freeze(self, seconds: float) -> None:
        """Waits, deaf, until the rules are cleared."""
        with self.cleared:
            self.cleared.wait(seconds)

    def pick(self, point: str, when: str, text: str, *, by_row: bool = False) -> Rule | None:
        """The rule that fires now, if any: one for the whole call, or one for single rows of an array.

        ``text`` is the SQL, the user or the connect string. Every rule that matches counts the call; the first one
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
                    rule.fired += 1
                    due = rule
        return due
