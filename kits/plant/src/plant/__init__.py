"""A plant to poll: real Modbus servers in their own processes, whose every answer can be checked afterwards.

The values follow from two numbers, the tag and the scan::

    value(tag, scan)            catalogue.PlantTag.value

A *scan* of a group begins with each answered read that starts at the group's first register; the group's registers
change at that moment and at no other. Each request is one line of a log: which group, which scan, which registers,
and whether it was served. So a test can say of each row in a table whether the server really served it, and of each
served value whether it is in the table, once (``request_log.RequestLog.compare``).

``process.ModbusPlant`` is what a test uses; ``python -m plant.servers.modbus_server`` and
``python -m plant.servers.catalogue`` are what a person uses.
"""

import sys

if "pytest" in sys.modules:  # a server that a test runs in a process of its own needs no pytest
    import pytest

    pytest.register_assert_rewrite("plant.driver_faults")
