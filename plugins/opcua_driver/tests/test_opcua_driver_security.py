"""Certificates, and a server that takes only so many items at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from opcua_driver.driver import OpcuaDriver
from plant.certificates import Pair, make_pair
from plant.peer import PeerProcess

from agent_core.api import DataType, DeviceUnreachable, ReadRefused, Secret, TagSpec

MakeDriver = Callable[..., OpcuaDriver]

SPEED = TagSpec("SPEED", "nsu=urn:plant;s=Float", DataType.FLOAT32)
MAX_NODES = 5
KEY_PASSWORD = "k3y"


class SecureServer(NamedTuple):
    address: str
    own: Pair
    client: Pair
    stranger: Pair


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    folder = tmp_path_factory.mktemp("secure")
    own, client, stranger = (
        make_pair(folder, "server"),
        make_pair(folder, "client", KEY_PASSWORD),
        make_pair(folder, "x"),
    )
    arguments = ("--certificate", str(own.certificate), "--private-key", str(own.private_key))
    with PeerProcess("opcua_server", folder, *arguments, "--max-nodes", str(MAX_NODES)) as server:
        yield SecureServer(f"opc.tcp://{server.address}/plant", own, client, stranger)


def keys(secure: SecureServer, **changes: object) -> dict[str, object]:
    return {
        "address": secure.address,
        "security_policy": "Basic256Sha256",
        "security_mode": "sign_and_encrypt",
        "certificate": secure.client.certificate,
        "private_key": secure.client.private_key,
        "private_key_password": Secret(lambda: KEY_PASSWORD),
        "server_certificate": secure.own.certificate,
        **changes,
    }


@pytest.mark.parametrize(("policy", "mode"), [("Basic256Sha256", "sign_and_encrypt"), ("Aes256Sha256RsaPss", "sign")])
def test_a_secure_server_is_read_with_certificates_and_a_user(
    secure: SecureServer, make_driver: MakeDriver, policy: str, mode: str
) -> None:
    driver = make_driver(
        **keys(secure, security_policy=policy, security_mode=mode, user="operator", password=Secret(lambda: "s3cret"))
    )
    driver.connect()
    assert driver.read_items([SPEED])[0].value == 0.1


def test_a_server_with_another_certificate_is_not_spoken_to(secure: SecureServer, make_driver: MakeDriver) -> None:
    driver = make_driver(**keys(secure, server_certificate=secure.stranger.certificate, timeout=0.5))
    with pytest.raises(DeviceUnreachable, match="cannot connect"):
        driver.connect()


def test_a_server_that_wants_security_refuses_a_client_without(secure: SecureServer, make_driver: MakeDriver) -> None:
    with pytest.raises(DeviceUnreachable, match="cannot connect"):
        make_driver(address=secure.address).connect()


@pytest.mark.parametrize("key", ["certificate", "private_key", "server_certificate"])
def test_a_file_that_is_not_there_is_named(
    secure: SecureServer, make_driver: MakeDriver, tmp_path: Path, key: str
) -> None:
    with pytest.raises(DeviceUnreachable, match=r"nowhere\.pem"):
        make_driver(**keys(secure, **{key: tmp_path / "nowhere.pem"})).connect()


def test_a_file_that_is_no_certificate_is_refused(
    secure: SecureServer, make_driver: MakeDriver, tmp_path: Path
) -> None:
    (tmp_path / "text.pem").write_text("hello", encoding="utf-8")
    with pytest.raises(DeviceUnreachable, match="cannot connect"):
        make_driver(**keys(secure, server_certificate=tmp_path / "text.pem")).connect()


def test_a_request_is_as_large_as_the_server_says(secure: SecureServer, make_driver: MakeDriver) -> None:
    driver = make_driver(**keys(secure))
    driver.connect()
    assert driver.max_items == MAX_NODES
    assert len(driver.read_items([SPEED] * MAX_NODES)) == MAX_NODES
    with pytest.raises(ReadRefused, match="BadTooManyOperations"):
        driver.read_items([SPEED] * (MAX_NODES + 1))
    assert driver.read_items([SPEED])[0].value == 0.1, "the connection is still usable"
    fewer = make_driver(**keys(secure, max_items=3))
    fewer.connect()
    assert fewer.max_items == 3
