"""The conformance kit: what plugin authors import to test a plugin as the core would use it."""

import sys

if "pytest" in sys.modules:  # a server that a test runs in a process of its own may use the kit without it
    import pytest

    # A failed assertion in a contract shows both sides, as one in the author's own tests does.
    pytest.register_assert_rewrite(
        "agent_core.testing.sinks",
        "agent_core.testing.backups",
        "agent_core.testing.buffers",
        "agent_core.testing.drivers",
        "agent_core.testing.rows",
    )
