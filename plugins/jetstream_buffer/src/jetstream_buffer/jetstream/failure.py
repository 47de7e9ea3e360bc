"""Failure: what NATS raises, sorted by what the agent does."""

from __future__ import annotations

import nats.errors
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from agent_core.api import AuthenticationError, ConfigurationError, RetryableError, SinkError

NO_STREAM = 10059
NO_CONSUMER = 10014
STREAM_IN_USE = 10058
FULL = frozenset((10077, 10047, 10023, 10028, 10002))
"""A limit of the stream (``discard: new``), or of the server's or the account's storage.

Looked up by ``err_code``: their ``code`` is 503, as for a cluster that has just lost its leader.
"""
GOING_AWAY = 409
"""The ``code`` with which a consumer ends a request: its leader changes, its server stops."""
REFUSED_LOGIN = (
    "authorization violation",
    "authentication expired",
    "authentication revoked",
    "authentication timeout",
)


def translate(error: BaseException, what: str, *, ambiguous: bool = False) -> SinkError:
    """``what`` was tried when ``error`` came; ``ambiguous``: the server may have stored the records."""
    if isinstance(error, SinkError):
        return error
    text = f"{what}: {words_of(error)}"
    if is_refused_login(error):
        step = "check user, password, nkey or credentials, and what the server says of them"
        return AuthenticationError(f"{text} ({step})", code="AUTHORIZATION", next_step=step)
    if isinstance(error, APIError):
        code = None if error.err_code is None else str(error.err_code)
        if error.err_code in FULL:
            step = "let the writers drain the stream, or raise its max_bytes"
            return RetryableError(f"{text} ({step})", code=code, throttle=True, next_step=step)
        if isinstance(error, NotFoundError):
            step = "create it, or set stream: max_bytes so that the agent creates it"
            return ConfigurationError(f"{text} ({step})", code=code, next_step=step)
        if error.code is not None and 400 <= error.code < 500 and error.code != GOING_AWAY:
            return ConfigurationError(text, code=code)
        return RetryableError(text, code=code, ambiguous=ambiguous)
    if "permissions violation" in str(error).lower():
        step = "allow the user this subject"
        return ConfigurationError(f"{text} ({step})", code="PERMISSIONS", next_step=step)
    if isinstance(error, NoStreamResponseError):  # also while a cluster elects a leader
        return RetryableError(text, code="NO_RESPONSE")
    return RetryableError(text, ambiguous=ambiguous)


def words_of(error: BaseException) -> str:
    """Its own words; a time-out has none."""
    if isinstance(error, (TimeoutError, nats.errors.TimeoutError)):
        return "no answer in time"
    if isinstance(error, nats.errors.ConnectionClosedError):
        return "the connection was lost"
    if isinstance(error, APIError):
        return f"{error.description} ({error.err_code})" if error.description else "JetStream is not available"
    return str(error).removeprefix("nats: ").strip("'") or type(error).__name__


def is_refused_login(error: BaseException) -> bool:
    """True when the server does not let this user in."""
    text = str(error).lower()
    return isinstance(error, nats.errors.AuthorizationError) or any(words in text for words in REFUSED_LOGIN)
