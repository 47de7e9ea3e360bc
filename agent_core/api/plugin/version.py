"""The version of the plugin API."""

from typing import Final

from agent_core import __version__

API_VERSION: Final = ".".join(__version__.split(".")[:2])
"""The core's own major and minor version, such as ``0.2``; a patch release changes nothing that a plugin uses.

A plugin states in its metadata which versions it was built for (``tagferry>=0.2,<0.3``), and the core refuses one whose
requirement excludes it.
"""
