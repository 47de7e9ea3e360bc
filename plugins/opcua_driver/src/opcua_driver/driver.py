"""OpcuaDriver: one OPC UA server, read item by item in requests as large as it takes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NoReturn

from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from asyncua.ua.uaprotocol_auto import ReadValueId
from asyncua.ua.uatypes import DataValue

from agent_core.api import (
    AddressError,
    ComponentContext,
    ConnectionLost,
    DataType,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    ItemReading,
    LoginRefused,
    ReadRefused,
    TagSpec,
    UnclearRefusal,
    WrongAnswer,
)
from opcua_driver.address import parse_address
from opcua_driver.config import OpcuaDriverConfig
from opcua_driver.loop_thread import LoopThread
from opcua_driver.meter import WrongMessage
from opcua_driver.session import CLOSE_SECONDS, Session, read_value, silence_asyncua
from opcua_driver.value import NO_NAMESPACE, to_readings

SESSION_GONE: Final = frozenset(
    (
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSessionNotActivated,
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadSecureChannelTokenUnknown,
    )
)
"""The server has forgotten us, and would know a new session."""

TOO_LARGE: Final = frozenset(
    (
        StatusCodes.BadTooManyOperations,
        StatusCodes.BadResponseTooLarge,
        StatusCodes.BadRequestTooLarge,
        StatusCodes.BadEncodingLimitsExceeded,
        StatusCodes.BadEncodingError,
        StatusCodes.BadDecodingError,
    )
)
"""About this request: a smaller one, or one without a certain item, may be served."""

BUSY: Final = frozenset(
    (
        StatusCodes.BadServerTooBusy,
        StatusCodes.BadTcpServerTooBusy,
        StatusCodes.BadOutOfMemory,
        StatusCodes.BadResourceUnavailable,
        StatusCodes.BadTcpNotEnoughResources,
    )
)
"""The server has no resources for it now. The same request is to be made again later."""

UNCLEAR: Final = frozenset((StatusCodes.BadInternalError, StatusCodes.BadUnexpectedError))

LOGIN_REFUSED: Final = frozenset(
    (
        StatusCodes.BadUserAccessDenied,
        StatusCodes.BadIdentityTokenRejected,
        StatusCodes.BadIdentityTokenInvalid,
        StatusCodes.BadSecurityChecksFailed,
        StatusCodes.BadCertificateUntrusted,
    )
)

HINTS: Final = {
    StatusCodes.BadUserAccessDenied: "; check user and password",
    StatusCodes.BadIdentityTokenRejected: "; check user and password, or whether anonymous users are allowed",
    StatusCodes.BadIdentityTokenInvalid: "; check user and password",
    StatusCodes.BadSecurityChecksFailed: "; the server must trust our certificate",
    StatusCodes.BadCertificateUntrusted: "; the server must trust our certificate",
    StatusCodes.BadTooManySessions: "; the server has no session left",
}

Failure = (OSError, TimeoutError, UaError, ValueError)


class OpcuaDriver:
    """An ItemDriver, BitWriter and ClockReader over one session.

    The session's event loop runs in a thread of its own, from ``connect`` to ``close``.
    """

    def __init__(self, config: OpcuaDriverConfig, context: ComponentContext) -> None:
        self._config = config
        self._log = context.log
        self._name = f"{context.agent_name} {context.component_id}"
        self._thread: LoopThread | None = None
        self._session: Session | None = None
        self._items: dict[str, ReadValueId | None] = {}
        self._elements: dict[str, int] = {}

    @property
    def max_items(self) -> int:
        allowed = self._session.max_nodes_per_read if self._session is not None else 0
        return min(self._config.max_items, allowed) if allowed > 0 else self._config.max_items

    def check(self, tag: TagSpec) -> None:
        parse_address(tag.address)

    def connect(self) -> None:
        if self._session is not None:
            if not self._session.is_alive:
                self._lose("the connection was closed by the server")
            return
        self._open(self._config.timeout)

    def close(self) -> None:
        thread, session = self._thread, self._session
        self._thread = self._session = None
        self._items.clear()
        if thread is None:
            return
        if session is not None:
            try:
                thread.call(session.close(), 2 * CLOSE_SECONDS)
            except TimeoutError:
                self._log.debug("session not closed in time", address=self._config.address, every=self._config.address)
        thread.stop()

    def read_items(self, tags: Sequence[TagSpec]) -> Sequence[ItemReading]:
        if not tags:
            return []
        deadline = time.monotonic() + self._config.timeout
        self.connect()
        try:
            answers = self._read(tags, deadline)
        except Failure as error:
            if not isinstance(error, UaStatusCodeError) or error.code not in SESSION_GONE:
                self._fail(error)
            # A session that ran out is no fault of the device: a new one serves the same read.
            address = self._config.address
            self._log.info("session renewed", address=address, reason=_describe(error), every=address)
            self._abandon()
            self._open(deadline - time.monotonic())
            try:
                answers = self._read(tags, deadline)
            except Failure as second:
                self._fail(second)
        return self._readings(tags, answers)

    def check_write(self, tag: TagSpec) -> None:
        if tag.data_type is not DataType.BOOL:
            raise AddressError(f"{tag.address!r} cannot be written: only Booleans are")
        parse_address(tag.address)

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        self.check_write(tag)
        self.connect()
        item = self._item(tag)
        if item is None:
            raise DriverError(f"{tag.address}: the server has no such namespace")
        thread, session = self._connected()
        try:
            thread.call(session.write_boolean(item, value), self._config.timeout)
        except UaStatusCodeError as error:
            if error.code in SESSION_GONE:
                self._fail(error)
            raise DriverError(f"{tag.address}: {_describe(error)}") from error
        except Failure as error:
            self._fail(error)

    def read_clock(self) -> datetime | None:
        """The server's current time, in UTC."""
        self.connect()
        thread, session = self._connected()
        try:
            return thread.call(session.read_clock(), self._config.timeout)
        except Failure as error:
            self._fail(error)

    def _open(self, seconds: float) -> None:
        silence_asyncua()
        self._thread = LoopThread(f"opcua {self._name}")
        try:
            self._session = self._thread.call(_open_session(self._config, self._name), max(seconds, 0.0))
        except Exception as error:  # keys and certificates that do not fit fail in many ways
            self._abandon()
            if isinstance(error, WrongMessage):
                raise WrongAnswer(f"cannot connect to {self._config.address}: {error}") from error
            if isinstance(error, UaStatusCodeError) and error.code in LOGIN_REFUSED:
                raise LoginRefused(f"{self._config.address} refuses the log-in: {_describe(error)}") from error
            reason = f"no answer within {self._config.timeout:g} s" if _is_timeout(error) else _describe(error)
            raise DeviceUnreachable(f"cannot connect to {self._config.address}: {reason}") from error
        address = self._config.address
        self._log.debug("device connected", address=address, max_items=self.max_items, every=address)

    def _read(self, tags: Sequence[TagSpec], deadline: float) -> list[DataValue]:
        """The answers for the tags whose namespace the server has."""
        thread, session = self._connected()
        items = [item for tag in tags if (item := self._item(tag)) is not None]
        if not items:
            return []
        try:
            answers = thread.call(session.read(items), max(deadline - time.monotonic(), 0.0))
        except Failure:
            raise
        except Exception as error:  # what asyncua raises on an answer that it cannot decode may be anything
            raise UaError(f"the answer cannot be decoded: {type(error).__name__}: {error}") from error
        if len(answers) != len(items):
            raise UaError(f"{len(answers)} values came where {len(items)} belong")
        return answers

    def _readings(self, tags: Sequence[TagSpec], answers: Sequence[DataValue]) -> list[ItemReading]:
        asked = [tag.address for tag in tags if self._items[tag.address] is not None]
        readings = to_readings(answers, [self._elements.get(address) for address in asked])
        if len(asked) == len(tags):
            return readings
        served = iter(readings)
        return [NO_NAMESPACE if self._items[tag.address] is None else next(served) for tag in tags]

    def _item(self, tag: TagSpec) -> ReadValueId | None:
        """What to ask for; None when the server has no such namespace. Kept as long as the session."""
        try:
            return self._items[tag.address]
        except KeyError:
            pass
        address = parse_address(tag.address)
        namespace = address.namespace
        if isinstance(namespace, str):
            _, session = self._connected()
            found = session.namespaces.get(namespace)
        else:
            found = namespace
        item = None if found is None else read_value(found, address.identifier, address.element)
        self._items[tag.address] = item
        if address.element is not None:
            self._elements[tag.address] = address.element
        return item

    def _connected(self) -> tuple[LoopThread, Session]:
        assert self._thread is not None
        assert self._session is not None
        return self._thread, self._session

    def _fail(self, error: Exception) -> NoReturn:
        """Raise what the failure of a read means. Closes unless the request alone was refused."""
        if isinstance(error, UaStatusCodeError):
            refused = f"{self._config.address}: {_describe(error)}"
            for codes, refusal in ((TOO_LARGE, ReadRefused), (BUSY, DeviceBusy), (UNCLEAR, UnclearRefusal)):
                if error.code in codes:
                    raise refusal(refused) from error
        who = None if self._session is None else self._session.stranger
        if isinstance(error, ConnectionError) and who is None:
            self._lose(_describe(error), error)
        self._abandon()
        if who is not None or isinstance(error, WrongMessage):
            raise WrongAnswer(f"{self._config.address}: {_no_server(who) if who else error}") from error
        reason = f"no answer within {self._config.timeout:g} s" if _is_timeout(error) else _describe(error)
        raise DeviceUnreachable(f"{self._config.address}: {reason}") from error

    def _lose(self, reason: str, cause: Exception | None = None) -> NoReturn:
        self._abandon()
        raise ConnectionLost(f"{self._config.address}: {reason}") from cause

    def _abandon(self) -> None:
        """Close without a word to a server that may not listen."""
        session, self._session = self._session, None
        if session is not None and self._thread is not None:
            with contextlib.suppress(TimeoutError):
                self._thread.call(_abandon(session), CLOSE_SECONDS)
        self.close()


async def _open_session(config: OpcuaDriverConfig, name: str) -> Session:
    session = Session(config, name)
    try:
        await session.open()
    except BaseException as error:
        session.abandon()
        if session.stranger is not None:
            raise WrongMessage(_no_server(session.stranger)) from error
        raise
    return session


async def _abandon(session: Session) -> None:
    session.abandon()


def _no_server(who: str) -> str:
    return f"{who} answered, not an OPC UA server"


def _is_timeout(error: Exception) -> bool:
    return isinstance(error, TimeoutError)


def _describe(error: Exception) -> str:
    if isinstance(error, UaStatusCodeError):
        return f"{type(error).__name__}{HINTS.get(error.code, '')}"
    return str(error) or type(error).__name__
