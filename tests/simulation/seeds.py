"""Seeds whose histories have failed once. They run each time, besides those that are asked for."""

from __future__ import annotations

from typing import Final

ONCE_FAILED: Final = (68,)
"""Add the seed that ``make simulate`` prints. It may lead elsewhere when the code has changed; then it still costs
nothing."""
