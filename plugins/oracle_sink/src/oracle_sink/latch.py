"""Latch: one log-in at a time for one account, and no storm of refused ones.

A database locks an account after a few refused passwords (FAILED_LOGIN_ATTEMPTS of its profile, often 10). All sinks,
pools and checks of a process that use the same (dsn, user) therefore share one latch.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from agent_core.api import AuthenticationError, Clock, RetryableError
from oracle_sink.errors import WRONG_CREDENTIALS

LONGEST_PAUSE_SECONDS: Final = 900.0


@dataclass(frozen=True, slots=True)
class Refused:
    """The last refused log-in. ``count`` refusals in a row were for the same password."""

    error: AuthenticationError
    fingerprint: bytes
    until: float
    count: int


class Latch:
    """Serialises the log-ins of one account. Thread-safe."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._turn = threading.Lock()
        self._refused: Refused | None = None
        # A password is remembered only as a digest under a key that dies with the process.
        self._key = secrets.token_bytes(32)

    def fingerprint(self, password: str) -> bytes:
        """Tells two passwords apart without keeping either."""
        return hashlib.blake2b(password.encode(), key=self._key).digest()

    @contextmanager
    def turn(self, password: str, clock: Clock, interval_seconds: float, wait_seconds: float) -> Iterator[None]:
        """Hold the right to log in with ``password``; an AuthenticationError raised inside is remembered.

        Raises that error again, without an attempt, while the same password is refused for less than
        ``interval_seconds``, doubled with each further refusal of the password itself. RetryableError when another
        log-in does not end within ``wait_seconds``.
        """
        if not self._turn.acquire(timeout=wait_seconds):
            raise RetryableError(f"log in to {self._account}: another log-in has not ended yet")
        try:
            fingerprint = self.fingerprint(password)
            refused = self._refused
            if refused is not None and refused.fingerprint == fingerprint:
                left = refused.until - clock.monotonic()
                if left > 0:
                    message = f"{refused.error} [not tried again for {left:.0f} s]"
                    raise AuthenticationError(message, code=refused.error.code)
            try:
                yield
            except AuthenticationError as error:
                same = refused is not None and refused.fingerprint == fingerprint
                count = refused.count + 1 if same and refused is not None else 1
                # Only a refused password counts towards the lock; a locked account may be asked at any time.
                factor = 2.0 ** min(count - 1, 16) if error.code == WRONG_CREDENTIALS else 1.0
                pause = min(interval_seconds * factor, max(LONGEST_PAUSE_SECONDS, interval_seconds))
                self._refused = Refused(error, fingerprint, clock.monotonic() + pause, count)
                raise
            self._refused = None
        finally:
            self._turn.release()


class Latches:
    """The latches of one process, by (dsn, user). Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latches: dict[tuple[str, str], Latch] = {}

    def of(self, dsn: str, user: str) -> Latch:
        """The latch of an account; the same one for the same account."""
        key = (dsn.strip().upper(), user if user.startswith('"') else user.upper())
        with self._lock:
            return self._latches.setdefault(key, Latch(f"{dsn} as {user}"))
