"""Resolver: ``${NAME}``, ``${NAME:-default}`` and ``${file:path}`` inside one text.

A name is looked up in the environment, then in ``.env`` next to the YAML, then by the hook ``agent_resolve_secret``.
``$${`` stands for ``${``; any other ``$`` is itself, so a password that contains ``$$`` is not changed. The value of a
reference is never parsed as YAML or interpolated again.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream

from agent_core.api import PluginError

_OPEN = re.compile(r"(\$+)\{")
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


def parse_template(text: str) -> list[str | Reference]:
    """Literal texts and references in order. Raises ResolveError when a ``${`` is never closed or empty."""
    parts: list[str | Reference] = []
    literal, position = "", 0
    while (match := _OPEN.search(text, position)) is not None:
        literal += text[position : match.start()]
        dollars = len(match[1])
        literal += "$" * ((dollars if dollars % 2 == 0 else dollars - 1) // 2)
        if dollars % 2 == 0:
            literal += "{"
            position = match.end()
            continue
        end = _closing_brace(text, match.end())
        name, separator, default = text[match.end() : end].partition(":-")
        if not name.strip():
            raise ResolveError("${} is empty", "write ${NAME}")
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(Reference(name.strip(), default if separator else None))
        position = end + 1
    literal += text[position:]
    if literal or not parts:
        parts.append(literal)
    return parts


def _closing_brace(text: str, start: int) -> int:
    depth = 1
    for index in range(start, len(text)):
        if text[index] == "{":
            depth += 1
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
        return self._resolve(text, self._dotenv())

    def _resolve(self, text: str, dotenv: Mapping[str, str]) -> str:
        return "".join(
            part if isinstance(part, str) else self._reference(part, dotenv) for part in parse_template(text)
        )

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
            return found or self._resolve(reference.default, dotenv)
        if found is not None:
            return found
        if _NAME.fullmatch(reference.name):
            raise ResolveError(
                f"the variable {reference.name} is not set",
                f"set it in the environment or in {self._folder / '.env'}, or write ${{{reference.name}:-default}}",
            )
        raise ResolveError(
            f"nothing resolves ${{{reference.name}}}", "the name of a variable has only letters, digits and _"
        )

    def _file(self, name: str, *, missing_is_error: bool) -> str | None:
        path = self._folder / name
        try:
            # Editors and `echo` end a file with a line break that is not part of the secret.
            return path.read_text(encoding="utf-8-sig").rstrip("\r\n")
        except FileNotFoundError:
            if missing_is_error:
                raise ResolveError(f"no such file: {path}") from None
            return None
        except UnicodeDecodeError:
            raise ResolveError(f"{path} is not UTF-8") from None
        except (OSError, ValueError) as error:
            raise ResolveError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None

    def _dotenv(self) -> Mapping[str, str]:
        path = self._folder / ".env"
        try:
            text = path.read_text(encoding="utf-8-sig")
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
