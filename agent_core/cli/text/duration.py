"""Durations on the command line, written as in the YAML: ``500ms``, ``30s``, ``2h``. Types for argparse."""

from __future__ import annotations

import argparse

from agent_core.config.schema.formats import parse_duration


def duration(text: str) -> float:
    """Seconds. Raises ArgumentTypeError, which says how a duration is written."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}, got {text!r}") from None


def interval(text: str) -> float:
    """Seconds between two lines or screens; nobody reads faster than ten per second."""
    seconds = duration(text)
    if seconds < 0.1:
        raise argparse.ArgumentTypeError(f"must be at least 100ms, got {text!r}")
    return seconds
