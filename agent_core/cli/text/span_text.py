"""Spans of time, for people."""

from __future__ import annotations


def span_text(seconds: float) -> str:
    """``0.4 s``, ``12 s``, ``3 min``, ``4 h 05``, ``12 d 3 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours < 1:
        return f"{minutes} min"
    if hours < 24:
        return f"{hours} h {minutes % 60:02}"
    return f"{hours // 24} d {hours % 24} h"
