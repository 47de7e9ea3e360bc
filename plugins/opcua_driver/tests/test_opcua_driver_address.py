"""What a tag's address means."""

from __future__ import annotations

import uuid

import pytest
from opcua_driver.address import Address, parse_address

from agent_core.api import AddressError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nsu=urn:plant;s=Line1.Speed", Address("urn:plant", "Line1.Speed")),
        ("nsu=http://plant.example/ua/;i=1001", Address("http://plant.example/ua/", 1001)),
        ("nsu=urn:a%3Bb%25;i=1", Address("urn:a;b%", 1)),
        ("ns=2;s=Line;1.Speed[2]", Address(2, "Line;1.Speed[2]")),
        ("ns=2;s=ns=3;i=4", Address(2, "ns=3;i=4")),
        (" i=2258 ", Address(0, 2258)),
        ("s=설비", Address(0, "설비")),
        ("ns=1;g=09087e75-8e5e-499b-954f-f2a9603db28a", Address(1, uuid.UUID("09087e75-8e5e-499b-954f-f2a9603db28a"))),
        ("ns=1;b=AQI=", Address(1, b"\x01\x02")),
        ("index=3;ns=2;s=Speeds", Address(2, "Speeds", 3)),
    ],
)
def test_an_address_is_a_node_id(text: str, expected: Address) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "lesson"),
    [
        ("", "write nsu=urn:plant"),
        ("D100", "write nsu=urn:plant"),
        ("ns=2", "write nsu=urn:plant"),
        ("ns=2;s=", "write nsu=urn:plant"),
        ("ns=x;s=A", "write nsu=urn:plant"),
        ("nsu=urn:plant", "write nsu=urn:plant"),
        ("index=-1;ns=2;s=A", "write nsu=urn:plant"),
        ("ns=70000;s=A", "up to 65535"),
        ("ns=2;i=A", "no number from 0"),
        ("ns=2;i=4294967296", "no number from 0"),
        ("ns=2;g=A", "no UUID"),
        ("ns=2;b=A", "no base64"),
    ],
)
def test_a_wrong_address_is_answered_with_the_right_way_to_write_it(text: str, lesson: str) -> None:
    with pytest.raises(AddressError, match=lesson) as raised:
        parse_address(text)
    assert repr(text) in str(raised.value)
