"""What an author of a plugin gets: the example of docs/simulation.md finds its race, and mended it has none."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from memory_buffer.buffer import MemoryBuffer
from memory_buffer.config import MemoryBufferConfig, WhenFull

from agent_core.api import ComponentContext, Sink
from agent_core.testing.plays import play_buffer, play_sink
from agent_core.testing.simulation.exploration import Found, RulesBroken, explore

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each interleaving runs in a forked process")

PAGE = Path(__file__).parents[2] / "docs" / "simulation.md"
RACE = """\
        names = [*self.names, *batch.names]
        self.names = names  # another thread may have written meanwhile
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The files of the page, where they can be imported."""
    for name, text in re.findall(r"\*\*`(\w+\.py)`\*\*\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("list_sink", "test_list_sink"):
        sys.modules.pop(name, None)


def test_the_example_finds_its_race_and_says_how_to_see_it_again(folder: Path) -> None:
    with pytest.raises(Found, match="are not there") as found:
        importlib.import_module("test_list_sink").test_three_threads_may_write_at_a_time()
    assert "---- the last points" in str(found.value)
    assert "list_sink.py:" in str(found.value)
    again = re.search(r"seeds=\[(\d+)\], trace=Path\('trace.txt'\)", str(found.value))
    assert again is not None
    trace = folder / "trace.txt"
    sink = importlib.import_module("list_sink").ListSink
    with pytest.raises(Found, match="are not there"):
        explore(partial(play_sink, sink, names_of), ["list_sink"], [int(again[1])], lines=True, trace=trace)
    assert re.search(r"list_sink\.py:\d+ write", trace.read_text())


def test_the_example_with_a_lock_has_no_race(folder: Path) -> None:
    file = folder / "list_sink.py"
    mended = file.read_text().replace(RACE, "        with self._lock:\n            self.names += batch.names\n")
    mended = mended.replace("list[str] = []", "list[str] = []\n        self._lock = threading.Lock()")
    file.write_text(mended.replace("from agent_core", "import threading\n\nfrom agent_core"))
    sink = importlib.import_module("list_sink").ListSink
    explore(partial(play_sink, sink, names_of), ["list_sink"], range(10), lines=True)


def names_of(sink: Sink) -> list[str]:
    names: list[str] = getattr(sink, "names")  # noqa: B009 - of a module that is not there before the test
    return names


def make_buffer() -> MemoryBuffer:
    return MemoryBuffer(MemoryBufferConfig(10, WhenFull.DROP_OLDEST, 1.0), ComponentContext("id", "line", Path(), "t"))


def test_a_buffer_loses_no_record_in_any_interleaving() -> None:
    explore(partial(play_buffer, make_buffer), ["memory_buffer"], range(10))


class Forgetful(MemoryBuffer):
    """Its ``settle`` and ``append`` have one idea of what is evicted too few."""

    def append(self, batch):  # type: ignore[no-untyped-def]
        super().append(batch)
        return batch.slice(0, 0)


def test_a_buffer_that_discards_silently_is_found() -> None:
    def make() -> MemoryBuffer:
        return Forgetful(MemoryBufferConfig(10, WhenFull.DROP_OLDEST, 1.0), ComponentContext("id", "line", Path(), "t"))

    with pytest.raises(Found, match="never came out"):
        explore(partial(play_buffer, make), ["memory_buffer"], range(20))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            "import threading\nLOCK = threading.Lock()\n",
            "LOCK is made while the module is imported; make it in __init__",
        ),
        ("from threading import Lock\n", "Lock comes from threading; write `import threading`"),
        ("from time import monotonic\n", "monotonic comes from time; write `import time`"),
    ],
)
def test_code_that_would_keep_real_locks_is_refused_with_what_to_change(source: str, said: str) -> None:
    module = ModuleType("breaks_a_rule")
    exec(source, vars(module))
    sys.modules["breaks_a_rule"] = module
    try:
        with pytest.raises(RulesBroken, match=f"breaks_a_rule: {said}"):
            explore(lambda: None, ["breaks_a_rule"], [0])
    finally:
        del sys.modules["breaks_a_rule"]
