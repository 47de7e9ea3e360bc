"""Latch: one log-in at a time for one account, and a pause after each refused one.

A database locks an account after a few refused passwords (FAILED_LOGIN_ATTEMPTS of its profile, often 10). So all sinks
and checks of a process with the same (dsn, user) share one latch, and a refusal is stored in ``state_dir`` for the next
process: a restart, ``tagferry doctor``, ``tagferry replay``.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from agent_core.api import AuthenticationError, Clock, RetryableError
from oracle_sink.session.codes import WRONG_CREDENTIALS
from oracle_sink.session.errors import next_step
from oracle_sink.session.refusal_file import LoginRefusal, RefusalFile

LONGEST_PAUSE_SECONDS: Final = 900.0
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class KnownRefusal:
    """The last refusal as this process knows it: changing the machine's clock does not shorten its pause."""

    refusal: LoginRefusal
    fingerprint: bytes
    until: float


class Latch:
    """Serialises the log-ins of one account. Thread-safe."""

    def __init__(self, account: str, file: RefusalFile) -> None:
        self._account = account
        self._file = file
        self._turn = threading.Lock()
        self._refused: KnownRefusal | None = None
        # A password is kept only as a digest, with a key that is lost with the process.
        self._key = secrets.token_bytes(32)

    @contextmanager
    def turn(self, password: str, clock: Clock, interval_seconds: float, wait_seconds: float) -> Iterator[None]:
        """Hold the right to log in with ``password``; an AuthenticationError raised inside is remembered.

        With the same password, it raises that error again, without an attempt, until ``interval_seconds`` have passed;
        each further refusal of the password itself doubles them. RetryableError if another log-in does not end within
        ``wait_seconds``.
        """
        if not self._turn.acquire(timeout=wait_seconds):
            raise RetryableError(f"log in to {self._account}: another log-in has not ended yet")
        try:
            refused = self._known(password, clock, interval_seconds)
            if refused is not None and (left := refused.until - clock.monotonic()) > 0:
                known = refused.refusal
                step = next_step(known.code, known.message)
                raise AuthenticationError(_again(known, left), code=known.code, next_step=step)
            try:
                yield
            except AuthenticationError as error:
                count = refused.refusal.count + 1 if refused is not None else 1
                self._remember(error, password, clock, interval_seconds, count)
                raise
            self._refused = None
            self._file.forget()
        finally:
            self._turn.release()

    def _known(self, password: str, clock: Clock, interval_seconds: float) -> KnownRefusal | None:
        """The last refusal of this password, in this process or another."""
        fingerprint = self._fingerprint(password)
        if self._refused is not None and self._refused.fingerprint == fingerprint:
            return self._refused
        refusal = self._file.read()
        if refusal is None or not refusal.concerns(password):
            return None
        until = clock.monotonic() + refusal.left_seconds(clock.time_ns(), _longest(interval_seconds))
        self._refused = KnownRefusal(refusal, fingerprint, until)
        return self._refused

    def _remember(
        self, error: AuthenticationError, password: str, clock: Clock, interval_seconds: float, count: int
    ) -> None:
        # Only a refused password counts towards the lock; a locked account may be tried at any time.
        factor = 2.0 ** min(count - 1, 16) if error.code == WRONG_CREDENTIALS else 1.0
        pause = min(interval_seconds * factor, _longest(interval_seconds))
        refusal = LoginRefusal.of(
            password,
            refused_at_ns=clock.time_ns(),
            pause_seconds=pause,
            count=count,
            code=error.code,
            message=str(error),
        )
        self._refused = KnownRefusal(refusal, self._fingerprint(password), clock.monotonic() + pause)
        self._file.keep(refusal)

    def _fingerprint(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode(), key=self._key).digest()


def _longest(interval_seconds: float) -> float:
    return max(LONGEST_PAUSE_SECONDS, interval_seconds)


def _again(refusal: LoginRefusal, left_seconds: float) -> str:
    at = datetime.fromtimestamp(refusal.refused_at_ns // _NS, UTC)
    return (
        f"not tried again for {max(1, round(left_seconds))} s (a changed password does not wait); "
        f"refused at {at:%Y-%m-%dT%H:%M:%SZ}: {refusal.message}"
    )


class Latches:
    """The latches of one process, by (dsn, user). Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._latches: dict[tuple[Path, str, str], Latch] = {}

    def of(self, dsn: str, user: str, state_dir: Path) -> Latch:
        """The latch of an account, always the same one. Its refusals are stored in ``state_dir``."""
        account = user.partition("[")[0]  # of proxy[target]: the password is that of the proxy, which could be locked
        key = (state_dir, dsn.strip().upper(), account if account.startswith('"') else account.upper())
        with self._lock:
            if key not in self._latches:
                self._latches[key] = Latch(f"{dsn} as {user}", RefusalFile(*key))
            return self._latches[key]
