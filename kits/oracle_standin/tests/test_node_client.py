"""node-oracledb in its Thin mode: a client that shares no code with the driver that the stand-in was built along.

``make drivers`` installs it and runs this; STANDIN_NODE_MODULES says where it is.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from oracle_standin.process import Standin

CLIENT = Path(__file__).with_name("node_client.js")
MODULES = os.environ.get("STANDIN_NODE_MODULES")
MOMENT = "2026-01-01T12:00:00.250Z"
_CLIENT_SECONDS = 120

pytestmark = pytest.mark.skipif(MODULES is None, reason="node-oracledb is installed by make drivers")


@pytest.mark.parametrize(("profile", "release"), [("19", "19."), ("23", "23.")])
def test_it_logs_in_inserts_an_array_with_batch_errors_and_reads_it_back(profile: str, release: str) -> None:
    with Standin(profile=profile) as db:
        client = subprocess.run(
            ["node", str(CLIENT), db.dsn, db.user, db.password],
            env=os.environ | {"NODE_PATH": str(MODULES)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_CLIENT_SECONDS,
        )
        assert client.returncode == 0, client.stderr
        seen = json.loads(client.stdout)
        assert db.failures() == []
    assert seen["server"].startswith(release)
    assert seen["thin"] is True
    assert seen["wrongPassword"] == "ORA-01017"
    assert seen["batchErrors"] == [[2, "ORA-00001"], [3, "ORA-01438"], [4, "ORA-01400"], [5, "ORA-12899"]]
    assert (seen["rowCounts"], seen["rowsAffected"], seen["noBatchErrors"]) == ([1, 1, 0, 0, 0, 0, 1], 3, True)
    assert (seen["before"], seen["after"]) == (0, 5)
    assert seen["rows"] == [["b", 2, None], ["e", 6, MOMENT], ["가나다", 1.5, MOMENT]]
    assert seen["columns"] == [["TAG", "VARCHAR2"], ["NUM", "NUMBER"], ["TS", "TIMESTAMP"]]
    assert (seen["duplicate"], seen["unknownTable"]) == ("ORA-00001", "ORA-00942")
    assert seen["callTimeout"] == "NJS-123"
    assert (seen["rolledBack"], seen["autoCommitted"], seen["pooled"]) == (5, 6, "SCOTT")
