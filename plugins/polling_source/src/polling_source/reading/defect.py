"""DriverFailed: a driver did what no driver may. Drivers come from third parties, so it is a matter of time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import format_exception_only
from typing import Self

from agent_core.api import DeviceUnreachable, Driver, ReadRefused


class DriverFailed(DeviceUnreachable):
    """The cause is what the driver raised. Its connection was closed, since nobody knows what is left in it."""

    @classmethod
    def after(cls, defect: BaseException, driver: Driver) -> Self:
        """Closes the connection."""
        failed = cls(format_exception_only(defect)[0].strip())
        failed.__cause__ = defect
        try:
            driver.close()
        except BaseException as second:
            defect.add_note(f"close raised {type(second).__name__}, too")
        return failed


@contextmanager
def guarded(driver: Driver) -> Iterator[None]:
    """Around calls that connect or read: whatever a driver must not raise there becomes DriverFailed."""
    try:
        yield
    except (DeviceUnreachable, ReadRefused):
        raise
    except Exception as defect:
        raise DriverFailed.after(defect, driver) from defect
