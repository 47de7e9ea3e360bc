"""Driver: what of python-oracledb the whole plugin names."""

from __future__ import annotations

from typing import Final

import oracledb

DRIVER_ERRORS: Final = (oracledb.Error, OSError)
"""What the driver raises. It turns only resets and ends of file into its own errors, so OSError (with ssl.SSLError)
comes through as well."""
