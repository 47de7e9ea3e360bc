"""Connections for the tests."""

from __future__ import annotations

from typing import Any

import oracledb
import pytest
from oracle_standin.process import Standin


def connect(db: Standin, **options: Any) -> oracledb.Connection:
    """A connection as the stand-in's first user; connecting is bounded."""
    return oracledb.connect(user=db.user, password=db.password, dsn=db.dsn, tcp_connect_timeout=60, **options)


def error_code(caught: pytest.ExceptionInfo[oracledb.Error]) -> str:
    """``ORA-nnnnn`` or ``DPY-nnnn``."""
    return str(caught.value.args[0].full_code)
