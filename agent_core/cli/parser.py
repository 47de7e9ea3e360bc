"""CommandLineParser: argparse that says what was probably meant."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Final, NoReturn, TypeVar

from agent_core.api import did_you_mean

_CHOICE: Final = re.compile(r"invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>.*)\)$")
_UNKNOWN: Final = re.compile(r"unrecognized arguments: (?P<first>-[^\s=]*)")

_Names = TypeVar("_Names", bound=argparse.Namespace)


class CommandLineParser(argparse.ArgumentParser):
    """Parsers of subcommands are of this class, too, and report what they do not know with their own usage."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: _Names | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        names, unknown = super().parse_known_args(args, namespace)
        if unknown and not any(isinstance(action, argparse._SubParsersAction) for action in self._actions):
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return names, unknown

    def error(self, message: str) -> NoReturn:
        super().error(message + self._hint(message))

    def _hint(self, message: str) -> str:
        if (choice := _CHOICE.search(message)) is not None:
            known = [name.strip(" '") for name in choice["known"].split(",")]
            given = choice["given"]
        elif (option := _UNKNOWN.match(message)) is not None:
            known = [name for action in self._actions for name in action.option_strings]
            given = option["first"]
            if given in ("--debug", "--version"):
                return f"; {given} comes before the command"
        else:
            return ""
        hint = did_you_mean(given, known)
        return "" if hint is None else f"; {hint}"
