"""Database users: password, lock, expiry, and the limit on failed log-ons."""

from __future__ import annotations

import datetime as dt
import threading
from dataclasses import dataclass, field

from oracle_standin.errors import OraError
from oracle_standin.wire.logon import Verifier

FAILED_LOGON_LIMIT = 10  # FAILED_LOGIN_ATTEMPTS of the DEFAULT profile


@dataclass(slots=True)
class Account:
    """One user, and what a log-on has to check."""

    name: str
    verifier: Verifier
    locked: bool = False
    expired: bool = False
    expires_in_days: int | None = None  # in the grace period: log-on works and warns with ORA-28002
    failed_logons: int = 0
    proxies: tuple[str, ...] = ()  # who may connect as this user, with their own passwords
    created: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC).replace(tzinfo=None))

    @property
    def status(self) -> str:
        """ACCOUNT_STATUS of USER_USERS."""
        if self.locked:
            return "LOCKED"
        if self.expired:
            return "EXPIRED"
        return "OPEN" if self.expires_in_days is None else "EXPIRED(GRACE)"

    def forbid_expired(self) -> None:
        """Raises ORA-28001."""
        if self.expired:
            raise OraError(28001)

    @property
    def expiry(self) -> dt.datetime:
        """EXPIRY_DATE of USER_USERS; 180 days after creation unless set otherwise."""
        now = dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)
        if self.expired:
            return now - dt.timedelta(days=1)
        return now + dt.timedelta(days=180 if self.expires_in_days is None else self.expires_in_days)


class Accounts:
    """All users. Names are upper case. Thread-safe."""

    def __init__(self, users: dict[str, str]) -> None:
        self._lock = threading.Lock()
        self._first = {n.upper(): Verifier(p) for n, p in users.items()}
        self._accounts: dict[str, Account] = {}
        self.restore()
        self._nobody = Account("", Verifier("\0 no such user"))

    def restore(self) -> None:
        """The initial users with their passwords, unlocked."""
        self._accounts = {name: Account(name, verifier) for name, verifier in self._first.items()}

    def get(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def __getitem__(self, name: str) -> Account:
        """Raises KeyError with a readable text."""
        try:
            return self._accounts[name.upper()]
        except KeyError:
            raise KeyError(f"no user {name}; known: {', '.join(self._accounts)}") from None

    def verifier(self, name: str) -> Verifier:
        """The verifier for the challenge; an unknown name gets one that never matches, so it looks the same."""
        return self._accounts.get(name, self._nobody).verifier

    def names(self) -> list[str]:
        return list(self._accounts)

    def add(self, name: str, password: str) -> None:
        self._accounts[name.upper()] = Account(name.upper(), Verifier(password))

    def change_password(self, name: str, password: str) -> None:
        """Sets a password, which ends an expiry."""
        account = self[name]
        account.verifier = Verifier(password)
        account.expired = False
        account.expires_in_days = None

    def admit(self, name: str, password_is_right: bool, bad_logon: str) -> Account:
        """The account that may log on. Raises ORA-28000 (locked) or ORA-01017 (too many of those lock the account)."""
        account = self._accounts.get(name)
        with self._lock:
            if account is not None and account.locked:
                raise OraError(28000)
            if account is None or not password_is_right:
                if account is not None:
                    account.failed_logons += 1
                    account.locked = account.failed_logons >= FAILED_LOGON_LIMIT
                raise OraError(1017, bad_logon)
            account.failed_logons = 0
        return account
