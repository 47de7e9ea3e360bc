"""Redaction: keeps secrets out of the log."""

from __future__ import annotations

import json
import re
import threading
from typing import Final
from urllib.parse import quote, quote_plus

from agent_core.api.secret import MASK

_SHORT = 4
"""A secret shorter than this is replaced only where it stands alone, or the whole log would be stars."""

_ACCOUNTS: Final = re.compile(
    r"""(?<=://)[^\s"'/@]{0,100}:[^\s"']{0,200}@"""  # opc.tcp://user:password@host
    r"""|(?<![\w./\\$#@-])[A-Za-z][\w$#]{0,100}/[^\s"'/]{1,200}@(?=[\w\[(/])"""  # scott/tiger@host
    r"""|(?<![\w./\\$#@-])[A-Za-z][\w.$#-]{0,100}:[^\s"'/]{1,200}@(?=[\w\[])"""  # user:password@host:502
)
"""An account in an address, where it should not be, so that it is no known secret."""

_NAMED: Final = re.compile(r"""((?:password|passwd|pwd)\s*=\s*)(?!\*\*\*)[^\s"'&;,()]{1,200}""", re.IGNORECASE)
"""``wallet_password=tiger`` in an address or in what a driver says of one."""


class Redaction:
    """Replaces every known secret by ``***``, and what looks like an account or a password in an address. Thread-safe.

    It recognizes a secret from the moment ``add`` returns, also in the form that JSON, ``repr`` and URLs give it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Hide ``secret`` from now on. The empty text and blanks are not hidden."""
        if secret in self._known or not secret.strip():
            return
        with self._lock:
            self._known = self._known | {secret}
            variants = {
                variant
                for text in self._known
                for variant in (text, repr(text)[1:-1], json.dumps(text)[1:-1], quote(text, safe=""), quote_plus(text))
            }
            # The longest first, or a secret that contains another would leave its tail behind.
            self._pattern = re.compile("|".join(map(_expression, sorted(variants, key=len, reverse=True))))

    def redact(self, text: str) -> str:
        """``text`` without any known secret, and without the account of any address."""
        pattern = self._pattern
        if pattern is not None:
            text = pattern.sub(MASK, text)
        if "@" in text:
            text = _ACCOUNTS.sub(f"{MASK}@", text)
        return _NAMED.sub(rf"\1{MASK}", text) if "=" in text else text


def _expression(text: str) -> str:
    escaped = re.escape(text)
    return escaped if len(text) >= _SHORT else rf"(?<!\w){escaped}(?!\w)"
