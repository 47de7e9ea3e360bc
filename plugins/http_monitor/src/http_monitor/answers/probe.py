"""Answers to probes of a service manager or an orchestrator."""

from __future__ import annotations

from pydantic import Field

from http_monitor.answers.model import Answer
from http_monitor.state.monitor_state import Phase


class Probe(Answer):
    """Whether the process answers, or the agent runs."""

    status: str = Field(description="ok, or what is missing.")
    phase: Phase = Field(description="starting, running or stopping.")
