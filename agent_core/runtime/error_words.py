"""The words of an error, for log, status and messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from agent_core.api import AgentError, AuthenticationError, ConfigurationError, RetryableError, SinkError


def text_of(error: BaseException) -> str:
    """The error's own words, or its type when it has none or cannot be shown."""
    try:
        return str(error) or type(error).__name__
    except BaseException:  # a foreign error's own defect must not hide that it happened
        return type(error).__name__


def repr_of(error: BaseException) -> str:
    """``repr(error)``, or its type when it cannot be shown."""
    try:
        return repr(error)
    except BaseException:
        return type(error).__name__


def message_of(error: BaseException) -> str:
    """The words of an error that a part may raise; of a defect, its type as well."""
    return text_of(error) if isinstance(error, (AgentError, OSError)) else repr_of(error)


def typed_text_of(error: BaseException) -> str:
    """``ValueError: its words``, or the type alone when it cannot be shown."""
    kind = type(error).__name__
    try:
        return f"{kind}: {error}"
    except BaseException:
        return kind


def without_secrets(error: BaseException, redact: Callable[[str], str]) -> BaseException:
    """The error itself if it says no secret, nor what led to it; else one of its kind, with its words redacted."""
    if all(redact(words) == words for words in _words_of_chain(error)):
        return error
    words = redact(text_of(error))
    if not isinstance(error, SinkError):
        return AgentError(f"{type(error).__name__}: {words}")
    step = None if error.next_step is None else redact(str(error.next_step))
    if isinstance(error, RetryableError):
        return RetryableError(
            words,
            code=error.code,
            retry_after_seconds=error.retry_after_seconds,
            throttle=error.throttle,
            ambiguous=error.ambiguous,
            next_step=step,
        )
    kinds = AuthenticationError, ConfigurationError
    kind = next((kind for kind in kinds if isinstance(error, kind)), SinkError)
    return kind(words, code=error.code, next_step=step)


def _words_of_chain(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield text_of(error)
        yield repr_of(error)
        if isinstance(error, SinkError) and error.next_step:
            yield str(error.next_step)
        error = error.__cause__ or error.__context__
