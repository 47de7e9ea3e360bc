"""Who may hold a connection: the accounting alone."""

from __future__ import annotations

import pytest
from http_monitor.door.places import Limits, Place, Places
from pytest_mock import MockerFixture

resource = pytest.importorskip("resource", reason="Windows does not limit descriptors")


def taken(places: Places, *addresses: str) -> list[Place]:
    """A waiting place for each of the addresses."""
    found = []
    for address in addresses:
        place, evicted = places.take(address)
        assert place is not None
        assert evicted is None
        places.waits(place)
        found.append(place)
    return found


def test_the_longest_waiting_makes_room_when_every_place_is_taken() -> None:
    places = Places(Limits(connections=4))
    first, *_ = taken(places, "a", "b", "c", "d")
    place, evicted = places.take("e")
    assert place is not None
    assert evicted is first


def test_an_address_with_its_share_evicts_nobody_but_itself() -> None:
    places = Places(Limits(connections=8))
    taken(places, "quiet")
    mine, *_ = taken(places, *["loud"] * 4)
    assert places.take("loud")[1] is mine


def test_a_proxy_may_have_more_than_its_share() -> None:
    places = Places(Limits(connections=8), unlimited=lambda address: address == "proxy")
    taken(places, *["proxy"] * 8)


def test_whoever_is_worked_for_keeps_the_place() -> None:
    places = Places(Limits(connections=8))
    working, waiting, *_ = taken(places, *"abcdefgh")
    assert places.works(working, probe=False)
    assert places.take("i")[1] is waiting


def test_when_everybody_is_worked_for_a_new_connection_gets_no_place() -> None:
    places = Places(Limits(connections=8))
    for place in taken(places, *"abcdefgh"):
        assert places.works(place, probe=True)
    assert places.take("i") == (None, None)


def test_the_last_places_are_for_probes() -> None:
    limits = Limits(connections=16)
    places = Places(limits)
    held = taken(places, *map(str, range(16)))
    worked = [places.works(place, probe=False) for place in held]
    assert worked.count(True) == 16 - limits.for_probes == 14
    assert places.works(held[-1], probe=True)


def test_a_place_that_was_left_is_free_again_and_nothing_is_remembered() -> None:
    places = Places(Limits(connections=4))
    for place in taken(places, "a", "a"):
        place.leave()
        place.leave()
    assert places == Places(Limits(connections=4), places.unlimited)


@pytest.mark.parametrize(
    ("descriptors", "connections"), [(1024, 200), (256, 64), (64, 16), (10, 8), (resource.RLIM_INFINITY, 200)]
)
def test_the_data_path_keeps_three_descriptors_in_four(
    descriptors: int, connections: int, mocker: MockerFixture
) -> None:
    mocker.patch.object(resource, "getrlimit", return_value=(descriptors, resource.RLIM_INFINITY))
    assert Limits.of_this_process().connections == connections
