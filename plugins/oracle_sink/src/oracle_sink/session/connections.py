"""Connections: the sessions of one sink, at most ``pool: max`` of them.

This is not the driver's pool, which cannot guarantee one log-in attempt per probe. After a change of password, its
background thread answers one ``acquire`` by two log-ins (seen with python-oracledb 26.1). Closing the pool, which is
the only way to stop that thread, also closes the sessions that other workers are using, and may block forever. Here
each log-in is one stand-alone ``connect``, which holds the account's latch and is limited in time.

A worker keeps its session between batches, so a batch needs no round trip to get one.
"""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import oracledb

from agent_core.api import ComponentContext, RetryableError, SinkError
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.driver import DRIVER_ERRORS, limit_calls
from oracle_sink.session.dsn.login_limit import login_seconds
from oracle_sink.session.errors import translate
from oracle_sink.session.expiry import Expiry
from oracle_sink.session.latch import Latch
from oracle_sink.session.login import Logins, close_quietly, password_of
from oracle_sink.session.peer import ANSWER_BYTES, Peer
from oracle_sink.session.setup import REFUSED_STEP, prepare

_ROLLBACKS: Final = 3
_PING_AFTER_SECONDS: Final = 60.0
_PING_TIMEOUT_MS: Final = 2000
_RENEWAL_PAUSE_SECONDS: Final = 300.0
"""How long old sessions are used after a log-in that should replace one has failed."""

_AGE_SPREAD: Final = 0.2
"""By which share a session may end before its time, so that those that began together do not log in together."""


class Session:
    """One database session, used by one thread at a time."""

    def __init__(self, connection: oracledb.Connection, peer: Peer, ends_at: float) -> None:
        """``ends_at``: when it is to be replaced (monotonic seconds)."""
        self.connection = connection
        self.peer = peer
        self.cursor = connection.cursor()
        self.lost = False
        """Set by the code that finds out that the connection cannot be used again."""
        self.idle_since = 0.0
        self.ends_at = ends_at


class Connections:
    """Lends sessions. Thread-safe; waits are limited by ``timeouts``."""

    def __init__(
        self,
        config: OracleSinkConfig,
        context: ComponentContext,
        latch: Latch,
        inspect: Callable[[oracledb.Connection], object],
    ) -> None:
        """``inspect`` is called with the first connection, also after none was left, and with one that replaces an old
        one; its errors end the attempt."""
        self._config = config
        self._log = context.log
        self._sink_id = context.component_id
        self._clock = context.clock
        self._latch = latch
        self._inspect = inspect
        self._module = config.module or f"{context.agent_name} {context.component_id}"[:48]
        self._logins = Logins(config, context.clock)
        self._changed = threading.Condition()
        self._idle: list[Session] = []
        self._live = 0  # idle, lent or being created
        self._inspected = False
        self._is_open = False
        self._randomness = random.Random()  # noqa: S311 - to spread log-ins, not secrecy
        self._renew_from = -math.inf
        self.expiry = Expiry(config.user, context)

    def open(self) -> None:
        """Log in until there are ``pool: min`` sessions. Raises SinkError if there is not even one."""
        with self._changed:
            self._is_open = True
        with self.session():
            missing = min(self._config.pool.min, self._config.pool.max) - self._live
        for _ in range(missing):
            with self._changed:
                self._live += 1
            try:
                self._put_back(self._made())
            except SinkError as error:
                self._log.warning("spare session not opened", sink=self._sink_id, error=error, every=self._sink_id)
                break

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for the duration of the block; after an exception its transaction is rolled back.

        If ``lost`` is set at the end, it is dropped, else kept for the next time. Raises RetryableError,
        AuthenticationError or ConfigurationError if there is none.
        """
        self.expiry.look_again(self._config.password)
        session = self._take()
        session.peer.allow(ANSWER_BYTES)
        try:
            yield session
        except BaseException:
            if not session.lost:
                try:
                    session.connection.rollback()
                except DRIVER_ERRORS:
                    session.lost = True
            raise
        finally:
            if session.peer.flooded:
                session.lost = True
                self._log.warning(
                    "answer too large",
                    sink=self._sink_id,
                    limit_bytes=ANSWER_BYTES,
                    every=self._sink_id,
                    next_step="ask the DBA what answers at the address in dsn:",
                )
            self._put_back(session)

    def close(self) -> None:
        """Close the sessions; waits at most a second and leaves what does not answer to a daemon thread."""
        with self._changed:
            self._is_open = False
            self._inspected = False
            idle, self._idle = self._idle, []
            self._live -= len(idle)
            self._changed.notify_all()

        def close_all() -> None:
            for session in idle:
                session.connection.close()

        if idle:
            close_quietly(close_all)

    def _take(self) -> Session:
        deadline = self._clock.monotonic() + self._config.timeouts.wait_seconds
        while True:
            with self._changed:
                while not self._idle and self._is_open and self._live >= self._config.pool.max:
                    left = deadline - self._clock.monotonic()
                    if left <= 0 or not self._clock.wait(self._changed, left):
                        raise RetryableError(
                            f"{self._config.dsn}: all {self._config.pool.max} sessions are in use; "
                            "raise pool: max: or lower workers:"
                        )
                if not self._is_open:
                    raise RetryableError(f"{self._config.dsn}: the sink is closed")
                if not self._idle:
                    self._live += 1
                    break
                session = self._idle.pop(self._next_idle())
            session = self._renewed(session)
            if self._answers(session):
                return session
            session.lost = True
            self._put_back(session)
        return self._made()

    def _next_idle(self) -> int:
        """Which idle session to lend: one that is to be replaced, else the one that was used last."""
        return next((index for index, session in enumerate(self._idle) if self._is_old(session)), -1)

    def _is_old(self, session: Session) -> bool:
        now = self._clock.monotonic()
        return now >= session.ends_at and now >= self._renew_from

    def _end_of_life(self) -> float:
        age = self._config.pool.max_age_seconds
        if age <= 0:
            return math.inf
        return self._clock.monotonic() + age * (1 - _AGE_SPREAD * self._randomness.random())

    def _renewed(self, session: Session) -> Session:
        """The session, or a new one in its place if it is old.

        It is closed only once there is a new one: with an expired password, or a listener that is away, it still works.
        """
        with self._changed:
            if not self._is_old(session):
                return session
            self._renew_from = self._clock.monotonic() + _RENEWAL_PAUSE_SECONDS  # for the other workers, too
            self._inspected = False  # a key may be gone, or a synonym lead to another table
        try:
            fresh = self._logged_in()
        except SinkError as error:
            self._log.warning(
                "session not renewed",
                sink=self._sink_id,
                error=error,
                next_step=error.next_step or "see the error; the old session is used until a log-in succeeds",
                every=self._sink_id,
            )
            return session
        except BaseException:
            self._put_back(session)
            raise
        self._renew_from = -math.inf
        close_quietly(partial(_give_up, session))
        return fresh

    def _answers(self, session: Session) -> bool:
        """Check a session that has long been idle: a firewall may have dropped its connection."""
        if self._clock.monotonic() - session.idle_since < _PING_AFTER_SECONDS:
            return True
        connection = session.connection
        limit = connection.call_timeout
        try:
            limit_calls(connection, _PING_TIMEOUT_MS)
            connection.ping()
            limit_calls(connection, limit)
        except DRIVER_ERRORS:
            return False
        return True

    def _put_back(self, session: Session) -> None:
        with self._changed:
            keep = self._is_open and not session.lost
            if keep:
                session.idle_since = self._clock.monotonic()
                self._idle.append(session)
            else:
                self._forget_one()
            self._changed.notify()
        if not keep:
            close_quietly(partial(_give_up, session))

    def _made(self) -> Session:
        """A new session; the caller has counted it in ``_live``."""
        try:
            return self._logged_in()
        except BaseException:
            with self._changed:
                self._forget_one()
                self._changed.notify()
            raise

    def _forget_one(self) -> None:
        self._live -= 1
        if self._live == 0:  # the next one may be another database: after a switch-over, or a restore
            self._inspected = False

    def _logged_in(self) -> Session:
        config = self._config
        password = password_of(config)
        with self._latch.turn(password, self._clock, config.login_interval_seconds, login_seconds(config)):
            connection, peer = self._logins.connect(password)
        # Outside the latch: a slow dictionary must not keep others from logging in.
        try:
            peer.allow(ANSWER_BYTES)
            limit_calls(connection, max(1, round(config.timeouts.call_seconds * 1000)))
            connection.module = self._module
            for refusal in prepare(connection, config.session):
                self._log.warning(
                    "session setting refused",
                    sink=self._sink_id,
                    setting=refusal,
                    next_step=REFUSED_STEP,
                    every=f"{self._sink_id} {refusal}",
                )
            self.expiry.learn(connection.warning, password)
            if not self._inspected:
                self._inspect(connection)
                self._inspected = True
            return Session(connection, peer, self._end_of_life())
        except BaseException as error:
            close_quietly(connection.close)
            if isinstance(error, DRIVER_ERRORS):
                raise translate(error, f"prepare a session of {config.dsn}") from error
            raise


def _give_up(session: Session) -> None:
    """Close a connection whose last call failed.

    ``close`` rolls back first. If that fails, it leaves the socket open (seen with python-oracledb 26.1): the session
    keeps its row locks, and others that write the same rows wait for them. The rollback does fail if the answer to a
    call and the break after its time-out have crossed: the break then hits the next call, with ORA-01013.
    """
    for _ in range(_ROLLBACKS):
        try:
            session.connection.rollback()
        except DRIVER_ERRORS:
            continue  # a lost connection fails at once
        break
    try:
        session.connection.close()
    finally:
        session.peer.cut()
