"""Connection: one thread with an event loop, and one connection to a cluster of NATS servers."""

from __future__ import annotations

import asyncio
import math
import random
import ssl
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as NoResult
from contextlib import suppress
from typing import Any, Final, TypeVar

import nkeys
from nats.aio.client import Client
from nats.errors import ConnectionClosedError

from agent_core.api import AuthenticationError, ConfigError, ConfigurationError, RetryableError
from jetstream_buffer.jetstream.config import ServerConfig
from jetstream_buffer.jetstream.failure import is_refused_login, translate, words_of

T = TypeVar("T")

PING_SECONDS: Final = 5
"""A half-open connection is seen after three of these."""
CLOSE_SECONDS: Final = 2.0
ABORT_SECONDS: Final = 0.5
GRACE_SECONDS: Final = 5.0
"""How much longer than its coroutine may take a caller waits for the loop itself."""


class Connection:
    """Connects when it is first used, and again when it is used after a loss: never on its own.

    So a wrong password is one log-in per use, nothing is sent behind the caller's back after an outage, and the core
    owns the clock. Callers that come during an attempt share it. ``run`` is for any thread but the loop's.
    """

    def __init__(self, config: ServerConfig, name: str) -> None:
        self._config = config
        self._name = name
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        # Below: the loop's thread alone.
        self._client: Client | None = None
        self._attempt: asyncio.Task[Client] | None = None
        self._lost = asyncio.Event()
        self._last_error: Exception | None = None

    @property
    def name(self) -> str:
        """What it is called in messages: its servers."""
        return "NATS " + ", ".join(server.rpartition("@")[2].rpartition("//")[2] for server in self._config.servers)

    @property
    def answer_seconds(self) -> float:
        """How long an answer may take."""
        return self._config.timeouts.answer_seconds

    @property
    def last_error(self) -> Exception | None:
        """The last one the server sent without being asked, such as a missing permission, since ``forget``."""
        return self._last_error

    def forget_error(self) -> None:
        """From now on."""
        self._last_error = None

    def open(self) -> None:
        """Start the thread; connects to nothing. Twice is once."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Close the connection and end the thread, within seconds. Safe without ``open``, and twice."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None:
            return
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._end(), loop).result(2 * CLOSE_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_SECONDS)
        if not thread.is_alive():
            loop.close()

    def submit(self, coroutine: Coroutine[Any, Any, object]) -> None:
        """Run it in the loop, whenever it is done; nothing once closed."""
        with self._lock:
            if self._loop is None:
                coroutine.close()
            else:
                asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def run(self, coroutine: Coroutine[Any, Any, T], seconds: float) -> T:
        """Its result, after ``seconds`` and the time to connect at most. Raises RetryableError when closed or late."""
        with self._lock:
            if self._loop is None:
                coroutine.close()
                raise RetryableError(f"{self.name}: the connection is closed")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result(seconds + self._config.timeouts.login_seconds + GRACE_SECONDS)
        except NoResult as error:
            if future.done():
                raise
            future.cancel()
            raise RetryableError(f"{self.name}: no answer in time", ambiguous=True) from error

    def soon(self, call: Callable[[], object]) -> None:
        """Call it in the loop; nothing once closed."""
        with self._lock:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(call)

    async def client(self) -> Client:
        """The connected client. Raises RetryableError, AuthenticationError or ConfigurationError."""
        if self._client is not None and self._client.is_connected:
            return self._client
        if self._attempt is None or self._attempt.done():
            self._attempt = asyncio.get_running_loop().create_task(self._connect())
            self._attempt.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._attempt)

    async def answer(self, question: Coroutine[Any, Any, T]) -> T:
        """Its result, unless the connection is lost first: a question that was sent would wait for its time-out.

        Raises ConnectionClosedError then, and what the question raises.
        """
        asking = asyncio.ensure_future(question)
        losing = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((asking, losing), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise ConnectionClosedError
            return await asking
        finally:
            losing.cancel()
            asking.cancel()

    async def disconnect(self) -> None:
        """Give up the connection; the next use makes another."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                await asyncio.wait_for(client.close(), CLOSE_SECONDS)

    async def _end(self) -> None:
        await self.disconnect()
        current = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self) -> Client:
        await self.disconnect()
        options = self._options()
        refusals: list[str] = []
        servers = list(self._config.servers)
        random.shuffle(servers)
        try:
            async with asyncio.timeout(self._config.timeouts.login_seconds):
                for server in servers:
                    try:
                        self._client = await self._connect_to(server, options)
                    except AuthenticationError:
                        raise
                    except (RetryableError, OSError) as error:
                        refusals.append(str(error))
                    else:
                        return self._client
        except TimeoutError:
            first = self._config.tls is not None and self._config.tls.handshake_first
            hint = " (the server's tls block needs handshake_first: true as well)" if first else ""
            refusals.append(f"not connected within {self._config.timeouts.login_seconds:g} s{hint}")
        raise RetryableError(f"no server answers: {'; '.join(dict.fromkeys(refusals))}")

    async def _connect_to(self, server: str, options: dict[str, Any]) -> Client:
        client = Client()
        met: list[Exception] = []
        lost = asyncio.Event()

        async def met_error(error: Exception) -> None:
            met.append(error)
            self._last_error = error

        async def closed() -> None:
            lost.set()

        try:
            # Its own reconnecting is off: it would log in again and again, and send what failed long ago.
            await client.connect(
                server,
                error_cb=met_error,
                closed_cb=closed,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=math.ceil(self._config.timeouts.login_seconds),
                ping_interval=PING_SECONDS,
                max_outstanding_pings=2,
                pending_size=0,
                name=self._name,
                **options,
            )
        except BaseException as error:
            with suppress(Exception):  # after a failed handshake it may wait for what never comes
                await asyncio.wait_for(client.close(), ABORT_SECONDS)
            if not isinstance(error, Exception):
                raise
            cause = error if is_refused_login(error) or not met else met[-1]
            raise translate(cause, f"{server}", ambiguous=False) from error
        writer: object = getattr(client._transport, "_io_writer", None)  # there is no other way to see it
        encrypted = isinstance(writer, asyncio.StreamWriter) and writer.get_extra_info("ssl_object") is not None
        if self._config.tls is not None and not encrypted:
            await client.close()
            step = "set tls in the server's configuration"
            raise ConfigurationError(f"{server}: the server offers no TLS ({step})", code="TLS", next_step=step)
        self._lost = lost
        return client

    def _options(self) -> dict[str, Any]:
        config = self._config
        options: dict[str, Any] = {}
        try:
            if config.password is not None:
                options |= {"user": config.user, "password": config.password.reveal()}
            if config.nkey is not None:
                options["nkeys_seed_str"] = config.nkey.reveal().strip()
                nkeys.from_seed(options["nkeys_seed_str"].encode()).wipe()
            if config.credentials is not None:
                config.credentials.read_bytes()
                options["user_credentials"] = str(config.credentials)
        except ConfigError as error:
            raise AuthenticationError(str(error), code="SECRET") from error
        except OSError as error:
            text = f"credentials: {config.credentials}: {error.strerror or error}"
            raise AuthenticationError(text, code="SECRET") from error
        except Exception as error:  # nkeys and what it stands on have exceptions of many kinds; none shows the seed
            raise AuthenticationError("nkey: it is not the seed of a user (SU...)", code="SECRET") from error
        if config.tls is not None:
            try:
                context = ssl.create_default_context(cafile=config.tls.ca)
                if config.tls.certificate is not None and config.tls.key is not None:
                    context.load_cert_chain(config.tls.certificate, config.tls.key)
            except (OSError, ssl.SSLError) as error:
                raise ConfigurationError(f"tls: {words_of(error)}", code="TLS") from error
            options |= {"tls": context, "tls_handshake_first": config.tls.handshake_first}
        return options
