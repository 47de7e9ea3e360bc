"""Self-signed certificates for tests."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Pair(NamedTuple):
    """Files of a certificate (DER) and its key (PEM)."""

    certificate: Path
    private_key: Path

    @property
    def certificate_pem(self) -> str:
        return ssl.DER_cert_to_PEM_cert(self.certificate.read_bytes())

    def server_context(self, *clients: Pair) -> ssl.SSLContext:
        """TLS of a server that shows this certificate; it lets in nobody but ``clients``, where there are any."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        chain = self.private_key.with_suffix(".chain.pem")
        chain.write_text(self.private_key.read_text(encoding="ascii") + self.certificate_pem, encoding="ascii")
        context.load_cert_chain(chain)
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(cadata="".join(client.certificate_pem for client in clients))
        return context


def make_pair(folder: Path, name: str, password: str | None = None, days: int = 1) -> Pair:
    """For localhost, its own authority; as OPC UA wants it, the URI ``urn:test:<name>`` is in it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = [
        x509.UniformResourceIdentifier(f"urn:test:{name}"),
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password is not None:
        encryption = serialization.BestAvailableEncryption(password.encode())
    pair = Pair(folder / f"{name}.der", folder / f"{name}.pem")
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    pair.private_key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    )
    return pair
