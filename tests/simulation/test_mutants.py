"""The planted bugs, which ``make planted`` hunts: they are still where they were planted."""

from __future__ import annotations

import pytest
from simulation.mutants import Mutant, MutantGone, check
from simulation.planted import MUTANTS


def test_every_planted_bug_has_its_text_in_the_code_once() -> None:
    for mutant in MUTANTS:
        check(mutant)


def test_every_planted_bug_has_a_name_of_its_own_and_changes_something() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 25
    assert all(mutant.before != mutant.after for mutant in MUTANTS)


def test_a_bug_whose_place_has_changed_says_so() -> None:
    gone = Mutant("gone", "agent_core.runtime.pipeline", "this is not there", "")
    with pytest.raises(MutantGone, match=r"mutant gone: its text is in agent_core\.runtime\.pipeline 0 times"):
        check(gone)
