"""What every test gets: a defect in its log fails it. With ``pytest -n 2``, what it printed reaches the reporter."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from agent_core.testing.suite.defects import no_defects


@pytest.fixture(autouse=True)
def _no_defects(request: pytest.FixtureRequest) -> Iterator[None]:
    """A defect in the log fails the test, unless ``pytest.mark.provokes`` names its event."""
    provoked = [event for mark in request.node.iter_markers("provokes") for event in mark.args]
    with no_defects(provoked):
        yield


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
