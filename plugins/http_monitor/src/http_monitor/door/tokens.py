"""Tokens: whose is this one? And how many wrong ones an address may offer."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from agent_core.api import AgentError, Clock
from http_monitor.config import NamedToken

LEAST_TOKEN_CHARACTERS: Final = 16
"""A shorter token can be guessed over a network."""
GUESSES: Final = 10
"""Wrong tokens that an address may offer at once."""
SECONDS_PER_GUESS: Final = 5.0
"""After those, one in this time."""
ADDRESSES: Final = 1024
"""Remembered; the one that has been quiet longest is forgotten first."""


class Tokens:
    """The configured ones. Each is read at each use, so that it can be changed while the agent runs."""

    def __init__(self, named: Sequence[NamedToken]) -> None:
        self._named = named

    def __bool__(self) -> bool:
        return bool(self._named)

    def owner(self, offered: str) -> NamedToken | None:
        """Whose token this is; None when it is nobody's. Takes as long for a wrong one as for a right one.

        A token that cannot be read now, or is too short to be one, opens nothing.
        """
        wanted, found = _digest(offered), None
        for named in self._named:
            current = self._current(named)
            same = hmac.compare_digest(wanted, _digest(current))
            if same and len(current) >= LEAST_TOKEN_CHARACTERS and found is None:
                found = named
        return found

    def usable(self) -> bool:
        """Whether any of them opens something now."""
        return any(len(self._current(named)) >= LEAST_TOKEN_CHARACTERS for named in self._named)

    def _current(self, named: NamedToken) -> str:
        try:
            return named.token.reveal().strip()
        except AgentError:
            return ""


class WrongTokens:
    """Slows guessing. An address that has offered too many wrong tokens is not listened to for some seconds, whatever
    it offers; nobody else notices. Used in the server's loop alone.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()  # guesses not yet forgiven, and when

    def seconds_to_wait(self, address: str) -> float:
        """How long until the address may offer a token again; 0 when it may now."""
        over = self._level(_neighbourhood(address)) - (GUESSES - 1)
        return max(0.0, over * SECONDS_PER_GUESS)

    def note(self, address: str) -> None:
        """It has offered a wrong one."""
        known = _neighbourhood(address)
        self._spent[known] = (self._level(known) + 1, self._clock.monotonic())
        self._spent.move_to_end(known)
        if len(self._spent) > ADDRESSES:
            self._spent.popitem(last=False)

    def _level(self, known: str) -> float:
        level, at = self._spent.get(known, (0.0, 0.0))
        return max(0.0, level - (self._clock.monotonic() - at) / SECONDS_PER_GUESS)


def _digest(text: str) -> bytes:
    """All of one length, so that comparing tells nothing about the length of a token."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def _neighbourhood(address: str) -> str:
    """An IPv6 client has 2^64 addresses to guess from; they count as one."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else address
