"""ControlPortFaults: what goes wrong inside the database, which only the stand-in (not Oracle) can do on cue."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from oracle_standin.process import Standin, StandinError
from runs.chaos.storm import STANDIN, Inject, Seen, hold

from agent_core.testing.suite.patience import PROCESS_SECONDS

_SPREAD: Final = 40
"""A fault hits one of so many calls to come; in between there is time for rows to go in."""

On = Callable[[Standin, random.Random], None]


def _rule(point: str, action: str, **fields: Any) -> On:
    def inject(server: Standin, chance: random.Random) -> None:
        server.fault(point, action, nth=chance.randint(1, _SPREAD), **fields)

    return inject


def _next(point: str, action: str, **fields: Any) -> On:
    def inject(server: Standin, chance: random.Random) -> None:
        server.fault(point, action, **fields)

    return inject


def _slow(point: str, action: str, **fields: Any) -> On:
    """An answer that comes too late; sometimes it is only late. In units of the agent's limit for one call."""

    def inject(server: Standin, chance: random.Random) -> None:
        seconds = STANDIN.call_seconds * chance.uniform(0.5, 3.0)
        server.fault(point, action, nth=chance.randint(1, _SPREAD), seconds=seconds, **fields)

    return inject


def _refused(server: Standin, chance: random.Random) -> None:
    server.listener_stop()
    server.drop_sessions(rst=chance.random() < 0.5)
    hold(chance)
    server.listener_start()


def _silent(server: Standin, chance: random.Random) -> None:
    server.black_hole(True)
    server.drop_sessions()
    hold(chance)
    server.black_hole(False)


def _killed(server: Standin, chance: random.Random) -> None:
    server.kill_sessions()


def _cut(server: Standin, chance: random.Random) -> None:
    server.drop_sessions(rst=chance.random() < 0.5)


def _unknown_service(server: Standin, chance: random.Random) -> None:
    server.fault("connect", "refuse", code=12514, times=chance.randint(1, 4))
    server.drop_sessions()


def _no_session_left(server: Standin, chance: random.Random) -> None:
    server.fault("auth", "ora", code=2391, times=chance.randint(1, 4))
    server.drop_sessions()


def _time_is_up(server: Standin, chance: random.Random) -> None:
    server.kill_sessions(code=chance.choice((2392, 2394, 2396, 2399)))


def _no_partition(server: Standin, chance: random.Random) -> None:
    rule = server.fault("execute", "ora", code=14400, value=".", match="^insert", times=0)
    hold(chance)
    server.clear_fault(rule)


def _changed(change: str, back: str) -> On:
    """The table takes no row as it is now, for a while."""

    def alter(server: Standin, chance: random.Random) -> None:
        _alter(server, change)
        hold(chance)
        _alter(server, back)

    return alter


def _alter(server: Standin, clause: str) -> None:
    """A table that is being written to is busy: try until there is a moment for it."""
    end = time.monotonic() + PROCESS_SECONDS
    while True:
        try:
            server.sql(f"ALTER TABLE TAG_DATA {clause}")
        except StandinError as error:
            if "ORA-00054" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.002)
        else:
            return


def _expired(server: Standin, chance: random.Random) -> None:
    server.expire_password()
    server.drop_sessions()
    hold(chance)
    server.change_password(server.password)


_OUTAGES: Final[dict[str, On]] = {
    "connection refused": _refused,
    "accepted, never answered": _silent,
    "sessions killed": _killed,
    "connections cut": _cut,
    "ORA-28001 for a while": _expired,
    "no partition for a while": _no_partition,
    "a constraint that refuses all for a while": _changed(
        "ADD CONSTRAINT CK_STORM CHECK (tag_value < -1) ENABLE NOVALIDATE", "DROP CONSTRAINT CK_STORM"
    ),
    "a column renamed for a while": _changed("RENAME COLUMN quality TO grade", "RENAME COLUMN grade TO quality"),
    "a limit of every session reached": _time_is_up,
    "no session left for a while": _no_session_left,
}
"""Each counts as one fault; the others are counted by the stand-in when they hit a call."""

_CALLS: Final[dict[str, On]] = {
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


class ControlPortFaults:
    """Faults of a running stand-in."""

    def __init__(self, server: Standin) -> None:
        self._server = server
        self._outages: Counter[str] = Counter()
        self.outages: Mapping[str, Inject] = {name: self._outage(name, on) for name, on in _OUTAGES.items()}
        self.calls: Mapping[str, Inject] = {name: partial(on, server) for name, on in _CALLS.items()}

    def seen(self) -> Seen:
        happened = self._outages.copy()
        waiting = 0
        for rule in self._server.faults():
            code = f" ORA-{rule['code']:05}" if rule["code"] else ""
            happened[f"{rule['action']}{code} {rule['when']} {rule['point']}"] += rule["fired"]
            # Log-ins, look-ups and rollbacks are rarer: what waits for them holds nothing up.
            waiting += rule["fired"] == 0 and rule["point"] in ("execute", "commit")
        return Seen(happened, waiting)

    def clear(self) -> None:
        self._server.clear_faults()

    def _outage(self, name: str, on: On) -> Inject:
        def inject(chance: random.Random) -> None:
            on(self._server, chance)
            self._outages[name] += 1

        return inject
