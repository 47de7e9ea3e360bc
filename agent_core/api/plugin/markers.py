"""The two pluggy markers, and the entry-point group through which plugins are found."""

from typing import Final

import pluggy

PROJECT: Final = "agent_core"
"""pluggy project name and entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
