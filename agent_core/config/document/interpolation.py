"""Resolver: ``${NAME}``, ``${NAME:-default}`` and ``${file:path}`` inside one text.

A name is looked up in the environment, then in ``.env`` next to the YAML, then by the hook ``agent_resolve_secret``.
``$${`` stands for ``${``; any other ``$`` is itself, so a password that contains ``$$`` is not changed. The value of a
reference is never parsed as YAML or interpolated again. A default may contain references and braces,
``MAX_NESTED`` deep.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv.parser import parse_stream

from agent_core.api import PluginError
from agent_core.api.files.whole_file import read_whole_text
from agent_core.api.secret import MASK

MAX_NESTED: Final = 20
MAX_SECRET_BYTES: Final = 64 * 1024
"""Of a file that ``${file:...}`` names: a password, a token, a key."""

MAX_DOTENV_BYTES: Final = 1024 * 1024
MAX_TEXT: Final = 1024 * 1024
"""Characters that one text has at most after its references are replaced."""

_OPEN = re.compile(r"(?<!\$)(\$+)\{")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE_PREFIX = "file:"


class ResolveError(Exception):
    """A reference has no value. The message names the reference, never a value; ``hint`` is the next step.

    ``file`` and ``line`` are set when the mistake is in the ``.env`` file.
    """

    def __init__(self, message: str, hint: str | None = None, file: str | None = None, line: int | None = None) -> None:
        super().__init__(message)
        self.hint = hint
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Reference:
    """What stands between ``${`` and ``}``: ``name``, and the text after ``:-`` or None."""

    name: str
    default: str | None

    @property
    def file(self) -> str | None:
        """The path of a ``file:`` reference."""
        return self.name.removeprefix(_FILE_PREFIX) if self.name.startswith(_FILE_PREFIX) else None


def has_reference(text: str) -> bool:
    """True when ``text`` contains a reference or an escaped one."""
    return "${" in text


def holds_clear_text(text: str) -> bool:
    """True when a part of ``text``, which resolves, stands in it as such: next to a reference, or as its default."""
    return any(
        bool(part.strip()) if isinstance(part, str) else holds_clear_text(part.default or "")
        for part in parse_template(text)
    )


def names_in(text: str) -> Iterator[str]:
    """Of the variables that ``text``, which resolves, refers to."""
    for part in parse_template(text):
        if isinstance(part, Reference):
            yield part.name
            yield from names_in(part.default or "")


def without_defaults(text: str) -> str:
    """``text`` as it may be shown: the default of a password is a password."""
    try:
        parts = parse_template(text)
    except ResolveError:
        return MASK
    return "".join(
        # A literal "${" was written "$${".
        part.replace("${", "$${") if isinstance(part, str) else _shown(part)
        for part in parts
    )


def _shown(reference: Reference) -> str:
    name = reference.name if reference.file is not None or _NAME.fullmatch(reference.name) else MASK
    return f"${{{name}}}" if reference.default is None else f"${{{name}:-{MASK}}}"


def parse_template(text: str) -> list[str | Reference]:
    """Literal texts and references in order. Raises ResolveError when a ``${`` is never closed or empty."""
    parts: list[str | Reference] = []
    literal: list[str] = []
    position = 0

    def end_literal() -> None:
        if any(literal):
            parts.append("".join(literal))
        literal.clear()

    while (match := _OPEN.search(text, position)) is not None:
        literal.append(text[position : match.start()])
        dollars = len(match[1])
        literal.append("$" * ((dollars if dollars % 2 == 0 else dollars - 1) // 2))
        if dollars % 2 == 0:
            literal.append("{")
            position = match.end()
            continue
        end = _closing_brace(text, match.end())
        name, separator, default = text[match.end() : end].partition(":-")
        if not name.strip():
            raise ResolveError("${} is empty", "write ${NAME}")
        end_literal()
        parts.append(Reference(name.strip(), default if separator else None))
        position = end + 1
    literal.append(text[position:])
    end_literal()
    return parts or [""]


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
            if depth > MAX_NESTED:
                raise ResolveError(f"more than {MAX_NESTED} nested {{", "one default inside another is usually enough")
        elif text[index] == "}":
            depth -= 1
            if not depth:
                return index
    raise ResolveError("${ is never closed", "write ${NAME}, or $${ for a literal ${")


class Resolver:
    """Resolves texts for one YAML file, reading ``.env`` and files each time. Thread-safe; keeps no value."""

    def __init__(
        self, folder: Path, environ: Mapping[str, str], ask_plugins: Callable[[str], str | None] = lambda _: None
    ) -> None:
        self._folder = folder
        self._environ = environ
        self._ask_plugins = ask_plugins

    def resolve(self, text: str) -> str:
        """``text`` with every reference replaced. Raises ResolveError, also for a broken ``.env``."""
        return self.resolve_with(text, self.dotenv())

    def resolve_with(self, text: str, dotenv: Mapping[str, str]) -> str:
        """As ``resolve``, with what ``dotenv`` returned before: for many texts at once."""
        found: list[str] = []
        left = MAX_TEXT
        for part in parse_template(text):
            found.append(part if isinstance(part, str) else self._reference(part, dotenv))
            left -= len(found[-1])
            if left < 0:
                raise ResolveError(f"this text has more than {MAX_TEXT} characters with its ${{...}} replaced")
        return "".join(found)

    def _reference(self, reference: Reference, dotenv: Mapping[str, str]) -> str:
        if reference.file is not None:
            found = self._file(reference.file, missing_is_error=reference.default is None)
        else:
            found = self._environ.get(reference.name)
            if found is None:
                found = dotenv.get(reference.name)
        if found is None:
            try:
                found = self._ask_plugins(reference.name)
            except PluginError as error:
                raise ResolveError(str(error)) from error
        if reference.default is not None:
            return found or self.resolve_with(reference.default, dotenv)
        if found is not None:
            return found
        if _NAME.fullmatch(reference.name):
            raise ResolveError(
                f"the variable {reference.name} is not set",
                f"set it in the environment or in {self._folder / '.env'}, or write ${{{reference.name}:-default}}",
            )
        # The name is not repeated: it may be the password itself.
        raise ResolveError("nothing resolves this ${...}", "the name of a variable has only letters, digits and _")

    def _file(self, name: str, *, missing_is_error: bool) -> str | None:
        path = self._folder / name
        try:
            # Editors and `echo` end a file with a line break that is not part of the secret.
            return read_whole_text(path, MAX_SECRET_BYTES).rstrip("\r\n")
        except FileNotFoundError:
            if missing_is_error:
                raise ResolveError(f"no such file: {path}") from None
            return None
        except UnicodeDecodeError:
            raise ResolveError(f"{path} is not UTF-8") from None
        except (OSError, ValueError) as error:
            raise ResolveError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None

    def dotenv(self) -> Mapping[str, str]:
        """What ``.env`` sets. Raises ResolveError."""
        path = self._folder / ".env"
        try:
            text = read_whole_text(path, MAX_DOTENV_BYTES)
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            raise ResolveError("the file is not UTF-8", "save it as UTF-8", str(path), 1) from None
        except OSError as error:
            raise ResolveError(f"the file cannot be read: {error.strerror or error}", None, str(path), 1) from None
        values: dict[str, str] = {}
        for binding in parse_stream(io.StringIO(text)):
            if binding.error:
                raise ResolveError("this line cannot be read", "write NAME=value", str(path), binding.original.line)
            if binding.key is not None and binding.value is not None:
                values[binding.key] = binding.value
        return values
