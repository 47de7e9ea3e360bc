"""Lives: each life of the code under test is a process of its own, so that a kill is one.

What outlives it is on the disk, and in what the life gives back.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Final, Generic, NoReturn, TypeVar

T = TypeVar("T")


class Death(Generic[T]):
    """Ends the process of a life on the spot, whatever its threads do."""

    def __init__(self, writing: int) -> None:
        self._writing = writing

    def kill(self, result: T) -> NoReturn:
        """Give ``result`` back."""
        self._tell(True, result)

    def fail(self, text: str) -> NoReturn:
        """Let ``live`` raise LifeError."""
        self._tell(False, text)

    def _tell(self, worked: bool, result: object) -> NoReturn:
        with os.fdopen(os.dup(self._writing), "wb") as pipe:
            pickle.dump((worked, result), pipe)
        os._exit(0)


class LifeError(AssertionError):
    """A life did not end as one can end: it raised, hung in real time, or was ended by a signal."""


PATIENCE: Final = 10
"""How many seconds a life may last on a busy machine for each that it may compute."""


def live(life: Callable[[Death[T]], T], seconds: float = 300) -> T:
    """Run ``life`` in a forked process; what it returns, or was killed with.

    Raises LifeError with the text of what ``life`` raised, or when it computed for longer than ``seconds``, or lasted
    ten times as long: then a thread waits for something real.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        os.close(reading)
        _be_born(life, Death(writing), seconds)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    if not told:
        raise LifeError(f"the life ended with status {status} and said nothing")
    worked, result = pickle.loads(told)  # noqa: S301 - from our own child
    if not worked:
        raise LifeError(result)
    return result  # type: ignore[no-any-return]


def _be_born(life: Callable[[Death[T]], T], death: Death[T], seconds: float) -> NoReturn:
    def hangs(number: int, _: object) -> None:
        stacks = "".join(traceback.format_stack())
        why = f"still running after {seconds:g} s of computing"
        if number == signal.SIGALRM:
            why = f"still running after {PATIENCE * seconds:g} s of real time: a thread waits for something real"
        death.fail(f"{why}\n{stacks}")

    gc.disable()  # finalizers would run at moments that no seed decides
    signal.signal(signal.SIGALRM, hangs)
    signal.signal(signal.SIGPROF, hangs)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        result = life(death)
    except BaseException:
        death.fail(traceback.format_exc())
    death.kill(result)
