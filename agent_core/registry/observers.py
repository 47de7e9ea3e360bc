"""ObserverGuard: keeps observers of events from stopping, slowing or holding the data."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agent_core.api import Batch, Clock, Log
from agent_core.registry.mailbox import Mailbox

AWAITED: Final = frozenset({"agent_started", "agent_stopping"})
"""The agent waits for these, for a bounded time, in a thread that it can do without."""

BUDGET_SECONDS: Final = 0.001

HANGING_SECONDS: Final = 5.0
"""A call that has not returned for so long is named: the events after it wait, then they are dropped."""


@dataclass(frozen=True, slots=True)
class ObserverCall:
    """One call under way."""

    observer: str
    plugin: str
    hook: str
    elapsed_seconds: float


class ObserverGuard:
    """Wraps the event functions of observers. Thread-safe: events come from every data thread.

    Between ``open`` and ``close`` each observer hears its events in a thread of its own, so that one that hangs holds
    up nobody; what it cannot hear is dropped, logged and counted. Before and after, who announces calls it.

    A function that raises is logged and counted; one that takes more than ``budget_seconds`` of the processor is named
    in the log and counted: waiting costs nobody else anything. Either way the caller continues with the next observer.
    ``timer`` gives seconds, of the clock and of the processor; ``clock`` is that of the log.
    """

    def __init__(
        self,
        *,
        budget_seconds: float = BUDGET_SECONDS,
        timer: Callable[[], float] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._budget = budget_seconds
        self._timer = time.perf_counter if timer is None else timer
        self._processor = time.thread_time if timer is None else timer
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._slow_calls: dict[str, int] = {}
        self._missed: dict[str, int] = {}
        self._mailboxes: dict[str, Mailbox] = {}
        self._under_way: dict[int, tuple[tuple[str, str, str], float]] = {}
        """By the thread that called."""
        self._log = Log(__name__, clock)

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each observer raised, by its name; a copy."""
        with self._lock:
            return MappingProxyType(dict(self._failures))

    @property
    def slow_calls(self) -> Mapping[str, int]:
        """How often each observer was over the budget, by its name; a copy."""
        with self._lock:
            return MappingProxyType(dict(self._slow_calls))

    @property
    def missed(self) -> Mapping[str, int]:
        """How many events each observer did not hear because it was inside a call, by its name; a copy."""
        with self._lock:
            return MappingProxyType(dict(self._missed))

    def open(self) -> None:
        """Call each observer in a thread of its own from now on."""
        for mailbox in tuple(self._mailboxes.values()):
            mailbox.open()

    def close(self) -> None:
        """Return when every observer has heard what was announced; one that hangs keeps it from returning."""
        for mailbox in tuple(self._mailboxes.values()):
            mailbox.close()

    def hanging(self) -> list[ObserverCall]:
        """Calls that have not returned for ``HANGING_SECONDS``."""
        now = self._timer()
        calls = [ObserverCall(*who, now - since) for who, since in tuple(self._under_way.values())]
        return [call for call in calls if call.elapsed_seconds >= HANGING_SECONDS]

    def name_hanging(self) -> None:
        """Log each of them."""
        for call in self.hanging():
            self._log.error(
                "observer hangs",
                observer=call.observer,
                hook=call.hook,
                plugin=call.plugin,
                elapsed_seconds=call.elapsed_seconds,
                next_step=f"restart the agent without {call.plugin}: the observer hears nothing any more",
                every=f"{call.observer} {call.hook}",
            )

    def wrap(self, observer: str, hook: str, function: Callable[..., object]) -> Callable[..., None]:
        """``function`` as one that returns None and raises nothing, except KeyboardInterrupt in the main thread."""
        timer, processor, budget, under_way = self._timer, self._processor, self._budget, self._under_way
        plugin = (getattr(function, "__module__", None) or "").partition(".")[0]
        who = (observer, plugin, hook)
        mailbox = self._mailboxes.setdefault(observer, Mailbox(observer))

        @functools.wraps(function)
        def guarded(*args: object) -> None:
            thread, used_before = threading.get_ident(), processor()
            outer = under_way.get(thread)
            under_way[thread] = (who, timer())
            try:
                function(*args)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                    raise  # somebody pressed Ctrl-C; in another thread it is a defect like others
                self._failed(observer, plugin, hook, error)
                return
            finally:
                if outer is None:
                    under_way.pop(thread, None)
                else:
                    under_way[thread] = outer
            used = processor() - used_before
            if used > budget:
                self._was_slow(observer, plugin, hook, used)

        if hook in AWAITED:
            return guarded

        @functools.wraps(function)
        def posted(*args: object) -> None:
            records = sum(len(arg) for arg in args if isinstance(arg, Batch))
            if not mailbox.put(functools.partial(guarded, *args), records):
                self._did_not_hear(observer, plugin, hook)

        return posted

    def _did_not_hear(self, observer: str, plugin: str, hook: str) -> None:
        self._log.error(
            "observer events dropped",
            observer=observer,
            hook=hook,
            plugin=plugin,
            events=self._count(self._missed, observer),
            next_step=f"restart the agent without {plugin}, and report it to whoever wrote it",
            every=observer,
        )

    def _failed(self, observer: str, plugin: str, hook: str, error: BaseException) -> None:
        self._log.error(
            "observer failed",
            observer=observer,
            hook=hook,
            plugin=plugin,
            failures=self._count(self._failures, observer),
            exc_info=error,
            every=f"{observer} {hook}",
        )

    def _was_slow(self, observer: str, plugin: str, hook: str, elapsed_seconds: float) -> None:
        self._log.warning(
            "observer slow",
            observer=observer,
            hook=hook,
            elapsed_seconds=elapsed_seconds,
            budget_seconds=self._budget,
            slow_calls=self._count(self._slow_calls, observer),
            plugin=plugin,
            every=f"{observer} {hook}",
        )

    def _count(self, counters: dict[str, int], observer: str) -> int:
        with self._lock:
            count = counters[observer] = counters.get(observer, 0) + 1
        return count
