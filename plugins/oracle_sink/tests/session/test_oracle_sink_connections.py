"""Ways to the database that people ask for: tnsnames.ora, descriptions, several addresses, TLS with wallets.

TLS ends at a gate before the database, so the driver's side of it is real. Shown on the stand-in, not Oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin
from plant.certificates import Pair, make_pair
from plant.tcp_gate import TcpGate

from agent_core.api import ConfigurationError, Secret, Severity
from agent_core.testing.fakes import batch_of

MakeSink = Callable[..., OracleSink]


class Address(NamedTuple):
    """Where the database listens."""

    host: str
    port: int
    service: str

    def description(self, *more: str) -> str:
        """As tnsnames.ora has it."""
        return (
            f"(DESCRIPTION=(ADDRESS=(PROTOCOL=tcp)(HOST={self.host})(PORT={self.port}))"
            f"(CONNECT_DATA=(SERVICE_NAME={self.service}){''.join(more)}))"
        )


@pytest.fixture
def address(database: Standin) -> Address:
    return Address(*database.address)


@pytest.fixture
def server_pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, "database", days=3)


@pytest.fixture
def client_pair(tmp_path: Path) -> Pair:
    return make_pair(tmp_path, "agent", password="wallet secret")


@pytest.fixture
def secure(address: Address, server_pair: Pair) -> Iterator[str]:
    """A dsn that leads to the database over TLS."""
    gate = TcpGate(address.port, address.host, tls=server_pair.server_context())
    yield f"tcps://localhost:{gate.port}/{address.service}"
    gate.close()


def wallet(folder: Path, *parts: str) -> Path:
    """The folder of an ewallet.pem."""
    folder.mkdir()
    (folder / "ewallet.pem").write_text("".join(parts), encoding="ascii")
    return folder


def writes(sink: OracleSink, database: Standin) -> bool:
    """Whether a row can be inserted through it."""
    sink.open()
    sink.write(batch_of(1))
    return bool(database.sql("SELECT COUNT(*) FROM tagferry_test") == [[1]])


def test_a_name_from_tnsnames_leads_to_the_database(
    make_sink: MakeSink, database: Standin, address: Address, tmp_path: Path
) -> None:
    (tmp_path / "tnsnames.ora").write_text(f"PLANT =\n  {address.description()}\n", encoding="utf-8")
    assert writes(make_sink(dsn="plant", config_dir=tmp_path), database)


def test_a_description_leads_to_the_database(make_sink: MakeSink, database: Standin, address: Address) -> None:
    assert writes(make_sink(dsn=address.description("(SERVER=DEDICATED)")), database)


def test_the_second_address_is_tried_when_the_first_is_away(
    make_sink: MakeSink, database: Standin, address: Address
) -> None:
    dsn = f"127.0.0.1:1,{address.host}:{address.port}/{address.service}"
    assert writes(make_sink(dsn=dsn), database)


def test_over_tls_with_the_authority_in_a_wallet(
    make_sink: MakeSink, database: Standin, secure: str, server_pair: Pair, tmp_path: Path
) -> None:
    folder = wallet(tmp_path / "wallet", server_pair.certificate_pem)
    assert writes(make_sink(dsn=secure, wallet_location=folder), database)


def test_over_tls_to_a_database_that_wants_a_client_certificate(
    make_sink: MakeSink, database: Standin, address: Address, server_pair: Pair, client_pair: Pair, tmp_path: Path
) -> None:
    key = client_pair.private_key.read_text(encoding="ascii")
    folder = wallet(tmp_path / "wallet", key, client_pair.certificate_pem, server_pair.certificate_pem)
    gate = TcpGate(address.port, address.host, tls=server_pair.server_context(client_pair))
    try:
        dsn = f"tcps://localhost:{gate.port}/{address.service}"
        sink = make_sink(dsn=dsn, wallet_location=folder, wallet_password=Secret(lambda: "wallet secret"))
        assert writes(sink, database)
    finally:
        gate.close()


def test_a_server_of_an_unknown_authority_is_a_question_of_configuration(make_sink: MakeSink, secure: str) -> None:
    with pytest.raises(ConfigurationError, match="check wallet_location"):
        make_sink(dsn=secure).open()


def test_a_certificate_for_another_name_is_refused(
    make_sink: MakeSink, secure: str, server_pair: Pair, tmp_path: Path
) -> None:
    folder = wallet(tmp_path / "wallet", server_pair.certificate_pem)
    with pytest.raises(ConfigurationError, match="name"):
        make_sink(dsn=f"{secure}?ssl_server_cert_dn=CN=other", wallet_location=folder).open()


def test_the_doctor_judges_a_certificate(make_sink: MakeSink, secure: str, server_pair: Pair, tmp_path: Path) -> None:
    (untrusted,) = make_sink(dsn=secure).diagnose()
    assert untrusted.severity is Severity.CRITICAL
    assert "wallet_location" in (untrusted.next_step or "")
    trusted = list(
        make_sink(dsn=secure, wallet_location=wallet(tmp_path / "w", server_pair.certificate_pem)).diagnose()
    )
    assert trusted[0].severity is Severity.WARNING
    assert "valid until" in trusted[0].message
    assert [finding for finding in trusted[1:] if finding.severity is not Severity.OK] == []
