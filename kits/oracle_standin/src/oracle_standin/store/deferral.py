"""Deferred constraints: what a transaction still has to check, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Settings


class Deferrable(Protocol):
    """A constraint, with its DEFERRABLE and INITIALLY DEFERRED."""

    name: str
    deferrable: bool
    deferred: bool


class Deferral:
    """The deferred checks of one transaction, and its SET CONSTRAINTS."""

    def __init__(self) -> None:
        self._modes: dict[str, bool] = {}  # constraint, or "" for ALL -> deferred
        self._checks: list[Callable[[], None]] = []

    def set(self, names: list[str], deferred: bool) -> None:
        """SET CONSTRAINTS; no names are ALL. Raises what a check raises that can no longer wait."""
        if not deferred:
            self.verify()
        if not names:
            self._modes.clear()
        self._modes.update(dict.fromkeys(names or [""], deferred))

    def defers(self, constraint: Deferrable, settings: Settings) -> bool:
        """Whether the constraint is checked at the end of the transaction, not of the statement."""
        if not constraint.deferrable:
            return False
        mode = self._modes.get(constraint.name, self._modes.get(""))
        if mode is not None:
            return mode
        if settings.constraints == "DEFAULT":
            return constraint.deferred
        return settings.constraints == "DEFERRED"

    def add(self, check: Callable[[], None]) -> None:
        """``check`` raises the constraint's error, or nothing if its row is gone."""
        self._checks.append(check)

    @property
    def pending(self) -> bool:
        return bool(self._checks)

    def verify(self) -> None:
        """Raises the first error; what was checked before it is still to be checked again."""
        for check in self._checks:
            check()
        self._checks.clear()


def rolled_back(error: OraError) -> OraError:
    """What a COMMIT answers when a deferred check fails."""
    return OraError(2091, f"transaction rolled back\n{error.message}")
