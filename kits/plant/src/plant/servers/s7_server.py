"""A Siemens S7 PLC: python-snap7's server, ``python -m plant.servers.s7_server --port 1102 --pdu 480``.

It holds DB1 (65,535 bytes), DB2 (100 bytes), and 1,024 bytes of flags, inputs and outputs. At first byte n of DB1
holds n % 251, and every other byte its number % 256. Orders, beside those of ``TcpGate``::

    set AREA START HEX        store bytes (AREA: DB1, DB2, M, I, Q)
    refuse DB START COUNT     answer return code 05 to reads of that data block that touch these bytes (adds up)
    allow                     refuse nothing any more
    item_code CODE            answer every read of an item with this return code (hexadecimal); 0 ends it
    header_error CODE         answer every request with this header error (hexadecimal); 0 ends it
    sleep SECONDS             take this long for each answer
"""

from __future__ import annotations

import logging
import time
from typing import Any

from snap7.datatypes import S7Area, S7WordLen
from snap7.s7protocol import S7Function
from snap7.server import Server
from snap7.type import SrvArea

from plant.servers.gated_server import serve_behind_a_gate, server_arguments

OTHER_BYTES = 1024
INVALID_ADDRESS = 0x05


class Plc(Server):
    """The library's server with faults, with a PDU size to choose, and with single bits that can be written.

    (The library's own writes the whole byte for one bit.)
    """

    def __init__(self, pdu_size: int) -> None:
        super().__init__(log=False)
        self._pdu_size = pdu_size
        self.refused: dict[int, set[int]] = {}
        self.header_error = 0
        self.item_code = 0
        self.sleep_seconds = 0.0
        self.areas = {
            "DB1": bytearray(number % 251 for number in range(65535)),
            "DB2": bytearray(number % 256 for number in range(100)),
            "M": bytearray(number % 256 for number in range(OTHER_BYTES)),
            "I": bytearray(number % 256 for number in range(OTHER_BYTES)),
            "Q": bytearray(number % 256 for number in range(OTHER_BYTES)),
        }
        self.register_area(SrvArea.DB, 1, self.areas["DB1"])
        self.register_area(SrvArea.DB, 2, self.areas["DB2"])
        self.register_area(SrvArea.MK, 0, self.areas["M"])
        self.register_area(SrvArea.PE, 0, self.areas["I"])
        self.register_area(SrvArea.PA, 0, self.areas["Q"])

    def _process_request(self, request_data: bytes, client_address: tuple[str, int]) -> bytes | None:
        time.sleep(self.sleep_seconds)
        request = self._parse_request(request_data)
        if self.header_error and request["parameters"].get("function_code") != S7Function.SETUP_COMMUNICATION:
            return self._build_error_response(request, self.header_error)
        return super()._process_request(request_data, client_address)

    def _handle_setup_communication(self, request: dict[str, Any]) -> bytes:
        wanted = int(request["parameters"]["pdu_length"])
        answer: bytes = super()._handle_setup_communication(request)
        return answer[:-2] + min(wanted, self._pdu_size).to_bytes(2, "big")

    def _read_from_memory_area(self, area: S7Area, db_number: int, start: int, count: int) -> tuple[int, bytearray]:
        if self.item_code:
            return self.item_code, bytearray()
        if area == S7Area.DB and not self.refused.get(db_number, set()).isdisjoint(range(start, start + count)):
            return INVALID_ADDRESS, bytearray()
        return super()._read_from_memory_area(area, db_number, start, count)

    def _parse_address_specification(self, addr_spec: bytes) -> dict[str, Any]:
        return {**super()._parse_address_specification(addr_spec), "bit": addr_spec[-1] & 7}

    def _parse_write_address(self, request: dict[str, Any]) -> tuple[S7Area, int, int, int, bytearray] | None:
        parsed = super()._parse_write_address(request)
        address = request["parameters"]["address_spec"]
        if parsed is None or address["word_len"] != S7WordLen.BIT:
            return parsed
        area, db_number, start, count, data = parsed
        mask = 1 << address["bit"]
        byte = self.memory_areas[area, db_number][start]
        return area, db_number, start, count, bytearray([byte | mask if data[0] else byte & ~mask])


def obey(plc: Plc, line: str) -> bool:
    """Carry out one order; False when it is none."""
    match line.split():
        case ["set", area, start, content]:
            data = bytes.fromhex(content)
            plc.areas[area][int(start) : int(start) + len(data)] = data
        case ["refuse", db_number, start, count]:
            plc.refused.setdefault(int(db_number), set()).update(range(int(start), int(start) + int(count)))
        case ["allow"]:
            plc.refused.clear()
        case ["header_error", code]:
            plc.header_error = int(code, 16)
        case ["item_code", code]:
            plc.item_code = int(code, 16)
        case ["sleep", seconds]:
            plc.sleep_seconds = float(seconds)
        case _:
            return False
    return True


def main() -> None:
    parser = server_arguments("A Siemens S7 PLC.", 1102)
    parser.add_argument("--pdu", type=int, default=480, help="the largest PDU it agrees to")
    arguments = parser.parse_args()
    logging.getLogger("snap7").setLevel(logging.CRITICAL)
    plc = Plc(arguments.pdu)
    plc.start_to("127.0.0.1", 0)
    assert plc.server_socket is not None
    direct_port = plc.server_socket.getsockname()[1]
    serve_behind_a_gate(direct_port, arguments, lambda line: obey(plc, line))
    plc.stop()


if __name__ == "__main__":
    main()
