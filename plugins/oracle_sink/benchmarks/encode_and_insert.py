"""What the sink adds to the driver: client CPU time per row, as a ratio to a straight ``executemany`` loop.

Both write over loopback to the stand-in, in one run, in turns; the best round counts. CPU time of this process is
compared, not elapsed time: the server is another process, and the speed of the stand-in says nothing about a database.
The straight loop formats its values as text and does nothing else: no keys, no limits, no batch errors. ``--minimum
0.8`` exits with 1 below that ratio (straight loop's time / sink's time).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import oracledb
from oracle_sink.config import OnConflict, OracleSinkConfig
from oracle_sink.session.latch import Latches
from oracle_sink.sink import OracleSink
from oracle_sink.table.dictionary import read_facts
from oracle_sink.table.identifiers import TableName
from oracle_sink.table.plan import plan_layout
from oracle_sink.write.rows import encode
from oracle_standin.process import Standin

from agent_core.api import Batch, ComponentContext, Origin, Secret, load_schema, settings

ROWS = 500
BATCHES = 200
ROUNDS = 5
START_NS = 1_767_225_600_000_000_000
EPOCH = datetime(1970, 1, 1)
SQL = "INSERT INTO tag_data (tag_name, tag_value, timestamp, quality) VALUES (:1, :2, :3, :4)"
DDL = """CREATE TABLE tag_data (tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(255) NOT NULL,
         timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20) NOT NULL, PRIMARY KEY (tag_name, timestamp))"""


def batches(number: int) -> list[Batch]:
    """Batches as a buffer lends them: polls of 350 tags cut at 500 records, so each has the times of two polls.

    ``number`` counts the calls: each has other times.
    """
    origin = Origin("line1", "PLC01", "LINE1_PROCESS1")
    names = tuple(f"LINE1_TAG_{tag:03}" for tag in range(350))
    polls = [
        Batch.of(
            origin, names, tuple((i * 350 + tag) * 0.37 for tag in range(350)), START_NS + (number * 10**6 + i) * 10**9
        )
        for i in range(ROWS * BATCHES // 350 + 2)
    ]
    joined = Batch.join(polls)
    return [joined.slice(i * ROWS, (i + 1) * ROWS) for i in range(BATCHES)]


def straight(connection: oracledb.Connection, work: Sequence[Batch]) -> None:
    """The loop that anyone would write first, with correct input sizes."""
    cursor = connection.cursor()
    for batch in work:
        rows = [
            (name, str(value), EPOCH + timedelta(microseconds=stamp // 1000), "GOOD")
            for name, value, stamp in zip(batch.names, batch.values, batch.stamps(), strict=True)
        ]
        cursor.setinputsizes(100, 255, oracledb.DB_TYPE_TIMESTAMP, 20)
        cursor.executemany(SQL, rows)
        connection.commit()


def cpu_us_per_row(run: Callable[[], None]) -> float:
    """Of this process, all threads."""
    start = time.process_time()
    run()
    return (time.process_time() - start) / (ROWS * BATCHES) * 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minimum", type=float, default=0.0, help="exit with 1 below this ratio")
    minimum = parser.parse_args().minimum
    with Standin(ddl=[DDL], count_only=True) as server:
        config = _config(server.dsn)
        context = ComponentContext("warehouse", "bench", Path(), "oracle_sink")
        sink = OracleSink(config, context, Latches().of(config.dsn, config.user, Path()))
        sink.open()
        connection = oracledb.connect(user=server.user, password=server.password, dsn=server.dsn)
        layout = plan_layout(config, read_facts(connection, TableName(None, "TAG_DATA")), "bench")
        work: list[Batch] = []

        def encode_all() -> None:
            for batch in work:
                encode(batch, layout, OnConflict.KEEP, START_NS * 2)

        def write_all() -> None:
            for batch in work:
                assert sink.write(batch).inserted == ROWS

        rounds: list[tuple[float, float, float]] = []
        for number in range(ROUNDS):
            work[:] = batches(number)
            rounds.append(
                (
                    cpu_us_per_row(encode_all),
                    cpu_us_per_row(lambda: straight(connection, work)),
                    cpu_us_per_row(write_all),
                )
            )
        sink.close()
        connection.close()
    encoding, loop, sunk = (min(column) for column in zip(*rounds, strict=True))
    ratio = loop / sunk
    print(
        f"client CPU per row: straight loop {loop:.2f} us; sink {sunk:.2f} us, {encoding:.2f} us of it to encode; "
        f"ratio {ratio:.2f} (stand-in, not Oracle)"
    )
    return 1 if ratio < minimum else 0


def _config(dsn: str) -> OracleSinkConfig:
    properties = load_schema("oracle_sink")["properties"]
    assert isinstance(properties, dict)
    defaults = {key: rules["default"] for key, rules in properties.items() if "default" in rules}
    seconds = {"connect": 5.0, "login": 15.0, "call": 10.0, "wait": 5.0}
    converted = {"timeouts": seconds, "max_future": 1e9, "login_interval": 5.0}
    return settings(
        OracleSinkConfig, defaults | converted | {"dsn": dsn, "user": "scott", "password": Secret(lambda: "tiger")}
    )


if __name__ == "__main__":
    sys.exit(main())
