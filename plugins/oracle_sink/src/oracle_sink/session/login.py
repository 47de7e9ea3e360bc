"""Login: the parameters of a log-in, and a log-in with a time limit.

The driver's own limits do not cover a complete log-in: after the TCP connection, it waits for the listener without a
limit (python-oracledb #451). So the log-in runs in a daemon thread, and the caller continues when time is up.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, TypedDict

import oracledb

from agent_core.api import AuthenticationError, Clock, ConfigError, ConfigurationError, RetryableError, SinkError
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.codes import NO_CONNECTION
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.dsn.login_limit import login_seconds
from oracle_sink.session.errors import translate
from oracle_sink.session.peer import LOGIN_BYTES, Peer

SDU_BYTES: Final = 8192
"""The driver ignores a partial send. That happens to larger packets under a call time-out, never to this size."""

EXPIRE_TIME_MINUTES: Final = 1
_LONGEST_HOLD_SECONDS: Final = 600.0
_FIRST_HOLD_SECONDS: Final = 15.0
_CUT_SECONDS: Final = 1.0
"""How long a log-in that was cut off may take to end."""

_CLOSED: Final = frozenset({"DPY-4011", "ORA-12547", "ORA-12537", "ORA-03113"})
_CLOSED_STEP: Final = (
    "if it stays: the database may demand Native Network Encryption (set thick:, or ask the DBA for a tcps address), "
    "the address may be one for tcps, or a firewall or the listener's access control list may close the connection"
)


class Login(NamedTuple):
    """A new session."""

    connection: oracledb.Connection
    peer: Peer


class Parameters(TypedDict, total=False):
    """The keyword arguments of ``connect``."""

    dsn: str
    user: str
    password: str
    sdu: int
    tcp_connect_timeout: float
    retry_count: int
    expire_time: int
    disable_oob: bool
    program: str
    config_dir: str
    wallet_location: str
    wallet_password: str


def parameters(config: OracleSinkConfig, password: str) -> Parameters:
    """The arguments for one log-in. ``retry_count`` is 0: the core decides when to try again."""
    found = Parameters(
        dsn=config.dsn,
        user=config.user,
        password=password,
        sdu=SDU_BYTES,
        tcp_connect_timeout=config.timeouts.connect_seconds,
        retry_count=0,
        expire_time=EXPIRE_TIME_MINUTES,
        disable_oob=config.disable_oob,
        program=config.program,
    )
    if config.config_dir is not None:
        found["config_dir"] = str(config.config_dir)
    if config.wallet_location is not None:
        found["wallet_location"] = str(config.wallet_location)
    if config.wallet_password is not None:
        found["wallet_password"] = config.wallet_password.reveal()
    return found


def password_of(config: OracleSinkConfig) -> str:
    """The password as it is now. Raises AuthenticationError if there is none, so that no log-in is tried without it.

    While the file with the password is replaced, it may be missing or empty for a moment.
    """
    step = "set the variable or file in password:; it is read again at each probe"
    try:
        password = config.password.reveal()
    except ConfigError as error:
        raise AuthenticationError(f"password: {error} ({step})", next_step=step) from error
    if not password:
        raise AuthenticationError(f"password: it is empty ({step})", next_step=step)
    return password


def use_thick_mode(config: OracleSinkConfig) -> None:
    """Load the Oracle Client libraries if ``thick:`` is set. Raises ConfigurationError."""
    if config.thick is None:
        return
    lib_dir = None if config.thick.lib_dir is None else str(config.thick.lib_dir)
    config_dir = None if config.config_dir is None else str(config.config_dir)
    try:
        oracledb.init_oracle_client(lib_dir=lib_dir, config_dir=config_dir)
    except oracledb.Error as error:
        raise translate(error, "load the Oracle Client libraries (thick:)") from error


class Logins:
    """Stand-alone log-ins, one at a time. Hold the account's latch when calling ``connect``.

    A log-in that does not end in time is cut off, so that its thread ends. What cannot be cut (Thick mode, a name
    that is being looked up) is left to the thread, which closes the session if it is created after all. While such
    log-ins hang, new ones become less and less frequent: they cost six threads per hour, not one per probe.
    """

    def __init__(self, config: OracleSinkConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._hanging: list[threading.Thread] = []
        self._hold_until = 0.0

    def connect(self, password: str) -> Login:
        """Log in within ``timeouts.login``. Raises what ``translate`` makes of the driver's errors."""
        doing = f"log in to {self._config.dsn} as {self._config.user}"
        self._hanging = [thread for thread in self._hanging if thread.is_alive()]
        if self._hanging and (left := self._hold_until - self._clock.monotonic()) > 0:
            raise RetryableError(
                f"{doing}: log-ins without an answer: {len(self._hanging)}; the next one starts in {left:.0f} s",
                code=NO_CONNECTION,
            )
        use_thick_mode(self._config)
        try:
            arguments = parameters(self._config, password)
        except ConfigError as error:
            raise ConfigurationError(f"wallet_password: {error}") from error
        limit = login_seconds(self._config)
        results: queue.SimpleQueue[oracledb.Connection | BaseException] = queue.SimpleQueue()
        given_up = threading.Event()
        peer = Peer(LOGIN_BYTES)
        thread = threading.Thread(
            target=_log_in, args=(arguments, peer, results, given_up), name="oracle_sink-login", daemon=True
        )
        thread.start()
        try:
            result = results.get(timeout=limit)
        except queue.Empty:
            given_up.set()
            with suppress(queue.Empty):  # it may have arrived just now
                late = results.get_nowait()
                if isinstance(late, oracledb.Connection):
                    close_quietly(late.close)
            peer.cut()
            thread.join(_CUT_SECONDS)
            if thread.is_alive():
                hold = min(_FIRST_HOLD_SECONDS * 2 ** len(self._hanging), _LONGEST_HOLD_SECONDS)
                self._hanging.append(thread)
                self._hold_until = self._clock.monotonic() + hold
            raise RetryableError(f"{doing}: no answer within {limit:.0f} s", code=NO_CONNECTION) from None
        if peer.flooded:
            step = "check that a database listens at the address in dsn:"
            message = f"{doing}: more than {LOGIN_BYTES // 2**20} MiB arrived, and no answer among it ({step})"
            raise RetryableError(message, code=NO_CONNECTION, next_step=step)
        if isinstance(result, DRIVER_ERRORS):
            raise _refused(result, doing) from result
        if isinstance(result, BaseException):
            raise result
        return Login(result, peer)


def _refused(error: BaseException, doing: str) -> SinkError:
    """What ``translate`` says; of a connection that was closed without a word, also what may be behind it."""
    refused = translate(error, doing)
    if not isinstance(refused, RetryableError) or refused.code not in _CLOSED or refused.next_step is not None:
        return refused
    return RetryableError(f"{refused} ({_CLOSED_STEP})", code=refused.code, next_step=_CLOSED_STEP)


def _log_in(
    arguments: Parameters,
    peer: Peer,
    results: queue.SimpleQueue[oracledb.Connection | BaseException],
    given_up: threading.Event,
) -> None:
    try:
        with peer.watching():
            connection = oracledb.connect(**arguments)
    except BaseException as error:
        results.put(error)
        return
    results.put(connection)
    if given_up.is_set():
        with suppress(queue.Empty):
            late = results.get_nowait()
            if isinstance(late, oracledb.Connection):
                with suppress(*DRIVER_ERRORS):
                    late.close()


def close_quietly(close: Callable[[], object], wait_seconds: float = 1.0) -> None:
    """Run a call that may block forever (``close`` does, if the peer does not answer) in a daemon thread.

    Returns when it has ended, or after ``wait_seconds``.
    """

    def run() -> None:
        with suppress(*DRIVER_ERRORS):
            close()

    thread = threading.Thread(target=run, name="oracle_sink-close", daemon=True)
    thread.start()
    thread.join(wait_seconds)
