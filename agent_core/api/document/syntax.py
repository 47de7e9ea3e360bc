"""The complaints of a YAML parser, in the words of the person who wrote the file."""

from __future__ import annotations

from typing import NamedTuple

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
    bracket = None
    if "did not find expected ',' or" in what or "expected ',' or" in what or "node content" in what:
        bracket = _innermost_open_bracket(text, line, column)
    if bracket is not None and _is_behind(bracket, lines, line, column):
        sign, at_line, at_column = bracket
        hint = f"noticed on line {line}" if line <= len(lines) and source.strip() else None
        message = f"the {sign} that opens here is not closed"
        return ConfigProblem(message, hint=hint, file=file, line=at_line, column=at_column)
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


class _Bracket(NamedTuple):
    sign: str
    line: int
    column: int


def _innermost_open_bracket(text: str, line: int, column: int) -> _Bracket | None:
    """The last ``[`` or ``{`` before the place that is still open there."""
    opened: list[_Bracket] = []
    try:
        for token in yaml.scan(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            mark = token.start_mark
            if (mark.line + 1, mark.column + 1) >= (line, column):
                break
            if isinstance(token, (yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken)):
                sign = "[" if isinstance(token, yaml.FlowSequenceStartToken) else "{"
                opened.append(_Bracket(sign, mark.line + 1, mark.column + 1))
            elif isinstance(token, (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken)) and opened:
                opened.pop()
    except yaml.YAMLError:
        pass  # the scanner may look further than the parser
    return opened[-1] if opened else None


def _is_behind(bracket: _Bracket, lines: list[str], line: int, column: int) -> bool:
    """Whether what stands at the place is nothing, or a line that is not inside the bracket to a human eye."""
    rest = [lines[line - 1][column - 1 :], *lines[line:]] if line <= len(lines) else []
    if not any(one.strip() for one in rest):
        return True
    return line > bracket.line and _indent(lines[line - 1]) <= _indent(lines[bracket.line - 1])


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())
