"""TTC primitives: universal integers and length-prefixed bytes.

Facts from python-oracledb's published Thin protocol code: a universal integer is one length byte and that many
big-endian bytes (bit 0x80 of the length: negative); a byte string is one length byte, where 0 and 255 are null
and 254 announces chunks, each with a universal length, up to a zero length.
"""

from __future__ import annotations

from collections.abc import Callable

CHUNKED = 254
NULL = 255
_CHUNK = 32767


class Reader:
    """Sequential reader over a request; ``refill`` delivers the next packet's payload or raises."""

    __slots__ = ("data", "pos", "refill")

    def __init__(self, data: bytes, refill: Callable[[], bytes]) -> None:
        self.data = bytearray(data)
        self.pos = 0
        self.refill = refill

    def need(self, count: int) -> None:
        while len(self.data) - self.pos < count:
            self.data += self.refill()

    def raw(self, count: int) -> bytes:
        self.need(count)
        start = self.pos
        self.pos = start + count
        return bytes(self.data[start : self.pos])

    def u8(self) -> int:
        self.need(1)
        self.pos += 1
        return self.data[self.pos - 1]

    def u16(self) -> int:
        return int.from_bytes(self.raw(2), "big")

    def ub(self) -> int:
        size = self.u8()
        if size == 0:
            return 0
        if size & 0x80:
            return -int.from_bytes(self.raw(size & 0x7F), "big")
        return int.from_bytes(self.raw(size), "big")

    def chunked(self) -> bytes | None:
        size = self.u8()
        if size in (0, NULL):
            return None
        if size != CHUNKED:
            return self.raw(size)
        parts = []
        while size := self.ub():
            parts.append(self.raw(size))
        return b"".join(parts)

    def with_length(self) -> bytes:
        """A universal length and then, when it is not zero, a byte string."""
        return (self.chunked() or b"") if self.ub() else b""

    def until_zero(self) -> bytes:
        out = bytearray()
        while byte := self.u8():
            out.append(byte)
        return bytes(out)


def ub(value: int) -> bytes:
    """A universal integer."""
    if value == 0:
        return b"\0"
    size = (abs(value).bit_length() + 7) // 8
    return bytes((size | (0x80 if value < 0 else 0),)) + abs(value).to_bytes(size, "big")


def clr(value: bytes) -> bytes:
    """A byte string; long ones go out in chunks."""
    if len(value) <= 252:
        return bytes((len(value),)) + value
    out = [b"\xfe"]
    for start in range(0, len(value), _CHUNK):
        part = value[start : start + _CHUNK]
        out += (ub(len(part)), part)
    return b"".join((*out, b"\0"))


class Writer:
    """Accumulates one reply."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def raw(self, value: bytes) -> Writer:
        self.parts.append(value)
        return self

    def u8(self, *values: int) -> Writer:
        self.parts.append(bytes(values))
        return self

    def ub(self, *values: int) -> Writer:
        self.parts.extend(map(ub, values))
        return self

    def clr(self, value: bytes) -> Writer:
        self.parts.append(clr(value))
        return self

    def text(self, value: str) -> Writer:
        """A string with two lengths."""
        raw = value.encode()
        self.parts.append(ub(len(raw)) + clr(raw) if raw else b"\0")
        return self

    def getvalue(self) -> bytes:
        return b"".join(self.parts)
