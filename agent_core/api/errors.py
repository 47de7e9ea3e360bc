"""The exception tree, sorted by what the caller does.

::

    AgentError
     +-- ConfigError              the user fixes the YAML; exit code 2, no traceback
     +-- PluginError              a plugin cannot be loaded or used; names the distribution
     +-- LeaseError               a lease was settled or released twice: a defect in the caller
     +-- UnknownGroupError        the control surface was asked for a group that is not there
     +-- UnknownSinkError         the control surface was asked for a sink that is not there
     +-- UnknownBackupError       the control surface was asked for a backup file that is not there
     +-- BackupChangedError       a backup file was saved by somebody while it was read
     +-- ReplayRefused            backup files cannot be written back as it was asked for
     +-- SinkError                a sink could not write
     |    +-- RetryableError      the same records may succeed later; the core owns the clock
     |    +-- AuthenticationError credentials refused; one probe at a time, never a storm
     |    +-- ConfigurationError  the sink's table, column or option is wrong; records are good
     +-- DriverError              a device could not be read
          +-- AddressError        a tag's address or data type is wrong; the user fixes the tag list
          +-- DeviceUnreachable   the connection is gone; the engine backs off, then probes
          |    +-- ConnectionLost  the device closed it; the engine connects and repeats the request once
          |    +-- LoginRefused  the device refuses user, password or certificate
          |    +-- WrongAnswer     something else answered: another unit, another protocol
          +-- ReadRefused         the device answered, but not to this block; the engine splits it
               +-- DeviceBusy      not now, whatever the address; asked again at the next poll
               +-- UnclearRefusal  nobody knows why; like DeviceBusy the first time, like ReadRefused then
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final


class AgentError(Exception):
    """Anything the agent raises on purpose. The message says what, where and the next step."""


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing wrong with the configuration.

    ``path`` is the way to the value (``("sinks", 0, "config", "table")``). ``file``, ``line`` and ``column`` (from 1)
    are filled in by the core when a plugin leaves them None. ``hint`` is the nearest known name or the next step.
    ``warning`` marks advice that stops nothing.
    """

    message: str
    path: tuple[str | int, ...] = ()
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None
    warning: bool = False

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        dotted = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path).lstrip(".")
        text = ": ".join(part for part in (where, _short(dotted), _short(self.message)) if part)
        return f"{text} ({_short(self.hint)})" if self.hint else text


_LONGEST_SHOWN: Final = 500
"""Characters of one part of a problem: what a file says may be repeated in it, and may be megabytes long."""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


class ConfigError(AgentError):
    """The configuration is not usable; carries every problem found, not just the first."""

    def __init__(self, problems: Sequence[ConfigProblem] | str) -> None:
        self.problems: tuple[ConfigProblem, ...] = (
            (ConfigProblem(problems),) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginError(AgentError):
    """A plugin cannot be loaded, registered or used."""


class LeaseError(AgentError):
    """A lease was settled or released a second time."""


class UnknownGroupError(AgentError):
    """No polling group has this id."""


class UnknownSinkError(AgentError):
    """No sink has this id."""


class UnknownBackupError(AgentError):
    """No file of this name waits in the sink's fallback."""


class BackupChangedError(AgentError):
    """A backup file was changed while it was read, so what was read is not what it holds: begin at its first record."""


class ReplayRefused(AgentError):
    """The replay cannot begin as it was asked for; the message says what to ask for instead."""


class SinkError(AgentError):
    """A sink could not write a batch. ``code`` is the backend's own (``ORA-01653``), or None.

    ``next_step``: what a person can do about it, where that is known; alerts show it. The message has it too, at its
    end and in brackets: ``... (ask the DBA to unlock the account)``.
    """

    def __init__(self, message: str, *, code: str | None = None, next_step: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.next_step = next_step


class RetryableError(SinkError):
    """The same records may be accepted later.

    ``retry_after_seconds``: the backend's own wish, else the core's backoff. ``throttle``: the backend is full, not
    away: probe slowly (state ``throttled``). ``ambiguous``: the records may be durable although the call failed (a lost
    commit reply); if they are diverted, the reason says so.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_seconds: float | None = None,
        throttle: bool = False,
        ambiguous: bool = False,
        next_step: str | None = None,
    ) -> None:
        super().__init__(message, code=code, next_step=next_step)
        self.retry_after_seconds = retry_after_seconds
        self.throttle = throttle
        self.ambiguous = ambiguous


class AuthenticationError(SinkError):
    """The backend refused the credentials (state ``locked_out``): one log-in attempt per probe from here on."""


class ConfigurationError(SinkError):
    """The backend cannot take any record as configured (state ``misconfigured``); the records are good data."""


class DriverError(AgentError):
    """A device could not be read."""


class AddressError(DriverError):
    """A tag's address or data type means nothing to this driver."""


class DeviceUnreachable(DriverError):
    """The device does not answer: refused, timed out, connection lost. The driver has closed its connection."""


class ReadRefused(DriverError):
    """The device answered that it will not serve this block or item (illegal address, exception code)."""


class ConnectionLost(DeviceUnreachable):
    """The device closed the connection, or reset it, instead of answering. Not for a time-out.

    Many devices close a connection that was idle, or after each answer. So if the connection had answered before, the
    engine connects again and repeats the request once, within the same poll.
    """


class LoginRefused(DeviceUnreachable):
    """The device answers, and refuses the user, the password or the certificate."""


class WrongAnswer(DeviceUnreachable):
    """What came is not the answer to the request: another unit, function or length, or another protocol.

    The message says both, what came and what was asked for.
    """


class DeviceBusy(ReadRefused):
    """The device cannot serve the request now, whatever its address. It is made again, unchanged, at the next poll.

    Only a request that has been busy for as long as ``refused_retry`` is split, to find out whether one address is
    to blame after all.
    """


class UnclearRefusal(ReadRefused):
    """The device refuses the request, and it is not known whether for now or because of its address.

    The first time it counts as DeviceBusy, in the following poll as ReadRefused. For codes that can mean either, and
    for codes that the driver does not know.
    """
