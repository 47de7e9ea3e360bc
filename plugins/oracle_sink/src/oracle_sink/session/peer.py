"""Peer: the other side of one session's socket, which may send no more than a limit and can be cut off.

The driver reads whatever arrives, for as long as it arrives: a peer that is no database, or a broken one, fills the
memory with 200 MB per second, even after the caller has given up the log-in, since the driver has no call that ends
it (seen with python-oracledb 26.1). It offers no access to its socket either, so the socket is caught where Python
returns it to the driver, and made to count.
"""

from __future__ import annotations

import socket
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

LOGIN_BYTES: Final = 16 * 1024 * 1024
"""A log-in takes some kilobytes."""

ANSWER_BYTES: Final = 256 * 1024 * 1024
"""What a session may receive while it is lent once; 100,000 records of the largest size are 60 MB."""


class Peer:
    """Counts what arrives. Thread-safe; in Thick mode, whose sockets Python does not see, it does nothing."""

    def __init__(self, limit_bytes: int) -> None:
        self._lock = threading.Lock()
        self._left_bytes = limit_bytes
        self._is_cut = False
        # Weak: the driver alone decides how long it lives.
        self._socket: weakref.ref[socket.socket] | None = None

    @property
    def flooded(self) -> bool:
        """True once it has sent more than it may. The driver has then found its connection closed."""
        return self._left_bytes < 0

    def allow(self, limit_bytes: int) -> None:
        """Begin to count again."""
        with self._lock:
            self._left_bytes = limit_bytes

    def cut(self) -> None:
        """End the connection, whatever the driver waits for; also the next one, if it makes another. Never blocks."""
        with self._lock:
            self._is_cut = True
            caught = None if self._socket is None else self._socket()
            if caught is not None:
                _shut(caught)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Catch the socket that a call in this thread makes, while the block runs."""
        before = sys.getprofile()
        sys.setprofile(self._look)
        try:
            yield
        finally:
            sys.setprofile(before)

    def _look(self, _: FrameType, event: str, returned: object) -> None:
        if event == "return" and isinstance(returned, socket.socket) and not isinstance(returned, _Counted):
            returned.__class__ = _counted(type(returned), self)
            with self._lock:
                self._socket = weakref.ref(returned)
                if self._is_cut:
                    _shut(returned)

    def _passed(self, data: bytes) -> bytes:
        """``data``, or nothing when the connection ends here, which the driver takes for its end."""
        with self._lock:
            self._left_bytes -= len(data)
            return b"" if self._is_cut or self._left_bytes < 0 else data


class _Counted:
    """Marks the sockets that count."""

    __slots__ = ()


def _counted(kind: type[socket.socket], peer: Peer) -> type[socket.socket]:
    """``kind``, of plain sockets or of TLS, with a ``recv`` that counts. The only method by which the driver reads."""

    class Counted(kind, _Counted):  # type: ignore[valid-type, misc]
        __slots__ = ()

        def recv(self, size: int, flags: int = 0) -> bytes:
            try:
                return peer._passed(kind.recv(self, size, flags))
            except OSError:
                del self  # a traceback would keep the socket from being closed
                raise

    Counted.__module__, Counted.__qualname__ = kind.__module__, kind.__qualname__  # what its repr shows
    return Counted


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # it may be closed already
        one.shutdown(socket.SHUT_RDWR)
