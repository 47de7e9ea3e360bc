"""The words of an error, for log, status and messages."""

from __future__ import annotations

from agent_core.api import AgentError


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
