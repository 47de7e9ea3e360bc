"""Stranger: who answers on a port where a device of another protocol was expected, told by the first bytes."""

from __future__ import annotations

from typing import Final

__all__ = ["recognise_stranger"]

_BEGINNINGS: Final = {
    b"HTTP": "an HTTP server",
    b"<!DO": "an HTTP server",
    b"<htm": "an HTTP server",
    b"SSH-": "an SSH server",
    b"220 ": "an FTP or mail server",
    b"\x15\x03": "a TLS server",
    b"\x16\x03": "a TLS server",
}


def recognise_stranger(answer: bytes) -> str | None:
    """``an HTTP server`` and the like; None when the bytes give nobody away. For the message of a WrongAnswer."""
    return next((who for beginning, who in _BEGINNINGS.items() if answer.startswith(beginning)), None)
