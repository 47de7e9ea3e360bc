"""nearest: the known name that was probably meant."""

from __future__ import annotations

import pytest

from agent_core.api import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "found"),
    [("oracle-sink", "oracle_sink"), ("Oracle_Sink", "oracle_sink"), ("orcle_sink", "oracle_sink"), ("xyz", None)],
)
def test_hyphens_and_capitals_do_not_matter(name: str, found: str | None) -> None:
    assert nearest(name, ["csv_sink", "oracle_sink"]) == found


def test_the_hint_is_the_same_everywhere() -> None:
    assert did_you_mean("max_record", ("max_records", "max_wait")) == "did you mean max_records?"
    assert did_you_mean("max_record", ()) is None
