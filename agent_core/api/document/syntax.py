"""The complaints of a YAML parser, in the words of the person who wrote the file."""

from __future__ import annotations

import yaml

from agent_core.api.errors import ConfigProblem


def syntax_problem(file: str, error: yaml.MarkedYAMLError, text: str) -> ConfigProblem:
    """What ``error`` means for the author of ``text``, at its line and column."""
    mark = error.problem_mark or error.context_mark
    line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
    lines = text.splitlines() or [""]
    source = lines[min(line, len(lines)) - 1]
    before = source[: column - 1]
    what = (error.problem or "this cannot be read").removeprefix("found ")
    if "\t" in source[: len(source) - len(source.lstrip())] or source[column - 1 : column] == "\t":
        at = source.index("\t") + 1
        return ConfigProblem("there is a tab here", hint="indent YAML with spaces", file=file, line=line, column=at)
    if "another document" in what or "expected a single document" in (error.context or ""):
        return ConfigProblem(
            "the file contains a second document", hint="remove ---", file=file, line=line, column=column
        )
    hint = None
    if "mapping values are not allowed" in what:
        what, hint = "a second ':' on one line", "put the value in quotes, or start a new line"
    elif "could not find expected ':'" in what:
        what, hint = "a ':' is missing after the key", "write key: value"
    elif "cannot start any token" in what:
        sign = source[column - 1 : column]
        what, hint = f"a value cannot begin with {sign}", "put it in quotes"
    elif "unexpected end of stream" in what or "expected the node content" in what:
        hint = f"opened on line {error.context_mark.line + 1}" if error.context_mark else None
    elif "undefined alias" in what:
        # What stands there is not repeated: it may be a password.
        what = "this alias (*...) refers to nothing: no value is marked with &"
        hint = "put a text that begins with * in quotes"
    elif "did not find expected" in what or "expected <block end>" in what or "block end" in what:
        what = "the indentation is wrong here" if not before.strip() else "this is not allowed here"
        hint = f"it belongs to what begins on line {error.context_mark.line + 1}" if error.context_mark else None
    return ConfigProblem(what, hint=hint, file=file, line=line, column=column)
