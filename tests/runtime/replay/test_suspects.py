"""Which file is next when some have failed."""

from __future__ import annotations

from agent_core.runtime.replay.suspects import Suspects

FILES = ("a", "b", "c")


def next_of(suspects: Suspects, *files: str) -> str:
    return (files or FILES)[suspects.order(files or FILES)[0]]


def test_the_oldest_is_first_and_one_that_cannot_go_in_lets_the_others_pass() -> None:
    suspects = Suspects(strikes=3)
    assert next_of(suspects) == "a"
    assert suspects.add("a", unclear=False)
    assert next_of(suspects) == "b"
    suspects.written()
    assert next_of(suspects, "a", "c") == "c", "b went in"
    assert suspects.add("c", unclear=False)
    assert next_of(suspects, "a", "c") == "a", "it has waited longest"


def test_what_may_be_the_sink_counts_after_some_strikes() -> None:
    suspects = Suspects(strikes=3)
    assert [suspects.add("a", unclear=True) for _ in range(3)] == [False, False, True]
    assert next_of(suspects) == "b"


def test_when_the_next_file_fails_as_well_it_is_the_sink_and_the_oldest_is_first_again() -> None:
    suspects = Suspects(strikes=1)
    assert suspects.add("a", unclear=True)
    assert not suspects.add("b", unclear=True)
    assert next_of(suspects) == "a"


def test_when_another_file_went_in_meanwhile_it_was_not_the_sink() -> None:
    suspects = Suspects(strikes=1)
    assert suspects.add("a", unclear=True)
    suspects.written()
    assert suspects.add("b", unclear=True)
    assert next_of(suspects) == "c"


def test_a_file_that_went_away_and_comes_back_is_a_new_one() -> None:
    suspects = Suspects(strikes=2)
    suspects.add("a", unclear=False)
    suspects.add("b", unclear=True)
    suspects.keep_only({"c"})
    assert next_of(suspects) == "a"
    assert not suspects.add("b", unclear=True)
