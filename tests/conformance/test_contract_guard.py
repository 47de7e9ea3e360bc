"""Standard tests cannot be overridden."""

from __future__ import annotations

import pytest

from agent_core.testing.contract import Contract


class Standard(Contract):
    __test__ = False

    def test_holds(self) -> None: ...


def test_a_subclass_may_add_tests_and_provide_what_they_need() -> None:
    class Fine(Standard):
        def test_of_its_own(self) -> None: ...

        def make_thing(self) -> None: ...

    assert Fine.test_holds is Standard.test_holds


def test_a_subclass_that_overrides_a_standard_test_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Lenient overrides standard tests: test_holds; give your own tests"):

        class Lenient(Standard):
            def test_holds(self) -> None: ...


def test_a_standard_test_cannot_be_switched_off() -> None:
    with pytest.raises(TypeError, match="test_holds"):

        class Without(Standard):
            test_holds = None  # type: ignore[assignment]


def test_a_mixin_cannot_override_a_standard_test_either() -> None:
    class Mixin:
        def test_holds(self) -> None: ...

    with pytest.raises(TypeError, match="test_holds"):

        class Lenient(Mixin, Standard): ...


def test_a_subclass_of_a_subclass_is_held_to_the_tests_of_both() -> None:
    class Plugin(Standard):
        def test_more(self) -> None: ...

    with pytest.raises(TypeError, match="test_more"):

        class Lenient(Plugin):
            def test_more(self) -> None: ...
