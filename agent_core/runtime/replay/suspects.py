"""Suspects: backup files that did not go in, although it may not have been the sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence


class Suspects:
    """Decides whether a failed file lets others pass: oldest first, unless this one cannot go in.

    A RetryableError leaves it unclear: it may have been the sink, or records that it refuses for a reason that nobody
    can pin on one of them. After ``strikes`` of these the file lets others pass; if the next one fails as well, it is
    the sink. Any other failure is the file's own. Not thread-safe.
    """

    def __init__(self, strikes: int) -> None:
        self._strikes_allowed = strikes
        self._strikes: Counter[str] = Counter()
        self._passed_over: list[str] = []
        """The longest ago first."""
        self._written = False
        """Whether a write returned since a file was passed over."""

    def add(self, file: str, *, unclear: bool) -> bool:
        """``file`` failed: True when others may pass, False while it seems to be the sink."""
        if unclear:
            if self._passed_over and not self._written:
                self._passed_over.clear()
                self._strikes.clear()
                return False
            self._strikes[file] += 1
            if self._strikes[file] % self._strikes_allowed:
                return False
        if file in self._passed_over:
            self._passed_over.remove(file)
        self._passed_over.append(file)
        self._written = False
        return True

    def order(self, files: Sequence[str]) -> list[int]:
        """The indices of the files in the order of their turns: those that are passed over last, the longest first."""
        waited = {file: turn for turn, file in enumerate(self._passed_over, 1)}
        return sorted(range(len(files)), key=lambda index: waited.get(files[index], 0))

    def written(self) -> None:
        """A write returned: the sink takes records."""
        self._written = True

    def keep_only(self, files: Collection[str]) -> None:
        """Forget all files but these."""
        self._passed_over = [file for file in self._passed_over if file in files]
        self._strikes = Counter({file: count for file, count in self._strikes.items() if file in files})
