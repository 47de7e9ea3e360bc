"""Files and folders that the agent creates: for their owner alone, whatever the umask.

They name hosts, users and tags, hold a plant's values, and are read again as what the agent itself has written.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PRIVATE_FILE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
SHARED_FILE: Final = 0o644
"""What a command writes for its user, such as a tag list: others may read it as far as the umask lets them."""


def private_opener(name: str, flags: int) -> int:
    """For ``open(..., opener=...)``: a new file is its owner's alone."""
    return os.open(name, flags, PRIVATE_FILE)


def shared_opener(name: str, flags: int) -> int:
    """For ``open(..., opener=...)``: a new file can be changed by its owner alone."""
    return os.open(name, flags, SHARED_FILE)


def make_private_folder(folder: Path) -> None:
    """Create ``folder`` and what is missing above it. Raises OSError; FileExistsError when it is a file."""
    for above in reversed(folder.parents):
        if not above.exists():
            above.mkdir(PRIVATE_FOLDER, exist_ok=True)
    folder.mkdir(PRIVATE_FOLDER, exist_ok=True)


def replace_private(file: Path, text: str) -> None:
    """Store ``text`` in UTF-8; a crash leaves the old content or the new one. Raises OSError."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)  # one that a crash has left may have other rights
    with open(new, "x", encoding="utf-8", opener=private_opener) as stream:
        stream.write(text)
    new.replace(file)
