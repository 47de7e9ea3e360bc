"""Nearest: the known name that somebody probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of ``known`` that is most like ``name``, hyphens and capitals aside; None when none is alike."""
    by_form = {_form(candidate): candidate for candidate in known}
    found = get_close_matches(_form(name), list(by_form), n=1)
    return by_form[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """The hint ``did you mean X?``, or None."""
    found = nearest(name, known)
    return None if found is None else f"did you mean {found}?"


def _form(name: str) -> str:
    return name.lower().replace("-", "_")
