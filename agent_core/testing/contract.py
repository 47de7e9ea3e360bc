"""Contract: standard tests that a plugin's author inherits and cannot override."""

from __future__ import annotations


class Contract:
    """A set of standard tests: every method whose name begins with ``test_``.

    A subclass that overrides one, itself or by a mixin, is refused with TypeError when the class is created: a contract
    holds for every plugin. Your own tests go next to the standard ones under other names.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        overridden = sorted(
            name
            for contract in cls.__mro__[1:]
            if issubclass(contract, Contract)
            for name, test in vars(contract).items()
            if name.startswith("test_") and getattr(cls, name) is not test
        )
        if overridden:
            raise TypeError(
                f"{cls.__module__}.{cls.__qualname__} overrides standard tests: {', '.join(overridden)}; "
                "give your own tests other names"
            )
