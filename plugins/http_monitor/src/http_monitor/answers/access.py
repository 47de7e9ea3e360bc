"""What a client needs to know before it asks."""

from __future__ import annotations

from pydantic import Field

from http_monitor.answers.model import Answer


class AccessAnswer(Answer):
    """Whether a token is needed; the same for everybody."""

    token_required: bool = Field(description="True when state-changing calls need the bearer token.")
    reads_protected: bool = Field(description="True when reading needs it too.")
