"""LoopThread: an asyncio event loop in a thread of its own, called from outside with a bound on each call."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Final, TypeVar

T = TypeVar("T")

GRACE_SECONDS: Final = 1.0
"""How much later than its bound a call gives up when the loop itself does not answer."""

STOP_SECONDS: Final = 2.0


class LoopThread:
    """Runs from the moment it is made until ``stop``. ``call`` and ``stop`` are for one other thread."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[object, object, T], seconds: float) -> T:
        """Run ``work`` in the loop and return what it returns. Raises what it raises, or TimeoutError."""
        future = asyncio.run_coroutine_threadsafe(_bounded(work, seconds), self._loop)
        try:
            return future.result(seconds + GRACE_SECONDS)
        except concurrent.futures.TimeoutError:
            future.cancel()
            raise

    def stop(self) -> None:
        """Cancel everything in the loop and end the thread. Bounded; safe twice."""
        if self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        finally:
            self._loop.close()


async def _bounded(work: Coroutine[object, object, T], seconds: float) -> T:
    async with asyncio.timeout(seconds):
        return await work
