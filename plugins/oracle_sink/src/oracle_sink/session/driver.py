"""Driver: what the whole plugin uses of python-oracledb."""

from __future__ import annotations

from typing import Final

import oracledb

DRIVER_ERRORS: Final = (oracledb.Error, OSError)
"""What the driver raises. It turns only resets and ends of file into its own errors, so OSError (and ssl.SSLError)
must be expected too."""
