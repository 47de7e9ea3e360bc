"""CPU per replayed record with 10, 10,000 and 100,000 waiting files, as a ratio to that with 10 in the same run.

Each file has 50 records. The folder is looked at once, as a replay does, and the look's cost is shared by all files;
then the first of them (at most 500) are read and moved to ``done``. The disk is not waited for. Prints one line;
``--maximum 1.5`` exits with 1 above that ratio.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

from csv_sink.config import CsvSinkConfig
from csv_sink.format.line import HEADER, LineWriter
from csv_sink.sink import CsvSink

from agent_core.api import Batch, ComponentContext, Origin

RECORDS = 50
FILES = (10, 10_000, 100_000)
REPLAYED_FILES = 500
ROUNDS_OF_FEW = 50
"""Ten files are replayed so often, so that the time is long enough to be measured."""


def fill(folder: Path, count: int) -> None:
    """Waiting files, as an outage of so many minutes left them before files grew."""
    names = [f"LINE1_TAG_{number:03}" for number in range(RECORDS)]
    batch = Batch.of(Origin("line1", "PLC01", "G"), names, [1.5] * RECORDS, 1_767_225_600_000_000_000)
    data = HEADER + LineWriter().lines(batch, 0, "sink_down")
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"backup_20260101_000000_{number:03d}.csv").write_bytes(data)


def seconds_per_record(place: Path, count: int) -> float:
    """One look, shared by all files, and the first files read to their end and finished."""
    config = CsvSinkConfig(place, 1 << 30, 1e9, 0, 1e9)
    sink = CsvSink(config, ComponentContext("warehouse", "bench", place, "csv_sink"))
    fill(place / "warehouse", count)
    sink.open()
    began = time.process_time()
    files = sink.backlog()
    looked = time.process_time()
    records = 0
    replayed = files[:REPLAYED_FILES]
    for file in replayed:
        records += sum(len(part.batch) for part in sink.read(file.name))
        sink.finish(file.name)
    ended = time.process_time()
    sink.close()
    assert (len(files), records) == (count, len(replayed) * RECORDS)
    return (looked - began) / (count * RECORDS) + (ended - looked) / records


def measured(count: int) -> float:
    """The mean over as many folders as it takes."""
    rounds = ROUNDS_OF_FEW if count == FILES[0] else 1
    total = 0.0
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as place:
            total += seconds_per_record(Path(place), count)
    return total / rounds


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--maximum", type=float, default=float("inf"), help="exit with 1 above this ratio")
    arguments = parser.parse_args()
    with patch("os.fsync"):
        costs = {count: measured(count) for count in FILES}
    few = costs[FILES[0]]
    shown = ", ".join(f"{count:,} files {cost * 1e6:.2f} us ({cost / few:.2f})" for count, cost in costs.items())
    ratio = max(costs.values()) / few
    print(f"csv_sink: CPU per replayed record with {shown}: worst ratio {ratio:.2f} (1.0 = flat, lower is better)")
    return 0 if ratio <= arguments.maximum else 1


if __name__ == "__main__":
    sys.exit(main())
