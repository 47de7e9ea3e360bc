"""Certificate: TLS for the monitor's own port, from PEM files that somebody renews while the agent runs."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent_core.api import ConfigError, Log
from agent_core.api.files.whole_file import read_whole
from http_monitor.config import Tls

LOOK_SECONDS: Final = 60.0
_LARGEST_BYTES: Final = 1024 * 1024


class Certificate:
    """``context`` is for the next connection. ``watch`` takes renewed files, unless they are not good.

    Raises ConfigError when it is made.
    """

    def __init__(self, tls: Tls, log: Log, look_seconds: float = LOOK_SECONDS) -> None:
        self._tls = tls
        self._log = log
        self._look_seconds = look_seconds
        self._changed = _changed(tls)
        self._context = load(tls)

    def context(self) -> ssl.SSLContext:
        """The newest that was good."""
        return self._context

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds)
            with suppress(RuntimeError):  # no thread can be started now
                await asyncio.get_running_loop().run_in_executor(None, self._look)

    def _look(self) -> None:
        try:
            changed = _changed(self._tls)
            if changed != self._changed:
                self._context = load(self._tls)
                self._changed = changed
                self._log.info("certificate renewed", certificate=self._tls.certificate, every="renewed")
        except (ConfigError, OSError) as error:
            self._log.warning("certificate not renewed", error=str(error), every="certificate")


def load(tls: Tls) -> ssl.SSLContext:
    """Read both files. Raises ConfigError that says which is wrong."""
    for what, path in (("certificate", tls.certificate), ("key", tls.key)):
        try:
            read_whole(path, _LARGEST_BYTES)
        except OSError as error:
            raise ConfigError(f"the {what} {path} cannot be read: {error.strerror or error}") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # Without a password of its own, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (ssl.SSLError, OSError, ValueError) as error:
        reason = (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
        raise ConfigError(
            f"{tls.certificate} and {tls.key} are not a certificate and its unencrypted key, both PEM: {reason}"
        ) from None
    return context


def _changed(tls: Tls) -> tuple[int, ...]:
    try:
        return tuple(part for path in (tls.certificate, tls.key) for part in _stamp(path))
    except OSError:
        return ()


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino
