"""Connection: python-snap7's ISO-on-TCP connection, with one bound on the whole of what is waited for.

The library's own ``Client`` connects with a time-out of five seconds that cannot be changed, and lets each piece of an
answer take a time-out of its own; the layers below it have what is needed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final, NoReturn

from snap7.connection import ISOTCPConnection
from snap7.datatypes import S7Area, S7WordLen
from snap7.error import (
    S7ConnectionError,
    S7Error,
    S7PacketLostError,
    S7ProtocolError,
    S7StalePacketError,
    S7TimeoutError,
)
from snap7.s7protocol import S7Function, S7Protocol, S7UserDataGroup, S7UserDataSubfunction, get_return_code_description

from agent_core.api import (
    ConnectionLost,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    Log,
    ReadRefused,
    UnclearRefusal,
    WrongAnswer,
    recognise_stranger,
)
from s7_driver.config import S7DriverConfig

LOCAL_TSAP: Final = 0x0100
SMALLEST_PDU: Final = 240
READ_OVERHEAD: Final = 18
"""Bytes of a PDU that are not data in the answer to a read: header 12, parameters 2, item header 4."""

_FUNCTION_AT: Final = 10
"""Where a request names its function: behind the header."""

SUCCESS: Final = 0xFF
NO_SERVICE: Final = (0x8100, 0x8104)
"""The CPU does not serve this request, whatever the address."""

BUSY: Final = (0x8001, 0x8301, 0x8302, 0x8304, 0x8402, 0x8503)
"""Header errors: no resources, or not in this state. The same request is to be made again later."""

WRONG_REQUEST: Final = (0x8204, 0x8305, 0x8500, 0x8701, 0x8702, 0x8703, 0x8704)
WRONG_ITEM: Final = (0x03, 0x05, 0x06, 0x07, 0x0A)
"""Header errors, and return codes of an item, with which the PLC will never serve this request."""

PUT_GET_HINT: Final = "; PUT/GET must be permitted in the CPU's protection settings"
HINTS: Final = {
    0x03: "; is the PLC's protection level too high?",
    0x05: "; does the block reach that far?",
    0x0A: "; is there such a block, and is its optimized block access switched off?",
}


class ClosedByDevice(S7ConnectionError):
    """The other side ended the connection."""


class BoundedConnection(ISOTCPConnection):
    """Receives until a deadline instead of so long for each piece."""

    deadline = 0.0
    begun = b""
    """How the last answer begins."""

    def send_data(self, data: bytes) -> None:
        self.begun = b""
        super().send_data(data)

    def _recv_exact(self, size: int) -> bytes:
        connection = self.socket
        if connection is None:
            raise S7ConnectionError("not connected")
        received = b""
        while len(received) < size:
            seconds = self.deadline - time.monotonic()
            if seconds <= 0:
                raise S7TimeoutError("no whole answer in time")
            connection.settimeout(seconds)
            try:
                piece = connection.recv(size - len(received))
            except TimeoutError as error:
                raise S7TimeoutError("no whole answer in time") from error
            except OSError as error:
                raise ClosedByDevice(f"the connection was lost: {error}") from error
            if not piece:
                raise ClosedByDevice("the connection was closed by the device")
            received += piece
            self.begun = self.begun or received
        return received


class Connection:
    """One connection to one CPU. Closed at first; every failure that is not a refusal closes it.

    Methods but ``close`` raise DeviceUnreachable.
    """

    def __init__(self, config: S7DriverConfig, log: Log) -> None:
        self._config = config
        self._log = log
        self._link: BoundedConnection | None = None
        self._protocol = S7Protocol()
        self.pdu_size = config.pdu_size
        """What the PLC agreed to."""

    def open(self) -> None:
        """Connect and agree on a PDU size, within the time-out, if not connected. Raises ConnectionLost when the device
        has closed the connection that is there.
        """
        if self._link is not None:
            if not self._link.check_connection():
                self._lose("the connection was closed by the device")
            return
        silence_snap7()
        host, port = self._config.endpoint
        link = BoundedConnection(host, port, LOCAL_TSAP, self._config.remote_tsap)
        link.deadline = time.monotonic() + self._config.timeout
        self._link, self._protocol = link, S7Protocol()
        try:
            link.connect(self._config.timeout)
            request = self._protocol.build_setup_communication_request(1, 1, self._config.pdu_size)
            parameters = self._exchange(link, request)["parameters"]
            if not isinstance(parameters, dict) or parameters.get("function_code") != S7Function.SETUP_COMMUNICATION:
                raise S7ProtocolError("it did not answer to the setup of the communication")
        except (S7Error, OSError) as error:
            who = recognise_stranger(link.begun)
            self.close()
            if who is not None:
                raise WrongAnswer(f"cannot connect to {self._where}: {who} answered, not a PLC") from error
            raise DeviceUnreachable(f"cannot connect to {self._where}: {error}") from error
        agreed = parameters.get("pdu_length")
        self.pdu_size = min(agreed, self._config.pdu_size) if isinstance(agreed, int) else SMALLEST_PDU
        if self.pdu_size <= READ_OVERHEAD:
            self.close()
            raise DeviceUnreachable(f"{self._where} wants a PDU of {self.pdu_size} bytes, too small to read anything")
        address = self._config.address
        self._log.debug("device connected", address=address, pdu_size=self.pdu_size, every=address)

    def close(self) -> None:
        """Drop the connection. Safe twice."""
        link, self._link = self._link, None
        if link is not None:
            link.disconnect()

    def read(self, area: S7Area, db_number: int, start: int, size_bytes: int, where: str) -> bytes:
        """Read bytes on an open connection, in as many requests as the PDU size asks for. Raises ReadRefused."""
        link = self._begin()
        most = self.pdu_size - READ_OVERHEAD
        pieces: list[bytes] = []
        for first in range(0, size_bytes, most):
            count = min(most, size_bytes - first)
            request = self._protocol.build_read_request(area, db_number, start + first, S7WordLen.BYTE, count)
            data = self._ask(link, request, lambda kind, reason: kind(f"{where}: {reason}"))
            if len(data) != count:
                self._fail_wrong(f"{len(data)} bytes came where {count} belong")
            pieces.append(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write_bit(self, area: S7Area, db_number: int, bit_number: int, value: bool, where: str) -> None:
        """Write one bit, counted through the area, on an open connection. Raises DriverError when it is refused."""
        link = self._begin()
        data = b"\x01" if value else b"\x00"
        request = self._protocol.build_write_request(area, db_number, bit_number, S7WordLen.BIT, data)
        self._ask(link, request, lambda _, reason: DriverError(f"{where}: {reason}"))

    def read_clock(self) -> datetime | None:
        """What the PLC's clock shows, without a time zone; None when it has none or does not tell (S7-1200, -1500)."""
        link = self._begin()
        try:
            answer = self._exchange(link, self._protocol.build_get_clock_request())
            group, function = S7UserDataGroup.TIME, S7UserDataSubfunction.GET_CLOCK
            self._protocol.check_userdata_response(answer, group, function)
            return self._protocol.parse_get_clock_response(answer)
        except (S7StalePacketError, S7PacketLostError) as error:
            self._fail_wrong(str(error), error)
        except (S7ProtocolError, ValueError):
            return None
        except (S7Error, OSError) as error:
            self._fail(error)

    def _begin(self) -> BoundedConnection:
        link = self._link
        if link is None:
            raise DeviceUnreachable(f"{self._where}: not connected")
        link.deadline = time.monotonic() + self._config.timeout
        return link

    def _ask(
        self, link: BoundedConnection, request: bytes, refused: Callable[[type[ReadRefused], str], DriverError]
    ) -> bytes:
        """The data of the one item of the answer. Raises what ``refused`` makes when the PLC refuses it."""
        try:
            answer = self._exchange(link, request)
        except S7ProtocolError as error:
            if error.error_code is None:
                self._fail_wrong(str(error), error)
            if error.error_code in NO_SERVICE:
                self.close()
                raise DeviceUnreachable(f"{self._where}: {error}{PUT_GET_HINT}") from error
            raise refused(_kind(error.error_code, WRONG_REQUEST, BUSY), str(error)) from error
        except (S7Error, OSError) as error:
            self._fail(error)
        function = answer["parameters"].get("function_code") if isinstance(answer["parameters"], dict) else None
        if function != request[_FUNCTION_AT]:
            self._fail_wrong(f"it answered with function {function}, asked was {request[_FUNCTION_AT]}")
        item = answer["data"]
        code = item.get("return_code") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(code, int):
            self._fail_wrong("the answer holds no item")
        if code != SUCCESS:
            reason = f"return code {code:02X} ({get_return_code_description(code)}{HINTS.get(code, '')})"
            raise refused(_kind(code, WRONG_ITEM), reason)
        return bytes(item.get("data", b""))

    def _fail(self, error: S7Error | OSError) -> NoReturn:
        """Close, and raise what the failure of a request means."""
        if isinstance(error, ClosedByDevice | ConnectionError):
            self._lose(str(error), error)
        if isinstance(error, S7Error) and not isinstance(error, S7TimeoutError):
            self._fail_wrong(str(error), error)
        self.close()
        raise DeviceUnreachable(f"{self._where}: {error}") from error

    def _fail_wrong(self, reason: str, cause: Exception | None = None) -> NoReturn:
        who = recognise_stranger(self._link.begun) if self._link is not None else None
        self.close()
        raise WrongAnswer(f"{self._where}: {reason if who is None else f'{who} answered, not a PLC'}") from cause

    def _lose(self, reason: str, cause: Exception | None = None) -> NoReturn:
        self.close()
        raise ConnectionLost(f"{self._where}: {reason}") from cause

    def _exchange(self, link: BoundedConnection, request: bytes) -> dict[str, object]:
        """One request and the answer that carries its number."""
        link.send_data(request)
        answer = self._protocol.parse_response(link.receive_data())
        self._protocol.validate_pdu_reference(answer["sequence"])
        return answer

    @property
    def _where(self) -> str:
        return self._config.address


def _kind(code: int, wrong: Collection[int], busy: Collection[int] = ()) -> type[ReadRefused]:
    """What a refusal with this code is: for ever, for now, or nobody knows."""
    if code in busy:
        return DeviceBusy
    return ReadRefused if code in wrong else UnclearRefusal


def silence_snap7() -> None:
    """Keep python-snap7 from logging what reaches the engine as exceptions, unless somebody has set a level."""
    logger = logging.getLogger("snap7")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
