"""An OPC UA server: asyncua's, ``python -m plant.servers.opcua_server --port 4840 --tags 100``.

Its namespace ``urn:plant`` holds variables with string identifiers: ``T00000`` ... (floats, 20 + number / 10) and one
of each kind named in ``VARIABLES``. Anybody may read, and write ``Trigger``; ``operator`` may log in with ``s3cret``.
Orders, beside those of ``TcpGate``::

    set NAME TYPE VALUE       write a variable (TYPE: a VariantType such as Float), with the time of now
    status NAME CODE          give it this status code (hexadecimal); while that is bad, clients get no value
    time NAME HUNDREDS        give it this source timestamp in units of 100 ns since 1601; ``none`` for none
    expire                    forget every session
    fault CODE                answer every read with this service fault (hexadecimal); 0 ends it
"""

# asyncua's annotations want types of its own where it takes plain ones, and do not export what its documentation uses.
# mypy: disable-error-code="arg-type, attr-defined"

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession, SessionState

from plant.servers.gated_server import serve_behind_a_gate, server_arguments

URI = "urn:plant"
PADDING_URI = "urn:something:else"
"""Registered first, so that ``URI`` does not get the index that clients like to guess."""

USER, PASSWORD = "operator", "s3cret"
EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)

VARIABLES: dict[str, tuple[object, ua.VariantType]] = {
    "Boolean": (True, ua.VariantType.Boolean),
    "SByte": (-5, ua.VariantType.SByte),
    "Byte": (200, ua.VariantType.Byte),
    "Int16": (-300, ua.VariantType.Int16),
    "UInt16": (60000, ua.VariantType.UInt16),
    "Int32": (-70000, ua.VariantType.Int32),
    "UInt32": (4000000000, ua.VariantType.UInt32),
    "Int64": (-5000000000, ua.VariantType.Int64),
    "UInt64": (18000000000000000000, ua.VariantType.UInt64),
    "Float": (0.1, ua.VariantType.Float),
    "Double": (0.1, ua.VariantType.Double),
    "String": ("설비 1", ua.VariantType.String),
    "EmptyString": (None, ua.VariantType.String),
    "DateTime": (NOON, ua.VariantType.DateTime),
    "ByteString": (b"\x01\xab", ua.VariantType.ByteString),
    "LocalizedText": (ua.LocalizedText("Läuft", "de"), ua.VariantType.LocalizedText),
    "QualifiedName": (ua.QualifiedName("Pump", 1), ua.VariantType.QualifiedName),
    "NodeId": (ua.NodeId("Pump", 2), ua.VariantType.NodeId),
    "Array": ([1.5, 0.1, 3.5], ua.VariantType.Float),
    "Trigger": (False, ua.VariantType.Boolean),
    "Line;1.Speed[2]": (7, ua.VariantType.Int16),
}


class Sessions(InternalServer):
    """asyncua's server with sessions that expire, limits that hold, and faults."""

    def __init__(self, max_nodes_per_read: int) -> None:
        super().__init__(user_manager=Users())
        self.min_session_timeout_ms = 100
        self.max_nodes_per_read = max_nodes_per_read
        self.fault = 0
        self.expired: set[ua.NodeId] = set()

    def create_session(self, name: str, user: User | None = None, external: bool = False) -> InternalSession:
        user = user or User(role=UserRole.Anonymous)
        return Session(self, self.aspace, self.subscription_service, name, user=user, external=external)

    def expire(self) -> None:
        self.expired |= set(self._external_sessions)


class Session(InternalSession):
    """A session of ``Sessions``."""

    async def read(self, params: ua.ReadParameters) -> list[ua.DataValue]:
        server = self.iserver
        assert isinstance(server, Sessions)
        if self.external and (self.auth_token in server.expired or self.state is not SessionState.Activated):
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if self.external and server.fault:
            raise ServiceError(server.fault)
        if self.external and 0 < server.max_nodes_per_read < len(params.NodesToRead):
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        answers = await super().read(params)
        return [_cut(answer, item.IndexRange) for answer, item in zip(answers, params.NodesToRead, strict=True)]


class Users:
    """Who may log in: anybody without a name, and one operator."""

    def get_user(
        self,
        iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,
    ) -> User | None:
        if username is None:
            return User(role=UserRole.User)
        return User(role=UserRole.User) if (username, password) == (USER, PASSWORD) else None


class Plant:
    """The server with its variables. Lives in one event loop."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._arguments = arguments
        self._sessions = Sessions(arguments.max_nodes)
        self._server = Server(iserver=self._sessions)
        self._namespace = 0
        self._values: dict[str, ua.DataValue] = {}

    async def start(self) -> int:
        """Begin to listen; returns the port."""
        server = self._server
        await server.init()
        server.set_endpoint("opc.tcp://127.0.0.1:0/plant")
        policies = [ua.SecurityPolicyType.NoSecurity]
        if self._arguments.certificate:
            await server.load_certificate(str(self._arguments.certificate))
            await server.load_private_key(self._arguments.private_key)
            policies = [
                ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
                ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
            ]
        server.set_security_policy(policies)
        await server.register_namespace(PADDING_URI)
        self._namespace = await server.register_namespace(URI)
        if self._arguments.max_nodes:
            limit = server.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead)
            await limit.write_value(ua.Variant(self._arguments.max_nodes, ua.VariantType.UInt32))
        floats = {f"T{number:05}": (20 + number / 10, ua.VariantType.Float) for number in range(self._arguments.tags)}
        for name, (value, kind) in {**VARIABLES, **floats}.items():
            node = await server.nodes.objects.add_variable(
                self._node_id(name), ua.QualifiedName(name, self._namespace), ua.Variant(value, kind)
            )
            if name == "Trigger":
                await node.set_writable()
            await self._write(name, ua.DataValue(ua.Variant(value, kind), SourceTimestamp=NOON))
        await server.start()
        listener = server.bserver._server if server.bserver else None
        assert listener is not None
        return int(listener.sockets[0].getsockname()[1])

    async def obey(self, line: str) -> bool:
        """Carry out one order; False when it is none of these."""
        match line.split():
            case ["set", name, kind, text]:
                variant_type = ua.VariantType[kind]
                value = ua.Variant(_parse(variant_type, text), variant_type)
                await self._write(name, ua.DataValue(value, SourceTimestamp=datetime.now(UTC)))
            case ["status", name, code]:
                status = ua.StatusCode(int(code, 16))
                await self._write(name, dataclasses.replace(self._values[name], StatusCode=status))
            case ["time", name, hundreds]:
                stamp = None if hundreds == "none" else EPOCH + timedelta(microseconds=int(hundreds) // 10)
                await self._write(name, dataclasses.replace(self._values[name], SourceTimestamp=stamp))
            case ["expire"]:
                self._sessions.expire()
            case ["fault", code]:
                self._sessions.fault = int(code, 16)
            case _:
                return False
        return True

    async def _write(self, name: str, value: ua.DataValue) -> None:
        status = await self._sessions.aspace.write_attribute_value(self._node_id(name), ua.AttributeIds.Value, value)
        status.check()
        self._values[name] = value

    def _node_id(self, name: str) -> ua.NodeId:
        return ua.NodeId(name, self._namespace)


def _cut(answer: ua.DataValue, index_range: str | None) -> ua.DataValue:
    """One element of an array, as OPC 10000-4, section 7.27, wants it; asyncua's server gives all."""
    if not index_range or answer.Value is None:
        return answer
    array = answer.Value.Value
    if not isinstance(array, list) or int(index_range) >= len(array):
        return ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadIndexRangeNoData))
    return dataclasses.replace(answer, Value=ua.Variant([array[int(index_range)]], answer.Value.VariantType))


def _parse(kind: ua.VariantType, text: str) -> object:
    match kind:
        case ua.VariantType.Boolean:
            return text == "true"
        case ua.VariantType.Float | ua.VariantType.Double:
            return float(text)
        case ua.VariantType.String:
            return text
        case _:
            return int(text)


def main() -> None:
    parser = server_arguments("An OPC UA server.", 4840)
    parser.add_argument("--tags", type=int, default=100)
    parser.add_argument("--max-nodes", type=int, default=0, help="MaxNodesPerRead; 0 is no limit")
    parser.add_argument("--certificate", type=Path, default=None, help="with it, only secure endpoints")
    parser.add_argument("--private-key", type=Path, default=None)
    arguments = parser.parse_args()
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    loop = asyncio.new_event_loop()
    plant = Plant(arguments)
    direct_port = loop.run_until_complete(plant.start())
    threading.Thread(target=loop.run_forever, daemon=True).start()

    def obey(line: str) -> bool:
        return asyncio.run_coroutine_threadsafe(plant.obey(line), loop).result(10)

    serve_behind_a_gate(direct_port, arguments, obey)


if __name__ == "__main__":
    main()
