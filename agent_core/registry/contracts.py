"""Contracts: whether what a factory made has the members of its Protocol, with the arguments that the core passes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol, cast

from agent_core.api import (
    Advising,
    BitWriter,
    BlockDriver,
    Buffer,
    ClockReader,
    Completing,
    DdlProvider,
    Diagnosable,
    Discarding,
    Driver,
    Extension,
    FallbackSink,
    ItemDriver,
    KeepsDelivered,
    Plannable,
    PollingControl,
    Pulsing,
    Replayable,
    Sink,
    Source,
    Stocked,
    Transform,
)

REQUIRED: Final[Mapping[str, type]] = {
    "source": Source,
    "driver": Driver,
    "transform": Transform,
    "buffer": Buffer,
    "sink": Sink,
    "extension": Extension,
}
"""By kind of factory."""

OPTIONAL: Final[Mapping[str, tuple[type, ...]]] = {
    "source": (Diagnosable, PollingControl, Plannable, Pulsing),
    "driver": (BlockDriver, ItemDriver, BitWriter, ClockReader),
    "transform": (Diagnosable,),
    "buffer": (Diagnosable, Advising),
    "sink": (
        Diagnosable,
        Advising,
        FallbackSink,
        Replayable,
        Stocked,
        Completing,
        KeepsDelivered,
        Discarding,
        DdlProvider,
    ),
    "extension": (Diagnosable,),
}
"""What a part of that kind may be besides; it is held to those whose members it has."""

_MISSING: Final = object()


def misfits(part: object, kind: str) -> list[str]:
    """What keeps ``part`` from being of that kind, such as ``it has no method write``; empty when nothing does.

    It calls nothing of the part and evaluates no property that its class defines.
    """
    contract = REQUIRED[kind]
    if part is None or isinstance(part, type):
        what = "None" if part is None else f"the class {part.__qualname__}"
        return [f"it is {what}, not a {contract.__name__}"]
    found = [fault for name, member in _members(contract) for fault in _faults(part, name, member)]
    for optional in OPTIONAL[kind]:
        members = dict(_members(optional))
        if all(_member(part, name) is not _MISSING for name in members):
            found += [fault for name, member in members.items() for fault in _faults(part, name, member)]
    return list(dict.fromkeys(found))


def _members(contract: type) -> Iterator[tuple[str, object]]:
    """Public methods and properties, those of the Protocols that it extends included."""
    for cls in reversed(contract.__mro__):
        if getattr(cls, "_is_protocol", False) and cls is not Protocol:
            for name, member in vars(cls).items():
                if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                    yield name, member


def _faults(part: object, name: str, member: object) -> Iterator[str]:
    found = _member(part, name)
    if isinstance(member, property):
        if found is _MISSING:
            yield f"it has no {name}"
        elif inspect.isroutine(found):
            yield f"{name} is a method, not a value or a property"
        return
    if found is _MISSING:
        yield f"it has no method {name}"
        return
    bound = _get(part, name)
    if not callable(bound):
        yield f"{name} is not a method"
    elif inspect.iscoroutinefunction(bound):
        yield f"{name} is a coroutine function (async def); the core calls it in a thread and needs its result"
    else:
        yield from _misfit_arguments(name, bound, cast("Callable[..., object]", member))


def _misfit_arguments(name: str, bound: Callable[..., object], member: Callable[..., object]) -> Iterator[str]:
    wanted = list(inspect.signature(member).parameters.values())[1:]
    needed = [parameter for parameter in wanted if parameter.default is inspect.Parameter.empty]
    try:
        signature = inspect.signature(bound)
    except (TypeError, ValueError):  # one written in C need not have any
        return
    for arguments in (wanted, needed):
        try:
            signature.bind(*arguments)
        except TypeError:
            given = ", ".join(parameter.name for parameter in wanted)
            yield f"{name}{signature} cannot be called as {name}({given})"
            return


def _member(part: object, name: str) -> object:
    """Without evaluating a property; what a ``__getattr__`` makes counts too."""
    static = inspect.getattr_static(part, name, _MISSING)
    return _get(part, name) if static is _MISSING else static


def _get(part: object, name: str) -> object:
    try:
        return getattr(part, name, _MISSING)
    except BaseException:  # a foreign part's own defect is a missing member
        return _MISSING
