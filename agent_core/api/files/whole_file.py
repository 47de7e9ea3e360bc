"""Whole files that others wrote, read into memory: never more of one than a limit."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import Final

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe that nobody writes to must not wait."""

_PIECE_BYTES: Final = 1024 * 1024


def read_whole(file: Path, limit_bytes: int, *, may_be_pipe: bool = False) -> bytes:
    """The content of a regular file, at most ``limit_bytes``.

    Raises OSError, whose ``strerror`` is for the user: also for a larger file (EFBIG), of which nothing is kept, and
    for a pipe or a device (EINVAL), which might never end. ``may_be_pipe``: for a file that a person names on the
    command line (``<(...)``), and who waits for it.
    """
    descriptor = os.open(file, _FLAGS if may_be_pipe else _FLAGS | _NO_WAIT)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(file))
        if not stat.S_ISREG(status.st_mode) and not may_be_pipe:
            raise OSError(errno.EINVAL, "it is not a regular file", str(file))
        data = bytearray()
        if status.st_size <= limit_bytes:
            # To its end, whatever the size says: the file may grow, and what the system makes up (/proc) has size 0.
            while len(data) <= limit_bytes and (piece := os.read(descriptor, _PIECE_BYTES)):
                data += piece
        if max(len(data), status.st_size) > limit_bytes:
            raise OSError(errno.EFBIG, f"it is larger than {size_text(limit_bytes)}", str(file))
        return bytes(data)
    finally:
        os.close(descriptor)


def read_whole_text(file: Path, limit_bytes: int, *, may_be_pipe: bool = False) -> str:
    """The same as text: UTF-8, with or without a byte order mark; every line ends in a line feed.

    Raises OSError, and UnicodeDecodeError.
    """
    return io.TextIOWrapper(
        io.BytesIO(read_whole(file, limit_bytes, may_be_pipe=may_be_pipe)), encoding="utf-8-sig"
    ).read()


def size_text(size_bytes: int) -> str:
    """``64 KiB``, ``16 MiB``."""
    for unit, factor in (("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= factor and size_bytes % factor == 0:
            return f"{size_bytes // factor} {unit}"
    return f"{size_bytes} bytes"
