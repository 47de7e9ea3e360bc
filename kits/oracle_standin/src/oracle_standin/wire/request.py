"""TTC requests that execute statements: their fields, bind metadata and bind rows.

The layout follows what python-oracledb's published Thin code writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import Datatype, Raw, Row, WireType, bind_type
from oracle_standin.wire.packets import Channel
from oracle_standin.wire.release import FIELDS_12_2, FIELDS_12_2_EXT, MAX_STRING_BYTES
from oracle_standin.wire.wire import Reader

REEXECUTE, REEXECUTE_AND_FETCH, EXECUTE = 4, 78, 94
_ROW_DATA = 7
_PARSE, _DEFINE, _EXECUTE, _FETCH, _COMMIT, _BATCH_ERRORS = 0x01, 0x10, 0x20, 0x40, 0x100, 0x80000
_ROW_COUNTS = 0x4000
_MORE_TIMEOUT = 0.02


@dataclass(slots=True)
class ExecuteRequest:
    """What the client requests; the binds are still to be read."""

    cursor_id: int
    sql: str | None = None  # None: execute again
    iterations: int = 1
    fetch: int = 0  # rows to send with the reply
    binds: list[Datatype] | None = None  # new bind types
    execute: bool = True  # False: describe only
    commit: bool = False
    batch_errors: bool = False
    row_counts: bool = False
    sizes: list[int] | None = None  # of the binds; they determine the order in a row


def read_execute(reader: Reader, function: int, fields: int) -> ExecuteRequest:
    """Reads an EXECUTE or one of its shorter repeats, up to the rows."""
    if function != EXECUTE:
        request = ExecuteRequest(reader.ub())
        request.iterations = request.fetch = reader.ub()
        reader.ub()
        request.commit = bool(reader.ub() & 1)
        if function == REEXECUTE:
            request.fetch = 0
        return request
    options = reader.ub()
    request = ExecuteRequest(reader.ub())
    reader.u8()
    sql_length = reader.ub()
    reader.u8()
    reader.ub()
    reader.raw(2)
    reader.ub()
    prefetch = reader.ub()
    reader.ub()
    reader.u8()
    bind_count = reader.ub()
    reader.raw(6)
    define_count = reader.ub()
    reader.ub()
    reader.raw(3)
    reader.ub()
    reader.u8()
    reader.ub()
    reader.ub()
    reader.u8()
    reader.ub()
    reader.u8()
    if fields >= FIELDS_12_2:
        for _ in range(2):
            reader.u8()
            reader.ub()
        reader.u8()
        if fields >= FIELDS_12_2_EXT:
            reader.u8()
            reader.ub()
    text = reader.chunked() if sql_length else None
    if text is not None and options & _PARSE:
        request.sql = text.decode("utf-8", "replace").rstrip("\0")
    numbers = [reader.ub() for _ in range(13)]
    request.iterations = numbers[1]
    request.row_counts = bool(numbers[9] & _ROW_COUNTS)
    request.execute = bool(options & _EXECUTE)
    request.commit = bool(options & _COMMIT)
    request.batch_errors = bool(options & _BATCH_ERRORS)
    request.fetch = prefetch if options & _FETCH else 0
    if options & _DEFINE:
        _read_metadata(reader, define_count, fields)
    elif bind_count:
        metadata = _read_metadata(reader, bind_count, fields)
        request.binds = [bind_type(*item) for item in metadata]
        request.sizes = [size for _, _, size in metadata]
    elif request.sql is not None:
        request.binds, request.sizes = [], []
    return request


def _read_metadata(reader: Reader, count: int, fields: int) -> list[tuple[int, int, int]]:
    """Wire type, character set form and size of each bind."""
    out = []
    for _ in range(count):
        wire = reader.u8()
        flags = reader.u8()
        if flags & 0x40:
            raise OraError(3115)  # a PL/SQL array
        reader.raw(2)
        size = reader.ub()
        reader.ub()
        reader.ub()
        reader.with_length()
        reader.ub()
        reader.ub()
        form = reader.u8()
        reader.ub()
        if fields >= FIELDS_12_2:
            reader.ub()
        out.append((wire, form, size))
    return out


def pull(reader: Reader, channel: Channel) -> bool:
    """Reads until the request is complete, as far as is known. False if its last packet was full."""
    while channel.last_full:
        if not channel.readable(_MORE_TIMEOUT):
            return False
        reader.data += channel.data()
    return True


def drain(reader: Reader, channel: Channel) -> None:
    """Discards the rest of a request that failed before its binds were read."""
    pull(reader, channel)
    reader.pos = len(reader.data)


def read_rows(reader: Reader, channel: Channel, binds: list[Datatype], sizes: list[int], count: int) -> list[Row]:
    """``count`` rows of raw bind values. Binds beyond the longest string come last in each row."""
    late = [i for i, size in enumerate(sizes) if size > MAX_STRING_BYTES]
    rows: list[Row] = []
    parse = _row_parser(len(binds), any(b.kind is WireType.BOOLEAN for b in binds))
    pull(reader, channel)
    while True:
        reader.pos += parse(bytes(reader.data[reader.pos :]), count - len(rows), rows)
        if len(rows) == count:
            break
        reader.data += reader.refill()
        pull(reader, channel)
    if late and len(late) < len(binds):
        sent = [i for i in range(len(binds)) if i not in late] + late
        back = [sent.index(i) for i in range(len(binds))]
        rows = [tuple([row[i] for i in back]) for row in rows]
    return rows


def skip_rows(reader: Reader, channel: Channel, columns: int, count: int) -> None:
    """Count-only mode: discards the rows; parses them only if it is unclear whether the last packet has arrived."""
    if not pull(reader, channel):
        parse, rows = _row_parser(columns, True), list[Row]()
        while True:
            reader.pos += parse(bytes(reader.data[reader.pos :]), count - len(rows), rows)
            if len(rows) == count:
                break
            reader.data += reader.refill()
    reader.pos = len(reader.data)


_RowParser = Callable[[bytes, int, list[Row]], int]
_parsers: dict[tuple[int, bool], _RowParser] = {}


def _row_parser(columns: int, booleans: bool) -> _RowParser:
    """A function ``parse(buffer, n, out)`` that appends up to n complete rows and returns the bytes used.

    It is generated with one unrolled step for each column: this is the hottest loop of the stand-in.
    """
    known = _parsers.get((columns, booleans))
    if known is not None:
        return known
    limit = 253 if booleans else 254  # a null BOOLEAN is 253, 1
    steps = "".join(
        f"""
            n{i} = buffer[p]
            if 0 < n{i} < {limit}:
                e = p + 1 + n{i}; v{i} = buffer[p + 1:e]; p = e
            elif n{i} == 0 or n{i} == 255:
                v{i} = None; p += 1
            else:
                v{i}, p = slow(buffer, p, n{i})"""
        for i in range(columns)
    )
    values = ", ".join(f"v{i}" for i in range(columns))
    source = f"""
def parse(buffer, n, out):
    add = out.append
    pos, end = 0, len(buffer)
    try:
        for _ in range(n):
            if buffer[pos] != {_ROW_DATA}:
                raise ValueError("row data expected")
            p = pos + 1{steps}
            if p > end:
                break
            add(({values},))
            pos = p
    except IndexError:
        pass
    return pos
"""
    namespace: dict[str, _RowParser] = {"slow": _slow_value}  # type: ignore[dict-item]
    exec(source, namespace)
    parser = _parsers[columns, booleans] = namespace["parse"]
    return parser


def _slow_value(buffer: bytes, pos: int, size: int) -> tuple[Raw, int]:
    """A null BOOLEAN, or chunks. Raises IndexError if the buffer ends first."""
    if size == 253:
        return None, pos + 2
    parts: list[bytes] = []
    pos += 1
    while True:
        width = buffer[pos]
        length = int.from_bytes(buffer[pos + 1 : pos + 1 + width], "big")
        pos += 1 + width
        if length == 0:
            return b"".join(parts), pos
        if pos + length > len(buffer):
            raise IndexError
        parts.append(buffer[pos : pos + length])
        pos += length
