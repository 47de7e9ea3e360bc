"""Clear text: secrets that stand readable in a file which every user of the machine can read."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from agent_core.api import ConfigProblem
from agent_core.api.document import Document, PathKey
from agent_core.config.document.interpolation import holds_clear_text, names_in


def problems_of_clear_text(
    document: Document,
    file: Path,
    secrets: Mapping[PathKey, str],
    dotenv: Collection[str],
) -> Iterator[ConfigProblem]:
    """A warning for each secret that is written in ``file`` itself, and one for a ``.env`` that secrets come from.

    ``secrets``: as written, with their ``${...}``, by where they are; ``dotenv``: the names that ``.env`` sets.
    Nothing on Windows, where the mode of a file does not say who can read it.
    """
    written = [path for path, text in secrets.items() if holds_clear_text(text)]
    if written and others_can_read(file):
        for path in written:
            message = "a secret in clear text, in a file that every user of this machine can read"
            hint = f"chmod 640 {file.name}, or write ${{NAME}} or ${{file:PATH}} instead"
            yield replace(document.problem(message, path, hint), warning=True)
    env_file = file.parent / ".env"
    if any(name in dotenv for text in secrets.values() for name in names_in(text)) and others_can_read(env_file):
        message = "there are secrets in it, and every user of this machine can read it"
        yield ConfigProblem(message, hint=f"chmod 640 {env_file}", file=str(env_file), line=1, column=1, warning=True)


def others_can_read(file: Path) -> bool:
    """True if the mode bits of ``file`` and of every folder above let any user of the machine in."""
    if os.name != "posix":
        return False
    try:
        real = file.resolve(strict=True)
        return bool(real.stat().st_mode & stat.S_IROTH) and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in real.parents
        )
    except OSError:
        return False
