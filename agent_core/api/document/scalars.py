"""Scalars: which plain word of a YAML file is a number, a boolean or nothing.

The core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): ``off``, ``yes``, ``1:30`` and dates are
text, so no setting becomes a boolean or a number unexpectedly. ``.inf`` and ``.nan`` are text, since no setting uses
them.
"""

from __future__ import annotations

import math
import re
from typing import Final

import yaml

STR: Final = "tag:yaml.org,2002:str"
NULL: Final = "tag:yaml.org,2002:null"
BOOL: Final = "tag:yaml.org,2002:bool"
INT: Final = "tag:yaml.org,2002:int"
FLOAT: Final = "tag:yaml.org,2002:float"
MERGE: Final = "tag:yaml.org,2002:merge"
SCALARS: Final = (STR, NULL, BOOL, INT, FLOAT)

_LONGEST_NUMBER: Final = 100
"""Characters. Python reads and prints longer ones in quadratic time, or refuses to."""

_SMALLEST, _LARGEST = -(2**63), 2**64 - 1

# libyaml when PyYAML was built with it: ten times faster on a file that lists thousands of tags.
_BaseLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class TypedLoader(_BaseLoader):  # type: ignore[misc, valid-type]
    """Composes nodes only; the values are built elsewhere."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


class TextLoader(_BaseLoader):  # type: ignore[misc, valid-type]
    """Every scalar is the text that was written: ``007`` and ``on`` stay as they are."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


for _tag, _pattern, _first in (
    (NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (INT, r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    TypedLoader.add_implicit_resolver(_tag, re.compile(_pattern), _first)
for _loader in (TypedLoader, TextLoader):
    _loader.add_implicit_resolver(MERGE, re.compile(r"^<<$"), ["<"])


def parse_scalar(text: str) -> object:
    """What ``text`` would be as an unquoted YAML scalar; a number that cannot be used stays text."""
    for tag, pattern in TypedLoader.yaml_implicit_resolvers.get(text[:1], ()):
        if tag != MERGE and pattern.match(text):
            try:
                return scalar_value(tag, text)
            except ValueError:
                return text
    return text


def scalar_value(tag: str, text: str) -> object:
    """The value of a scalar with one of ``SCALARS``. Raises ValueError, whose message is for the user."""
    if tag == NULL:
        return None
    if tag == BOOL:
        return text.lower() == "true"
    if tag in (INT, FLOAT):
        return _number(tag, text)
    return text


def _number(tag: str, text: str) -> int | float:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number has at most {_LONGEST_NUMBER} characters, this one has {len(text)}")
    try:
        if tag == INT:
            number = int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
            fits = _SMALLEST <= number <= _LARGEST
        else:
            number = float(text)  # type: ignore[assignment]
            fits = math.isfinite(number)
    except ValueError:
        raise ValueError("this number cannot be read") from None
    if not fits:
        raise ValueError("this number is too large")
    return number
