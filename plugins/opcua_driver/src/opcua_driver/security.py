"""Security: the certificates of a connection, read from their files and given to asyncua."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from asyncua.client.client import Client
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaprotocol_auto import MessageSecurityMode
from cryptography import x509

from agent_core.api.files.whole_file import read_whole
from opcua_driver.config import OpcuaDriverConfig, SecurityMode, SecurityPolicy

LARGEST_CERTIFICATE_BYTES: Final = 1024 * 1024
POLICIES: Final = {
    SecurityPolicy.BASIC256SHA256: security_policies.SecurityPolicyBasic256Sha256,
    SecurityPolicy.AES128_SHA256_RSAOAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    SecurityPolicy.AES256_SHA256_RSAPSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES: Final = {
    SecurityMode.SIGN: MessageSecurityMode.Sign,
    SecurityMode.SIGN_AND_ENCRYPT: MessageSecurityMode.SignAndEncrypt,
}


async def secure(client: Client, config: OpcuaDriverConfig) -> None:
    """Prepare a client that is not connected. The server must show the very certificate that is configured.

    Raises OSError when a file cannot be read, ValueError when one is not what it should be.
    """
    if config.security_policy is SecurityPolicy.NONE:
        return
    files = (config.certificate, config.private_key, config.server_certificate)
    certificate, private_key, server_certificate = (_read(file) for file in files)
    # A server compares it with the name the client gives itself.
    client.application_uri = application_uri(certificate) or client.application_uri
    if config.private_key_password is not None:
        private_key.password = config.private_key_password.reveal()
    await client.set_security(
        POLICIES[config.security_policy],  # type: ignore[type-abstract]
        certificate,
        private_key,
        server_certificate=server_certificate,
        mode=MODES[config.security_mode],
    )


def application_uri(certificate: CertProperties) -> str | None:
    """The URI among the certificate's alternative names, if it has one."""
    content = certificate.path_or_content
    assert isinstance(content, bytes)
    is_pem = certificate.extension == "pem"
    parsed = x509.load_pem_x509_certificate(content) if is_pem else x509.load_der_x509_certificate(content)
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    return next(iter(names.get_values_for_type(x509.UniformResourceIdentifier)), None)


def _read(file: Path | None) -> CertProperties:
    if file is None:
        raise ValueError("a security policy needs certificate, private_key and server_certificate")
    content = read_whole(file, LARGEST_CERTIFICATE_BYTES)
    return CertProperties(content, extension="pem" if content.startswith(b"-----BEGIN") else "der")
