"""Problems as the OpenAPI document describes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import HTTPException
from pydantic import Field

from http_monitor.answers.model import Answer


class Problem(Answer):
    """Why a call failed."""

    detail: str = Field(description="What is wrong, and what to do.")


Responses = dict[int | str, dict[str, Any]]  # FastAPI's own type

NOT_RUNNING: Final[Responses] = {503: {"model": Problem, "description": "The agent has not started yet."}}
UNKNOWN: Final[Responses] = {404: {"model": Problem, "description": "There is nothing with this name."}}
UNREADABLE: Final[Responses] = {
    503: {"model": Problem, "description": "The agent has not started yet, or the disk cannot be read now."}
}
CONFLICT: Final[Responses] = {409: {"model": Problem, "description": "It cannot be done in the present state."}}
UNREAD: Final[Responses] = {
    401: {"model": Problem, "description": "Reading needs a token here, and it is missing or wrong."},
    403: {"model": Problem, "description": "An unknown host is named, or no token is configured."},
    429: {"model": Problem, "description": "Too many wrong tokens came from this address; see Retry-After."},
}
REFUSED: Final[Responses] = {
    401: {"model": Problem, "description": "The token is missing or wrong."},
    403: {
        "model": Problem,
        "description": "The token may only read, the call comes from a page of another site, or names an unknown host.",
    },
    413: {"model": Problem, "description": "The body is too large."},
    429: {"model": Problem, "description": "Too many wrong tokens came from this address; see Retry-After."},
}


def unreadable(what: str, error: OSError, redact: Callable[[str], str]) -> HTTPException:
    """``what`` cannot be done now; the reason is the disk's, or that of whoever raised it."""
    return HTTPException(503, f"{what} now: {redact(error.strerror or type(error).__name__)}")
