"""Address: what a tag's ``address`` text means to an OPC UA server.

The notation of node ids is that of OPC 10000-6, section 5.3.1.10: ``nsu=<uri>;s=<text>`` or ``ns=<index>;i=<number>``.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Callable
from typing import Final, NamedTuple

from agent_core.api import AddressError

SYNTAX: Final = (
    "write nsu=urn:plant;s=Line1.Speed (namespace by its URI), ns=2;s=Line1.Speed (by its index), i=2258, "
    "nsu=urn:plant;i=1001, g=<uuid>, b=<base64>, index=3;nsu=urn:plant;s=Speeds (one element of an array)"
)

_FORM: Final = re.compile(r"(?:index=(\d{1,9});)?(?:ns=(\d{1,5});|nsu=([^;]+);)?([isgb])=(.+)", re.ASCII | re.DOTALL)

Identifier = int | str | uuid.UUID | bytes


class Address(NamedTuple):
    """``namespace`` is a URI, or the index of one. ``element`` picks one of an array; None takes the whole value."""

    namespace: str | int
    identifier: Identifier
    element: int | None = None


def parse_address(text: str) -> Address:
    """Read a node id. Raises AddressError."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise AddressError(f"{text!r} is not an OPC UA address: {SYNTAX}")
    element, number, uri, kind, identifier = match.groups()
    namespace: str | int = uri.replace("%3B", ";").replace("%25", "%") if uri else int(number or 0)
    if isinstance(namespace, int) and namespace > 0xFFFF:
        raise AddressError(f"{text!r}: namespaces are numbered up to 65535")
    try:
        value = _IDENTIFIERS[kind](identifier)
    except (ValueError, binascii.Error):
        raise AddressError(f"{text!r}: {identifier!r} is no {_KINDS[kind]}") from None
    return Address(namespace, value, None if element is None else int(element))


def _number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 0xFFFFFFFF:
        raise ValueError
    return number


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


_IDENTIFIERS: Final[dict[str, Callable[[str], Identifier]]] = {"i": _number, "s": str, "g": uuid.UUID, "b": _bytes}
_KINDS: Final = {"i": "number from 0 to 4294967295", "s": "text", "g": "UUID", "b": "base64"}
