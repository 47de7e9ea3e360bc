"""Log-ins that cannot be listened to: TLS from the first byte, and signatures."""

from __future__ import annotations

import datetime
import ipaddress
import os
from functools import partial
from pathlib import Path

import nkeys
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from jetstream_buffer.jetstream.config import TlsConfig
from jetstream_buffer.testing import NatsServer

from agent_core.api import AuthenticationError, RetryableError, Secret, WriteOutcome
from agent_core.testing.sinks import numbered_batch

from .conftest import USERS, MakeSink

DAY = datetime.timedelta(days=1)


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), now - DAY, now + DAY)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.pem", folder / f"{name}.key"
    files[0].write_bytes(signed.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def test_a_password_goes_to_the_server_whose_certificate_is_known_and_to_no_other(
    own_server: NatsServer, make_sink: MakeSink, tmp_path: Path
) -> None:
    known, key = certificate(tmp_path, "server")
    other, _ = certificate(tmp_path, "other")
    own_server.kill()
    own_server.settings = f'{USERS}\ntls {{ cert_file: "{known}", key_file: "{key}", handshake_first: true }}'
    own_server.start()
    sink = make_sink(url=own_server.url, tls=TlsConfig(known, None, None, handshake_first=True))
    sink.open()
    assert sink.write(numbered_batch(3)) == WriteOutcome(3)
    stranger = make_sink(url=own_server.url, tls=TlsConfig(other, None, None, handshake_first=True))
    with pytest.raises(RetryableError):
        stranger.open()
    assert "authentication error" not in own_server.log()


def test_an_nkey_logs_in_with_a_signature(own_server: NatsServer, make_sink: MakeSink) -> None:
    def new_seed() -> str:
        return str(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER).decode())

    seed = new_seed()
    public = nkeys.from_seed(seed.encode()).public_key.decode()
    own_server.kill()
    own_server.settings = f"authorization {{ users: [{{ nkey: {public} }}] }}"
    own_server.start()
    sink = make_sink(url=own_server.url, password=None, nkey=Secret(lambda: f"{seed}\n"))
    sink.open()
    assert sink.write(numbered_batch(3)) == WriteOutcome(3)
    stranger = new_seed()
    for wrong in (stranger, "not a seed"):
        with pytest.raises(AuthenticationError):
            make_sink(url=own_server.url, password=None, nkey=Secret(partial(str, wrong))).open()


def test_a_credentials_file_that_is_missing_is_a_refused_log_in(
    own_server: NatsServer, make_sink: MakeSink, tmp_path: Path
) -> None:
    sink = make_sink(url=own_server.url, password=None, credentials=tmp_path / "missing.creds")
    with pytest.raises(AuthenticationError, match=r"missing\.creds"):
        sink.open()
