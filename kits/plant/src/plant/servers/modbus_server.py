"""A Modbus TCP server that serves a plant: ``python -m plant.servers.modbus_server --port 5020 --tags 3491``.

It obeys as every server of a ``PeerProcess`` does:

    pause | resume            stop listening and drop every connection | listen again on the same port
    drop                      drop every connection
    hang | unhang             leave requests without an answer for ever | answer the new ones again
    refuse ADDRESS COUNT      answer exception 2 to reads that touch these holding registers (adds up)
    silence ADDRESS COUNT     leave reads that touch these without an answer (adds up)
    allow                     refuse nothing any more, and answer everything
    delay SECONDS             answer later
    coil ADDRESS 0|1          set a coil
    wait ADDRESS 0|1          answer once the coil has that state (error after 50 s)
    stop                      end

Beside the plant's holding registers it serves 2,000 coils (every third is on), 2,000 discrete inputs (every fifth is
on) and 1,000 input registers (each holds its own address).
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from pathlib import Path
from typing import TextIO

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.transport import ModbusProtocol

from plant.peer import obey_stdin
from plant.servers.catalogue import PLANT_GROUPS, PLANT_TAGS, Catalogue, PlantGroup
from plant.servers.request_log import Outcome

HOLDING = 3
READS = (1, 2, 3, 4)
BITS = 2000
INPUTS = 1000
WAIT_SECONDS = 50.0

_TURNS = 5
"""More than asyncio takes to make a connection of what it has accepted."""


class _Server(ModbusTcpServer):
    """Leaves no connection open that was accepted in the moment of its shutdown."""

    def __init__(self, device: SimDevice, address: tuple[str, int]) -> None:
        super().__init__(device, address=address)
        self._handlers: list[ModbusProtocol] = []

    def callback_new_connection(self) -> ModbusProtocol:
        handler: ModbusProtocol = super().callback_new_connection()  # type: ignore[no-untyped-call]
        self._handlers.append(handler)
        return handler

    def abort_the_late(self) -> None:
        """After ``shutdown``, once the event loop has made connections of what it had accepted."""
        for handler in self._handlers:
            if isinstance(handler.transport, asyncio.Transport):
                handler.transport.abort()


class PlantServer:
    """One device with unit id 1. Lives in one event loop."""

    def __init__(self, catalogue: Catalogue, host: str, port: int, log: TextIO) -> None:
        self._catalogue = catalogue
        self._host = host
        self.port = port
        self._log = log
        self._groups: list[PlantGroup | None] = [None] * catalogue.registers
        for group in catalogue.groups:
            self._groups[group.first : group.stop] = [group] * (group.stop - group.first)
        self._scans = {group.name: 0 for group in catalogue.groups}
        self._served: dict[str, tuple[int, ...]] = {}
        self._sequence = 0
        self._refused: set[int] = set()
        self._silent: set[int] = set()
        self._hangs = False
        self._delay_seconds = 0.0
        self._device = SimDevice(
            id=1,
            simdata=(
                [SimData(0, values=[address % 3 == 0 for address in range(BITS)], datatype=DataType.BITS)],
                [SimData(0, values=[address % 5 == 0 for address in range(BITS)], datatype=DataType.BITS)],
                [SimData(0, count=catalogue.registers, values=0, datatype=DataType.REGISTERS)],
                [SimData(0, values=list(range(INPUTS)), datatype=DataType.REGISTERS)],
            ),
            action=self._answer,
        )
        self._server: _Server | None = None
        self.ended = asyncio.Event()
        log.write("sequence,time_ns,group,scan,function,address,units,outcome\n")

    async def listen(self) -> None:
        """Begin to listen; the port is known afterwards."""
        self._server = _Server(self._device, address=(self._host, self.port))
        await self._server.serve_forever(background=True)
        transport = self._server.transport
        assert isinstance(transport, asyncio.Server)
        self.port = transport.sockets[0].getsockname()[1]

    async def pause(self) -> None:
        """Stop listening and drop every connection."""
        server, self._server = self._server, None
        if server is not None:
            await server.shutdown()  # type: ignore[no-untyped-call]
            for _ in range(_TURNS):
                await asyncio.sleep(0)
            server.abort_the_late()

    async def obey(self, line: str) -> bool:
        """Carry out one order; False when it is none. Raises ValueError."""
        match line.split():
            case ["pause"]:
                await self.pause()
            case ["resume"] if self._server is None:
                await self.listen()
            case ["drop"] if self._server is not None:
                for connection in list(self._server.active_connections.values()):
                    connection.close()
            case ["hang"]:
                self._hangs = True
            case ["unhang"]:
                self._hangs = False
            case ["refuse", address, count]:
                self._refused.update(range(int(address), int(address) + int(count)))
            case ["silence", address, count]:
                self._silent.update(range(int(address), int(address) + int(count)))
            case ["allow"]:
                self._refused.clear()
                self._silent.clear()
            case ["delay", seconds]:
                self._delay_seconds = float(seconds)
            case ["coil", address, state] if self._server is not None:
                await self._server.async_setValues(1, 5, int(address), [state == "1"])
            case ["wait", address, state] if self._server is not None:
                await asyncio.wait_for(self._wait_for_coil(self._server, int(address), state == "1"), WAIT_SECONDS)
            case ["stop"]:
                self.ended.set()
            case _:
                return False
        return True

    async def _wait_for_coil(self, server: ModbusTcpServer, address: int, state: bool) -> None:
        while (await server.async_getValues(1, 1, address))[0] != state:
            await asyncio.sleep(0.005)

    async def _answer(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by pymodbus before each answer; ``registers`` may be changed in place."""
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        if self._server is None:  # its connection is closed
            return ExcCodes.DEVICE_FAILURE
        group = self._groups[address] if function == HOLDING and address < len(self._groups) else None
        touched = range(address, address + count)
        if self._hangs or (function == HOLDING and not self._silent.isdisjoint(touched)):
            self._note(group, function, address, count, Outcome.HUNG)
            await asyncio.Event().wait()
        if function not in READS:
            if written is not None:  # pymodbus calls again to make up its answer
                self._note(group, function, address, count, Outcome.WRITTEN)
            return None
        if function == HOLDING and not self._refused.isdisjoint(touched):
            self._note(group, function, address, count, Outcome.REFUSED)
            return ExcCodes.ILLEGAL_ADDRESS
        if group is not None:
            if address == group.first:
                self._scans[group.name] += 1
                self._served[group.name] = group.registers(self._scans[group.name])
            if (served := self._served.get(group.name)) is not None:  # after a pause they are zeros again
                registers[group.first - start : group.stop - start] = served
        self._note(group, function, address, count, Outcome.SERVED)
        return None

    def _note(self, group: PlantGroup | None, function: int, address: int, count: int, outcome: Outcome) -> None:
        self._sequence += 1
        name, scan = (group.name, self._scans[group.name]) if group else ("", 0)
        self._log.write(
            f"{self._sequence},{time.time_ns()},{name},{scan},{function},{address},{count},{outcome.value}\n"
        )


def obey_orders(server: PlantServer, loop: asyncio.AbstractEventLoop) -> None:
    """Pass each line of stdin to the server, and end it with them; runs in a thread of its own."""
    obey_stdin(lambda line: asyncio.run_coroutine_threadsafe(server.obey(line), loop).result())
    loop.call_soon_threadsafe(server.ended.set)


async def serve(arguments: argparse.Namespace) -> None:
    catalogue = Catalogue(arguments.tags, arguments.groups)
    if arguments.csv:
        catalogue.write_csv(arguments.csv)
    with arguments.log.open("w", encoding="utf-8", buffering=1) as log:
        server = PlantServer(catalogue, arguments.host, arguments.port, log)
        await server.listen()
        print(f"listening port={server.port} direct={server.port}", flush=True)
        if arguments.control:
            loop = asyncio.get_running_loop()
            threading.Thread(target=obey_orders, args=(server, loop), daemon=True).start()
        await server.ended.wait()
        await server.pause()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a plant over Modbus TCP.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5020, help="0 takes a free one")
    parser.add_argument("--tags", type=int, default=PLANT_TAGS)
    parser.add_argument("--groups", type=int, default=PLANT_GROUPS)
    parser.add_argument("--log", type=Path, default=Path("plant_requests.csv"), help="one line a request")
    parser.add_argument("--csv", type=Path, default=None, help="also write the tag list")
    parser.add_argument("--control", action="store_true", help="obey lines on stdin, end when it does")
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        print("stopped", flush=True)


if __name__ == "__main__":
    main()
