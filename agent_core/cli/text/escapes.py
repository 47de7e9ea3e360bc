"""Escapes: foreign text that a terminal shows and does not obey.

Whatever a device, a database or a program on the network puts into a text, it makes no line of its own and moves no
cursor: control characters are shown as escapes.
"""

from __future__ import annotations

from typing import Final

# What ends a line or moves the cursor: C0, DEL and C1, the separators of Unicode, and what reverses the writing.
_BACK_TO_FRONT = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES: Final = {
    **{code: rf"\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: rf"\u{code:04x}" for code in (0x2028, 0x2029, *_BACK_TO_FRONT)},
    **{ord(char): text for char, text in (("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"))},
}


def escaped(text: str) -> str:
    """``text`` on one line, with nothing in it that a terminal obeys."""
    return text.translate(_ESCAPES)


def escaped_json(value: object) -> object:
    """A value that came as JSON, every text in it escaped, keys too."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {escaped(str(key)): escaped_json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [escaped_json(part) for part in value]
    return value
