"""The responder answers as three independent MC protocol clients expect, so it may judge a fourth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import aslmp
import aslmp.sync
import pymcprotocol  # type: ignore[import-untyped]
import pytest
import slmp
from aslmp.profile import Encoding
from plant.peer import PeerProcess


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("responders")


@pytest.fixture(scope="module")
def binary(folder: Path) -> Iterator[PeerProcess]:
    with PeerProcess("mc_responder", folder, "--code", "binary") as peer:
        yield peer


@pytest.fixture(scope="module")
def ascii_code(folder: Path) -> Iterator[PeerProcess]:
    with PeerProcess("mc_responder", folder, "--code", "ascii") as peer:
        yield peer


@pytest.fixture(scope="module")
def fx5_ascii(folder: Path) -> Iterator[PeerProcess]:
    with PeerProcess("mc_responder", folder, "--code", "ascii", "--series", "iqf") as peer:
        yield peer


def word(code: int, number: int) -> int:
    return (code + number) & 0xFFFF


def bit(code: int, number: int) -> int:
    return int((code + number) % 3 == 0)


@pytest.mark.parametrize("code", ["binary", "ascii"])
def test_pymcprotocol_reads_and_writes(code: str, request: pytest.FixtureRequest) -> None:
    peer: PeerProcess = request.getfixturevalue("binary" if code == "binary" else "ascii_code")
    client = pymcprotocol.Type3E()
    client.setaccessopt(commtype=code)
    client.connect("127.0.0.1", peer.port)
    try:
        assert client.read_cputype() == ("Q03UDVCPU", "0366")
        assert client.batchread_wordunits("D10", 3) == [word(0xA8, number) for number in (10, 11, 12)]
        assert client.batchread_bitunits("M100", 5) == [bit(0x90, number) for number in range(100, 105)]
        packed = sum(bit(0x90, 16 + number) << number for number in range(16))
        assert client.batchread_wordunits("M16", 1) == [packed - 0x10000 if packed & 0x8000 else packed]
        client.batchwrite_wordunits("D500", [1, -2, 3])
        assert client.batchread_wordunits("D499", 5) == [word(0xA8, 499), 1, -2, 3, word(0xA8, 503)]
        client.batchwrite_bitunits("M501", [1, 1, 1])
        assert client.batchread_bitunits("M500", 5) == [bit(0x90, 500), 1, 1, 1, bit(0x90, 504)]
        with pytest.raises(Exception, match="0x4031"):
            client.batchread_wordunits("D20480", 1)
        with pytest.raises(Exception, match="0xC052"):
            client.batchread_wordunits("D0", 961)
    finally:
        client.close()


def test_plc_comm_slmp_reads_and_writes(binary: PeerProcess) -> None:
    own_station = slmp.SlmpTarget(network=0, station=0xFF, module_io=0x03FF, multidrop=0)
    with slmp.SlmpClient(
        "127.0.0.1", binary.port, transport="tcp", default_target=own_station, plc_profile="melsec:qnudv"
    ) as client:
        assert client.read_devices("D10", 3, bit_unit=False) == [word(0xA8, number) for number in (10, 11, 12)]
        assert client.read_devices("W1FF", 1, bit_unit=False) == [word(0xB4, 0x1FF)]
        assert client.read_devices("X1F", 7, bit_unit=True) == [bool(bit(0x9C, 0x1F + number)) for number in range(7)]
        packed = sum(bit(0xA0, 0x110 + number) << number for number in range(16))
        assert client.read_devices("B110", 1, bit_unit=False) == [packed]
        assert len(client.read_devices("D0", 960, bit_unit=False)) == 960
        client.write_devices("D600", [7, 8], bit_unit=False)
        assert client.read_dword("D600") == 8 << 16 | 7


@pytest.mark.parametrize("code", ["binary", "ascii"])
def test_aslmp_reads_and_writes(code: str, request: pytest.FixtureRequest) -> None:
    peer: PeerProcess = request.getfixturevalue("binary" if code == "binary" else "ascii_code")
    encoding = Encoding.BINARY if code == "binary" else Encoding.ASCII_XY_HEX
    with aslmp.sync.Plc("127.0.0.1", peer.port, profile="melsec:q", encoding=encoding) as client:
        assert client.read_words("D10", 3) == tuple(word(0xA8, number) for number in (10, 11, 12))
        assert client.read_words("W1FF", 1) == (word(0xB4, 0x1FF),)
        assert client.read_words("ZR1F", 1) == (word(0xB0, 0x1F),)
        assert client.read_bits("X1F", 7) == tuple(bool(bit(0x9C, 0x1F + number)) for number in range(7))
        client.write_f32("D700", 1234.5)
        assert client.read_f32("D700") == 1234.5
        client.write_bits("M701", [True, False, True])
        assert client.read_bits("M701", 3) == (True, False, True)


def test_aslmp_finds_the_octal_inputs_of_an_fx5_in_ascii_code(fx5_ascii: PeerProcess) -> None:
    with aslmp.sync.Plc(
        "127.0.0.1", fx5_ascii.port, profile="melsec:iq-f/fx5u", encoding=Encoding.ASCII_XY_OCT
    ) as client:
        assert client.read_bits("X20", 3) == tuple(bool(bit(0x9C, number)) for number in (16, 17, 18))
        assert client.read_words("D10", 1) == (word(0xA8, 10),)
