"""What is answered before the agent runs: probes of a service manager or an orchestrator, and the need for a token."""

from __future__ import annotations

from pydantic import Field

from http_monitor.answers.model import Answer
from http_monitor.state.monitor_state import Phase


class Probe(Answer):
    """Whether the process answers, or the agent runs."""

    status: str = Field(description="ok, or what is missing.")
    phase: Phase = Field(description="starting, running or stopping.")


class AccessAnswer(Answer):
    """What needs the token; the same for everybody."""

    token_required: bool = Field(description="True when state-changing calls need a bearer token that may operate.")
    reads_protected: bool = Field(description="True when reading needs a token, too.")
