"""Outlet: text is written by a thread of its own, so that whoever has something to say waits for nobody who reads."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from agent_core.api import Clock, Log, RateLimit

MAX_LINES: Final = 10_000
MAX_CHARACTERS: Final = 4 * 2**20
"""What may wait for a reader. A single text that is longer passes when nothing else waits."""

WRITE_CHARACTERS: Final = 16 * 1024
"""How much one write takes. Each costs a turn at Python's lock, for which a busy process lets a thread wait."""

FLUSH_SECONDS: Final = 1.0
"""How long the end of a run waits for one output."""

REMINDER_SECONDS: Final = 3600.0
"""How often the other outputs say that this one is still losing lines."""


class Outlet:
    """Hands texts to ``write`` in the order in which they were put, several at once when they come faster.

    Each text ends its line itself. ``write`` runs in a daemon thread and may block for ever. ``put`` never blocks and
    never raises: while more than ``max_lines`` texts or ``max_characters`` wait, a new one is dropped and counted; so
    are those that ``write`` raised for. The log says how many: at once and then hourly through the other outputs, and
    here as soon as something can be written again.

    Thread-safe, also in a signal handler. A forked child starts with nothing waiting and a thread of its own. When no
    thread can be started, texts wait, and each ``put`` tries again.
    """

    # The standard library's QueueHandler and QueueListener do the same for log records alone, with a queue that knows
    # no bytes and an end that waits for the listener without limit.

    def __init__(
        self,
        name: str,
        write: Callable[[str], None],
        clock: Clock,
        *,
        max_lines: int = MAX_LINES,
        max_characters: int = MAX_CHARACTERS,
    ) -> None:
        self.name: Final = name
        self._write = write
        self._max_lines = max_lines
        self._max_characters = max_characters
        self._log = Log(__name__, clock)
        self._flowing = RateLimit(clock)
        self._hourly_log = self._log.with_interval(REMINDER_SECONDS)
        self._dropped = 0
        self._told = 0
        self._drained = 0
        self._stuck = False
        self._closed = False
        self._begin()
        self._start()  # while there are threads to be had

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()
        # Texts; an Event is set when all before it is written; None ends the thread.
        self._queue: queue.SimpleQueue[str | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        # Taken is counted under the lock, done by the writer alone.
        self._taken_lines = self._taken_characters = 0
        self._done_lines = self._done_characters = 0

    @property
    def stuck(self) -> bool:
        """True when the thread hangs in ``write``, as far as ``drain`` and ``close`` have seen."""
        return self._stuck

    @property
    def dropped(self) -> int:
        """How many texts were lost since the start."""
        return self._dropped

    def put(self, text: str) -> None:
        """Write ``text``, soon."""
        if self._process != os.getpid():
            self._begin()
        with self._lock:
            if self._has_room(text):
                self._taken_lines += 1
                self._taken_characters += len(text)
                self._queue.put(text)
                self._start()
                return
            self._dropped += 1
        self._remind()

    def tell(self) -> None:
        """Let the log say now how many were lost since it last said so: the end may be near."""
        with self._lock:
            before, self._told = self._told, self._dropped
        if before != self._told:
            self._log.warning("log lines dropped", output=self.name, count=self._told)

    def drain(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait at most ``seconds`` until all that was put before is written.

        True when it is, and nothing was dropped since the last call. An output that was stuck before, and has written
        nothing since, gets no second wait.
        """
        self.tell()
        with self._lock:
            if not self._taken_lines:
                return not self._dropped
            written = threading.Event()
            self._queue.put(written)
            self._start()
        self._note_stuck(not written.wait(0.0 if self._stuck else seconds))
        before, self._drained = self._drained, self._dropped
        return not self._stuck and before == self._drained

    def close(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Take nothing more, write what waits, and end the thread. False when it is stuck in ``write``; safe twice."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
            thread = self._thread
        if thread is None or thread is threading.current_thread():
            return not self._stuck
        thread.join(0.0 if self._stuck else seconds)
        self._note_stuck(thread.is_alive())
        return not self._stuck

    def _has_room(self, text: str) -> bool:
        lines = self._taken_lines - self._done_lines
        characters = self._taken_characters - self._done_characters
        return not self._closed and (
            not lines or (lines < self._max_lines and characters + len(text) <= self._max_characters)
        )

    def _start(self) -> None:
        if self._thread is not None:
            return
        thread = threading.Thread(target=self._run, args=(self._queue,), name=f"output-{self.name}", daemon=True)
        with suppress(RuntimeError, MemoryError):  # the machine has no thread left: the next text tries again
            thread.start()
            self._thread = thread

    def _run(self, waiting: queue.SimpleQueue[str | threading.Event | None]) -> None:
        texts: list[str] = []
        characters = 0
        while True:
            item = waiting.get()
            if isinstance(item, str):
                texts.append(item)
                characters += len(item)
                if characters < WRITE_CHARACTERS and not waiting.empty():
                    continue
            if texts:
                self._write_some(texts)
                texts, characters = [], 0
            if isinstance(item, threading.Event):
                item.set()
            elif item is None:
                return

    def _write_some(self, texts: list[str]) -> None:
        text = "".join(texts)
        try:
            self._write(text)
            lost = self._stuck = False
        except BaseException:  # a full disk, a reader that has gone, or a defect: the thread has to live on
            lost = True
        self._done_lines += len(texts)
        self._done_characters += len(text)
        if lost:
            with self._lock:
                self._dropped += len(texts)
            self._remind()
        elif self._told != self._dropped and not self._closed and self._flowing.allow(self.name) is not None:
            self.tell()

    def _remind(self) -> None:
        """Tell the other outputs; this one drops the line as well."""
        if not self._closed:
            self._hourly_log.warning("log lines dropped", output=self.name, count=self._dropped, every=self.name)

    def _note_stuck(self, stuck: bool) -> None:
        if stuck and not self._stuck:
            left = self._taken_lines - self._done_lines
            self._log.warning("log lines dropped", output=self.name, count=self._dropped + left)
        self._stuck = stuck
