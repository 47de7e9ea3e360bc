"""The hypothesis profile of every test of the agent and of its plugins: an example may take as long as it takes.

Wherever tagferry is installed, pytest loads this module by its entry point, before any conftest. It only widens what
is the default by then, and a profile that a conftest or ``--hypothesis-profile`` loads takes its place.
"""

from __future__ import annotations

import contextlib

# Who has installed pytest, but not the extra "testing", has no property tests either.
with contextlib.suppress(ImportError):
    from hypothesis import HealthCheck, settings

    # On a busy machine, the time of an example or of making it says nothing about the code under test.
    settings.register_profile("tagferry", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("tagferry")
