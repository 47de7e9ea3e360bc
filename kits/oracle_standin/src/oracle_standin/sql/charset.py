"""Database character sets: how many bytes a text needs, and what becomes of characters that one does not have.

A Thin client sends and gets UTF-8 whatever the database's character set is; the server converts, and replaces what it
cannot convert without an error. Source of the names: Oracle's Globalization Support Guide.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Charset:
    """``widest`` is the most bytes of a character. A codec is Python's; UTF8 is CESU-8, which Python has not."""

    name: str
    codec: str
    widest: int
    replacement: str = "?"

    def size(self, text: str) -> int:
        """Bytes of a text that :meth:`hold` has returned."""
        if self.name == "UTF8":  # a character beyond the first plane is two surrogates of three bytes
            return len(text.encode()) + 2 * sum(c > "\uffff" for c in text)
        return len(text.encode(self.codec))

    def hold(self, text: str) -> str:
        """The text with a replacement for each character that the character set does not have."""
        if text.isascii():
            return text
        try:
            text.encode(self.codec)
        except UnicodeEncodeError:
            return "".join([c if self._has(c) else self.replacement for c in text])
        return text

    def _has(self, character: str) -> bool:
        try:
            character.encode(self.codec)
        except UnicodeEncodeError:
            return False
        return True


UNICODE = "AL32UTF8"
CHARSETS = {
    charset.name: charset
    for charset in (
        Charset("UTF8", "utf-8", 3),
        Charset("KO16MSWIN949", "cp949", 2),
        Charset("KO16KSC5601", "euc_kr", 2),
        Charset("JA16SJISTILDE", "cp932", 2),
        Charset("ZHS16GBK", "gbk", 2),
        Charset("WE8MSWIN1252", "cp1252", 1, "¿"),
        Charset("WE8ISO8859P1", "latin-1", 1, "¿"),
        Charset("WE8ISO8859P15", "iso8859-15", 1, "¿"),
        Charset("US7ASCII", "ascii", 1),
    )
}


def find(name: str) -> Charset | None:
    """None for AL32UTF8, which needs no conversion. Raises ValueError for an unknown one."""
    if name.upper() == UNICODE:
        return None
    try:
        return CHARSETS[name.upper()]
    except KeyError:
        raise ValueError(f"no character set {name}; there are: {', '.join((UNICODE, *CHARSETS))}") from None
