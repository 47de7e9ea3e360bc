"""Server side of O5LOGON with the 12c verifier (PBKDF2 and SHA-512): the password is never sent.

Facts from python-oracledb's published client side: the session key is AES-256-CBC (IV 0, no padding) under
SHA512(PBKDF2(password, salt + "AUTH_PBKDF2_SPEEDY_KEY") + salt)[:32]; both halves, as upper-case hexadecimal, make
the combo key that encrypts the password and the server's response.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

VERIFIER_12C = 0x4815
_VERIFIER_ROUNDS = 4096
_COMBO_ROUNDS = 3


def _encrypt(key: bytes, plain: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def _decrypt(key: bytes, data: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES(key), modes.CBC(bytes(16))).decryptor()
    return decryptor.update(data) + decryptor.finalize()


class Verifier:
    """One password and its stored form."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.salt = os.urandom(16)
        key = hashlib.pbkdf2_hmac(
            "sha512", password.encode(), self.salt + b"AUTH_PBKDF2_SPEEDY_KEY", _VERIFIER_ROUNDS, 64
        )
        self.hash = hashlib.sha512(key + self.salt).digest()[:32]


class Exchange:
    """One log-on attempt."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._server_part = os.urandom(32)
        self._combo_salt = os.urandom(16)
        self._combo = b""

    def challenge(self) -> list[tuple[str, str, int]]:
        """Key, value and flags of the first reply."""
        return [
            ("AUTH_SESSKEY", _encrypt(self._verifier.hash, self._server_part).hex().upper(), 0),
            ("AUTH_VFR_DATA", self._verifier.salt.hex().upper(), VERIFIER_12C),
            ("AUTH_PBKDF2_CSK_SALT", self._combo_salt.hex().upper(), 0),
            ("AUTH_PBKDF2_VGEN_COUNT", str(_VERIFIER_ROUNDS), 0),
            ("AUTH_PBKDF2_SDER_COUNT", str(_COMBO_ROUNDS), 0),
        ]

    def check(self, answers: Mapping[str, str]) -> bool:
        """True if the client has proved that it knows the password."""
        try:
            client_part = _decrypt(self._verifier.hash, bytes.fromhex(answers["AUTH_SESSKEY"]))[:32]
            seed = (client_part + self._server_part).hex().upper().encode()
            self._combo = hashlib.pbkdf2_hmac("sha512", seed, self._combo_salt, _COMBO_ROUNDS, 32)
            return self.password(answers["AUTH_PASSWORD"]) == self._verifier.password
        except (KeyError, ValueError):
            return False

    def password(self, encrypted: str) -> str:
        """Decrypts a password (16 random bytes, the text, PKCS7 padding). Raises ValueError."""
        plain = _decrypt(self._combo, bytes.fromhex(encrypted))
        if not plain or not 1 <= plain[-1] <= 16:
            raise ValueError("bad padding")
        return plain[16 : -plain[-1]].decode("utf-8", "replace")

    def response(self) -> str:
        """What proves to the client that this server knows the password too."""
        return _encrypt(self._combo, os.urandom(16) + b"SERVER_TO_CLIENT").hex().upper()
