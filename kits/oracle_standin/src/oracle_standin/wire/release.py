"""What the stand-in claims to be: one profile per database release.

The capability bytes are those a python-oracledb client looks at; the numbering is from its published source.
"""

from __future__ import annotations

from dataclasses import dataclass

# TTC field versions that decide which optional fields a message has.
FIELDS_12_2, FIELDS_12_2_EXT, FIELDS_20_1 = 8, 9, 14
FIELDS_23_1, FIELDS_23_1_EXT1, FIELDS_23_1_EXT3, FIELDS_23_4 = 17, 18, 20, 24

CAP_TIME_ZONE = 1  # of the runtime capabilities: time zones are exchanged with the data types
MAX_STRING_BYTES = 32767


@dataclass(frozen=True, slots=True)
class Release:
    """A database release as the client sees it."""

    tns_version: int
    field_version: int
    version: tuple[int, int, int, int, int]
    banner: str
    modern: bool  # 23ai: fast authentication, end-of-response marks, longer error texts
    bad_logon: str
    password_bytes: int  # the longest password

    @property
    def version_number(self) -> int:
        """The packed form that releases since 18 send: 8.8.4.8.4 bits."""
        a, b, c, d, e = self.version
        return (a << 24) | (b << 16) | (c << 12) | (d << 4) | e

    @property
    def version_text(self) -> str:
        return ".".join(map(str, self.version))

    def compile_capabilities(self) -> bytes:
        caps = bytearray(55)
        caps[0] = 6  # SQL version
        caps[4] = 0x02 | 0x08 | 0x20 | 0x40 | 0x80  # log-on types
        caps[7] = self.field_version
        caps[8] = 1
        caps[15] = 0x01 | 0x08 | 0x20  # end-of-call status, indicators, bit vectors
        caps[16] = 0x10 | 0x80
        caps[17:20] = bytes((3, 7, 3))
        caps[21] = 1
        caps[23] = 0xCF  # LOBs
        caps[26] = 0x04
        caps[27] = 1
        caps[31] = 0x10
        caps[34] = 12
        caps[37] = 0x10 | 0x20 | 0x80
        caps[39] = 8
        caps[40] = 0x04 | (0x20 if self.modern else 0)  # 0x20: end-of-response marks
        caps[42] = 0x01 | 0x04
        caps[44] = 0x1E if self.modern else 0
        return bytes(caps)

    @staticmethod
    def runtime_capabilities() -> bytes:
        caps = bytearray(11)
        caps[0] = 2
        caps[CAP_TIME_ZONE] = 1
        caps[6] = 0x01 | 0x04  # 0x04: strings up to 32,767 bytes
        return bytes(caps)


RELEASES = {
    "19": Release(
        318,
        12,
        (19, 22, 0, 0, 0),
        "Oracle Database 19c Enterprise Edition Release 19.0.0.0.0 - Production (stand-in)",
        False,
        "invalid username/password; logon denied",
        30,
    ),
    "23": Release(
        319,
        24,
        (23, 9, 0, 25, 7),
        "Oracle Database 23ai Free Release 23.0.0.0.0 - Develop, Learn, and Run for Free (stand-in)",
        True,
        "invalid credential or not authorized; logon denied",
        1024,
    ),
}
