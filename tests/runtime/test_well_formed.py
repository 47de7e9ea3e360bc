"""What is checked of every batch before it is anywhere."""

from array import array
from dataclasses import replace

import pytest

from agent_core.api import Batch
from agent_core.runtime.well_formed import escape_text, well_formed
from agent_core.testing.fakes import TEST_ORIGIN, batch_of

GOOD_BATCH = batch_of(1, 2, 3)


@pytest.mark.parametrize(
    ("batch", "problem"),
    [
        (replace(GOOD_BATCH, values=(1,)), "columns differ in length"),
        (replace(GOOD_BATCH, qualities=b"\xc0"), "columns differ in length"),
        (replace(GOOD_BATCH, timestamps_ns=array("q", (1, 2))), "columns differ in length"),
        (replace(GOOD_BATCH, segments=()), "segments do not cover the 3 records"),
        (replace(GOOD_BATCH, segments=GOOD_BATCH.segments * 2), "segments do not cover the 3 records"),
        (
            replace(GOOD_BATCH, segments=(GOOD_BATCH.segments[0]._replace(stop=4),)),
            "segments do not cover the 3 records",
        ),
        (replace(GOOD_BATCH, qualities=b"\xc0\xc3\xc0"), "unknown quality 0xC3"),
    ],
)
def test_columns_that_do_not_fit_together_are_refused(batch: Batch, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        well_formed(batch)


def test_several_segments_are_well_formed() -> None:
    batch = Batch.join([GOOD_BATCH, Batch.of(TEST_ORIGIN, ["T"], [1], 5)])
    assert well_formed(batch) is batch


def test_nul_and_lone_surrogates_are_escaped() -> None:
    batch = batch_of("a\0b", "\ud800", "가", 1.5, None)
    assert escape_text(batch).values == ("a\\x00b", "\\ud800", "가", 1.5, None)


@pytest.mark.parametrize("batch", [batch_of(1.0, 2, True, None), batch_of("plain", "가나다")])
def test_a_batch_with_nothing_to_escape_is_passed_on_as_it_is(batch: Batch) -> None:
    assert escape_text(batch) is batch
