"""Tokens: whose is this one? And how many wrong ones an address may offer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from agent_core.api import AgentError, Clock
from http_monitor.config import NamedToken

LEAST_TOKEN_CHARACTERS: Final = 16
"""A shorter token can be guessed over a network."""
READ_SECONDS: Final = 2.0
"""A token that was changed in ``.env`` or in its file counts after this time."""
GUESSES: Final = 10
"""Wrong tokens that an address may offer at once."""
SECONDS_PER_GUESS: Final = 5.0
"""After those, one in this time."""
ADDRESSES: Final = 1024
"""Remembered; the one that has been quiet longest is forgotten first."""


class Tokens:
    """The configured ones, as they were read last: ``watch`` reads them again, so that they can be changed while the
    agent runs. Asking whose token one is reads nothing: a file that hangs keeps nobody waiting.
    """

    def __init__(self, named: Sequence[NamedToken]) -> None:
        self._named = named
        self._known: tuple[tuple[bytes, NamedToken], ...] = ()
        self.refresh()

    def __bool__(self) -> bool:
        """True when any is configured, whether it can be read or not."""
        return bool(self._named)

    @property
    def usable(self) -> bool:
        """Whether any of them opens something now."""
        return bool(self._known)

    def owner(self, offered: str) -> NamedToken | None:
        """Whose token this is; None when it is nobody's. Takes as long for a wrong one as for a right one."""
        wanted, found = _digest(offered), None
        for current, named in self._known:
            if hmac.compare_digest(wanted, current) and found is None:
                found = named
        return found

    def refresh(self) -> None:
        """Read all of them; may block as long as their files do. One that cannot be read, or is too short to be a
        token, opens nothing from now on.
        """
        texts = [(self._current(named), named) for named in self._named]
        self._known = tuple((_digest(text), named) for text, named in texts if len(text) >= LEAST_TOKEN_CHARACTERS)

    async def watch(self) -> None:
        """Until cancelled."""
        while self._named:
            await asyncio.sleep(READ_SECONDS)
            with suppress(RuntimeError):  # no thread can be started now
                await asyncio.get_running_loop().run_in_executor(None, self.refresh)

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
