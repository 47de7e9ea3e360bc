"""The conformance kit: what plugin authors import to test a plugin as the core would use it."""

import sys

if "pytest" in sys.modules:  # a server process that a test starts may use the kit without pytest
    import pytest

    # A failed assertion in a contract shows both sides, as in the author's own tests.
    pytest.register_assert_rewrite(
        "agent_core.testing.sinks",
        "agent_core.testing.backups",
        "agent_core.testing.buffers",
        "agent_core.testing.drivers",
        "agent_core.testing.records",
    )
