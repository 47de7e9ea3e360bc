"""Driver: what the whole plugin uses of python-oracledb."""

from __future__ import annotations

from typing import Final

import oracledb

DRIVER_ERRORS: Final = (oracledb.Error, OSError)
"""What the driver raises. It turns only resets and ends of file into its own errors, so OSError (and ssl.SSLError)
must be expected too."""


def limit_calls(connection: oracledb.Connection, milliseconds: int) -> None:
    """Set the connection's call time-out; 0 for none.

    Without effect on a connection that the driver has closed: there, to set it ends the process with a segmentation
    fault (seen with python-oracledb 26.1, Thin).
    """
    if connection.is_healthy():
        connection.call_timeout = milliseconds
