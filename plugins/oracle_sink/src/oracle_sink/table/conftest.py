"""Tests in several processes (``pytest -n 2``): what a test printed or logged reaches the one that reports."""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, object, object]:
    """Escape lone surrogates, which some tests log on purpose: a report that is no UTF-8 ends the process."""
    return _utf8((yield))


def _utf8(part: object) -> object:
    if isinstance(part, str):
        return part.encode(errors="backslashreplace").decode()
    if isinstance(part, dict):
        return {_utf8(key): _utf8(value) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return type(part)(map(_utf8, part))
    return part
