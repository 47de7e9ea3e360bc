"""What is mutated, and what is not."""

from __future__ import annotations

import ast

import pytest
from mutation.critical import groups
from mutation.mutants import mutants_of


@pytest.mark.parametrize(
    ("line", "mutated"),
    [
        ("if a < b: f()", ["if a <= b: f()", "if not (a < b): f()", "if a < b: pass"]),
        ("return a and b", ["return None", "return a or b", "return True and b", "return a and True"]),
        ("a = b or not c", ["a = b and not c", "a = b or c", "a = False or not c", "a = b or False"]),
        ("a.b = c is not None", ["pass", "a.b = c is None"]),
        ("a += 1", ["pass", "a -= 1", "a += 2"]),
        ("x = (a\n - b)  # why", ["x = (a + b)"]),
        ("x = (a +  # why\n b)", []),
        ("x = [a for a in b if a]", ["x = [a for a in b if not (a)]"]),
        ("x = min(2.5, True, 'é', b'1')", [
            "x = max(2.5, True, 'é', b'1')", "x = min(6.0, True, 'é', b'1')", "x = min(2.5, False, 'é', b'1')",
            "x = min(2.5, True, 'XXé', b'1')", "x = min(2.5, True, 'é', b'XX1')",
        ]),
        ("for a in b: continue", ["for a in b: break"]),
        ("try: f()\n except E: g()", ["try: pass", "except E: raise", "except E: pass"]),
        ("raise TagError('two words', 3)", ["pass", "raise TagError('two words', 4)"]),
        ("x: int = 1", ["x: int = 2"]),
        ("x = cast('int', y)", []),
        ("x = f'{1 + a}'", []),
        ("x = 'a text for people'", []),
        ("assert a < b", []),
        ("self._log.warning('row refused', every=1)", []),
        ("'''text'''", []),
    ],
)  # fmt: skip
def test_a_line_has_these_mutants(line: str, mutated: list[str]) -> None:
    text = "@decorated(1)\ndef function(a: 'int') -> 'str':\n " + line + "\n"
    found = mutants_of("a.py", text)
    assert sorted(mutant.after for mutant in found) == sorted(mutated)
    assert all(mutant.outermost == ("function", 1) and mutant.function == "function" for mutant in found)
    for mutant in found:
        ast.parse(mutant.source(text))


def test_what_runs_at_import_is_outside_of_any_function() -> None:
    found = mutants_of("a.py", "LIMIT = 3\nclass A:\n    x = 4\n    def f(self, y=5):\n        def g(z=6): return z\n")
    assert [(mutant.function, mutant.before, mutant.outermost) for mutant in found] == [
        ("module", "LIMIT = 3", None),
        ("A", "x = 4", None),
        ("A", "def f(self, y=5):", None),
        ("A.f", "def g(z=6): return z", ("A.f", 4)),
        ("A.f.g", "def g(z=6): return z", ("A.f", 4)),
    ]


def test_every_critical_file_is_there_and_each_judged_survivor_has_a_reason() -> None:
    for group in groups():
        assert group.files, group.name
        assert all(why for entries in group.judged.values() for why in entries.values()), group.name
