"""Secret: a config value that is never printed and can be read again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MASK: Final = "***"


class Secret:
    """A text that prints as ``***``.

    A key whose schema says ``"format": "secret"`` arrives in a plugin's config as a Secret. ``reveal`` resolves the
    reference again on each call, so a password changed in ``.env`` or in a ``${file:...}`` is seen without a restart.
    """

    __slots__ = ("_read",)

    def __init__(self, read: Callable[[], str]) -> None:
        self._read = read

    def reveal(self) -> str:
        """The current text. Raises ConfigError when the reference can no longer be resolved."""
        return self._read()

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
