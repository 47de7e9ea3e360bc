"""Expiry: what the last log-in said about the expiry of the password (ORA-28002), while it is true."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
from dataclasses import dataclass
from typing import Final

from agent_core.api import ComponentContext, ConfigError, Finding, Log, RateLimit, Secret, Severity
from oracle_sink.session.codes import EXPIRES_SOON
from oracle_sink.session.errors import one_line

_DAY_SECONDS: Final = 86_400.0
_LOOK_SECONDS: Final = 60.0
_DAYS: Final = re.compile(r"within (\d+) days?")
_STEP: Final = "change the password in the database and in password:; no restart is needed"


@dataclass(frozen=True, slots=True)
class ExpiryWarning:
    """``text`` is that of the database, on one line; ``days`` are those in it. ``said_at``: monotonic seconds."""

    text: str
    days: int | None
    said_at: float
    fingerprint: bytes


class Expiry:
    """Thread-safe. Sessions live for weeks, so a warning also ends when the password in the configuration changes."""

    def __init__(self, user: str, context: ComponentContext) -> None:
        self._user = user
        self._sink_id = context.component_id
        self._clock = context.clock
        self._log = Log(context.plugin, context.clock, interval_seconds=_DAY_SECONDS)
        self._lock = threading.Lock()
        self._key = secrets.token_bytes(32)
        self._warning: ExpiryWarning | None = None
        self._looks = RateLimit(context.clock, _LOOK_SECONDS)

    def learn(self, warning: object, password: str) -> None:
        """Remember the warning of a log-in with ``password``, and log it once a day."""
        text = "" if warning is None else one_line(str(warning))
        known: ExpiryWarning | None = None
        if EXPIRES_SOON in text:
            found = _DAYS.search(text)
            days = int(found[1]) if found else None
            known = ExpiryWarning(text, days, self._clock.monotonic(), self._fingerprint(password))
        with self._lock:
            self._warning = known
        if known is not None:
            self._log.warning(
                "password expires soon",
                sink=self._sink_id,
                user=self._user,
                days_left=known.days,
                warning=known.text,
                next_step="change it in the database and in password:; no restart is needed",
                every=self._sink_id,
            )

    def look_again(self, password: Secret) -> None:
        """Forget the warning if the password has changed since; reads it at most once a minute."""
        known = self._warning
        if known is None or self._looks.allow("look") is None:
            return
        try:
            changed = self._fingerprint(password.reveal()) != known.fingerprint
        except ConfigError:
            return
        with self._lock:
            if changed and self._warning is known:
                self._warning = None

    def finding(self) -> Finding | None:
        """The warning, with the days that are left now."""
        known = self._warning
        if known is None:
            return None
        if known.days is None:
            message = "its password expires soon"
        else:
            left = known.days - int((self._clock.monotonic() - known.said_at) // _DAY_SECONDS)
            days = "1 day" if left == 1 else f"{left} days"
            message = f"its password expires within {days}" if left > 0 else "its password expires now"
        return Finding(
            Severity.WARNING,
            f"account {self._user}",
            f"{message}; then log-ins will be refused ({EXPIRES_SOON})",
            _STEP,
        )

    def _fingerprint(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode(), key=self._key).digest()
