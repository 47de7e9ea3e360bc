"""Faults: what goes wrong with the database (stand-in, not Oracle), in an order that a seed fixes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from oracle_standin.process import Standin

CALL_TIMEOUT_SECONDS: Final = 0.3
"""As in agent.yaml."""

_PENDING: Final = 5
"""So many faults of executes and commits may wait for their call; log-ins, look-ups and rollbacks are rarer."""

_SPREAD: Final = 40
"""A fault hits one of so many calls to come; in between there is time for rows to go in."""

Inject = Callable[[Standin, random.Random], None]


def _rule(point: str, action: str, **fields: Any) -> Inject:
    def inject(server: Standin, chance: random.Random) -> None:
        server.fault(point, action, nth=chance.randint(1, _SPREAD), **fields)

    return inject


def _next(point: str, action: str, **fields: Any) -> Inject:
    def inject(server: Standin, chance: random.Random) -> None:
        server.fault(point, action, **fields)

    return inject


def _slow(point: str, action: str, **fields: Any) -> Inject:
    """An answer that comes too late; sometimes it is only late."""

    def inject(server: Standin, chance: random.Random) -> None:
        seconds = CALL_TIMEOUT_SECONDS * chance.uniform(0.5, 3.0)
        server.fault(point, action, nth=chance.randint(1, _SPREAD), seconds=seconds, **fields)

    return inject


def _hold(chance: random.Random) -> None:
    """How long an outage lasts: from a hiccup to longer than the retries."""
    time.sleep(chance.uniform(0.01, 0.3))


def _refused(server: Standin, chance: random.Random) -> None:
    server.listener_stop()
    server.drop_sessions(rst=chance.random() < 0.5)
    _hold(chance)
    server.listener_start()


def _silent(server: Standin, chance: random.Random) -> None:
    server.black_hole(True)
    server.drop_sessions()
    _hold(chance)
    server.black_hole(False)


def _killed(server: Standin, chance: random.Random) -> None:
    server.kill_sessions()


def _cut(server: Standin, chance: random.Random) -> None:
    server.drop_sessions(rst=chance.random() < 0.5)


def _unknown_service(server: Standin, chance: random.Random) -> None:
    server.fault("connect", "refuse", code=12514, times=chance.randint(1, 4))
    server.drop_sessions()


def _expired(server: Standin, chance: random.Random) -> None:
    server.expire_password()
    server.drop_sessions()
    _hold(chance)
    server.change_password(server.password)


OUTAGES: Final[dict[str, Inject]] = {
    "connection refused": _refused,
    "accepted, never answered": _silent,
    "sessions killed": _killed,
    "connections cut": _cut,
    "ORA-28001 for a while": _expired,
}
"""Each counts as one fault; the others are counted by the stand-in when they hit a call."""

CALLS: Final[dict[str, Inject]] = {
    "drop before execute": _rule("execute", "drop"),
    "reset before execute": _rule("execute", "rst"),
    "drop after execute": _rule("execute", "drop", when="after"),
    "half an answer to execute": _rule("execute", "midpacket"),
    "drop before commit": _rule("commit", "drop"),
    "drop after commit": _rule("commit", "drop", when="after"),
    "reset after commit": _rule("commit", "rst", when="after"),
    "half an answer to commit": _rule("commit", "midpacket"),
    "slow execute": _slow("execute", "latency"),
    "slow after execute": _slow("execute", "latency", when="after"),
    "slow commit": _slow("commit", "latency"),
    "slow after commit": _slow("commit", "latency", when="after"),
    "deaf in execute": _slow("execute", "freeze"),
    "deaf after execute, row locks held": _slow("execute", "freeze", when="after"),
    "deaf before commit, row locks held": _slow("commit", "freeze"),
    "deaf after commit": _slow("commit", "freeze", when="after"),
    "look-up lost": _next("query", "drop", match="FROM .*TAG_DATA"),
    "log-in lost": _next("auth", "drop"),
    "rollback lost": _next("rollback", "drop"),
    "ORA-00060": _rule("execute", "ora", code=60),
    "ORA-00060, three times": _rule("execute", "ora", code=60, times=3),
    "ORA-01653": _rule("execute", "ora", code=1653, match="^insert"),
    "ORA-01653 for one row": _rule("execute", "ora", code=1653, row=2),
    "ORA-03113": _rule("execute", "ora", code=3113),
    "ORA-03113 at commit": _rule("commit", "ora", code=3113),
    "ORA-02091 at commit": _rule("commit", "ora", code=2091),
    "ORA-12514": _unknown_service,
}


class Chaos:
    """Injects faults into a running stand-in. The order and what each does depend on the seed alone."""

    def __init__(self, server: Standin, seed: int) -> None:
        self._server = server
        self._chance = random.Random(seed)
        self._outages = 0
        self._rules_before = sum(rule["fired"] for rule in server.faults() if not rule["value"])
        self.injected: Counter[str] = Counter()

    def step(self) -> int:
        """Inject one fault, and wait (two seconds at most) while too many have not hit a call yet; how many have."""
        # Faults of single calls are the finer tool; each outage hits every session at once.
        kinds = OUTAGES if self._chance.random() < 0.1 else CALLS
        name = self._chance.choice(list(kinds))
        kinds[name](self._server, self._chance)
        self.injected[name] += 1
        self._outages += kinds is OUTAGES
        time.sleep(self._chance.expovariate(1 / 0.02))
        end = time.monotonic() + 2
        while (counted := self._hits())[1] > _PENDING and time.monotonic() < end:
            time.sleep(0.05)
        return counted[0]

    def _hits(self) -> tuple[int, int]:
        """Faults that have happened, and rules that have not yet."""
        rules = [rule for rule in self._server.faults() if not rule["value"]]
        fired = sum(rule["fired"] for rule in rules) - self._rules_before
        waiting = sum(rule["fired"] == 0 and rule["point"] in ("execute", "commit") for rule in rules)
        return self._outages + fired, waiting
