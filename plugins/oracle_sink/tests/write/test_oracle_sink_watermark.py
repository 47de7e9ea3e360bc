"""A table without a key: commits without an answer are settled by the watermark. On the stand-in, not Oracle."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import oracledb
import pytest
from oracle_sink.sink import OracleSink
from oracle_sink.write.unsettled import batch_digest
from oracle_sink.write.watermark import Watermark
from oracle_standin.process import Standin, StandinError
from pytest_mock import MockerFixture

from agent_core.api import Batch, ConfigurationError, Origin, RetryableError, Value, WriteOutcome
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import PATIENT

# The driver drops a socket that was reset without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

MakeSink = Callable[..., OracleSink]
START = 1_767_225_600_000_000_000
DDL = Path(__file__).parents[2] / "ddl" / "watermark.sql"
COLUMNS = "tag_name VARCHAR2(100), tag_value VARCHAR2(255), timestamp TIMESTAMP(6), quality VARCHAR2(20)"


KILLED = """
import sys
from pathlib import Path
from agent_core.api import Batch, ComponentContext, Origin, Secret, settings
from agent_core.testing.settings import settings_of
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.latch import Latches
from oracle_sink.sink import OracleSink
from oracle_sink.write.unsettled import batch_digest

user, password, dsn, folder = sys.argv[1:]
config = settings_of(
    "oracle_sink", user=user, password=Secret(lambda: password), dsn=dsn, table="TAGFERRY_TEST",
    watermark="TAGFERRY_WATERMARK", max_future=1e9,
)
typed = settings(OracleSinkConfig, config)
sink = OracleSink(typed, ComponentContext("warehouse", "line-1", Path(folder), "oracle_sink"), Latches().of(
    dsn, user, Path(folder)))
sink.open()
print("opened", flush=True)
names = [f"T{i:04}" for i in range(10)]
sink.write(Batch.of(Origin("line1", "PLC01", "G"), names, [i / 10 for i in range(10)], 1_767_225_600_000_000_000))
"""


def numbered(count: int, at: int = START, step: int = 0) -> Batch:
    stamps = array("q", (at + step * i for i in range(count))) if step else at
    names = [f"T{i:04}" for i in range(count)]
    return Batch.of(Origin("line1", "PLC01", "G"), names, [i / 10 for i in range(count)], stamps)


def drop_watermark(database: Standin) -> None:
    with suppress(oracledb.DatabaseError, StandinError):
        database.sql("DROP TABLE tagferry_watermark")


@pytest.fixture
def plain(database: Standin, recreate: Callable[[str], None]) -> Iterator[Standin]:
    """With a table without a key, and a watermark table in which an earlier process has left four writers."""
    recreate(f"CREATE TABLE tagferry_test ({COLUMNS})")
    drop_watermark(database)
    statement = "\n".join(line for line in DDL.read_text().splitlines() if not line.startswith("--"))
    database.sql(statement.strip().removesuffix(";"))
    for number in range(1, 5):
        database.sql(f"INSERT INTO tagferry_watermark VALUES ('line-1/warehouse/{number}', '-', SYSTIMESTAMP)")
    yield database
    drop_watermark(database)


@pytest.fixture
def start(plain: Standin, make_sink: MakeSink) -> MakeSink:
    """A sink as it is after a start of the agent: with the same state_dir, and nothing in memory."""

    def open_one(**config: object) -> OracleSink:
        sink = make_sink(watermark="TAGFERRY_WATERMARK", **config)
        sink.open()
        return sink

    return open_one


def stored(database: Standin) -> tuple[int, int]:
    """How many rows, and how many different ones."""
    rows = [tuple(row) for row in database.sql("SELECT tag_name, timestamp FROM tagferry_test")]
    return len(rows), len(set(rows))


def lose(sink: OracleSink, batch: Batch, database: Standin, when: str) -> None:
    database.fault("commit", "drop", when=when)
    with pytest.raises(RetryableError) as raised:
        sink.write(batch)
    assert raised.value.ambiguous


def until_written(sink: OracleSink, batch: Batch) -> WriteOutcome:
    while True:
        with suppress(RetryableError):
            return sink.write(batch)


@pytest.mark.parametrize(("when", "outcome"), [("after", (0, 10)), ("before", (10, 0))])
def test_a_commit_without_an_answer_is_settled_by_the_next_attempt(
    when: str, outcome: tuple[int, int], start: MakeSink, plain: Standin
) -> None:
    sink = start()
    assert not sink.idempotent
    sink.write(numbered(10, START - 1000))
    lose(sink, numbered(10), plain, when)
    assert sink.write(numbered(10)) == WriteOutcome(*outcome)
    # Whoever writes the same records once more means it: the watermark knows commits, not keys.
    assert sink.write(numbered(10, START + 1000)).inserted == 10
    assert stored(plain) == (30, 30)


@pytest.mark.parametrize("when", ["after", "before"])
def test_another_worker_settles_it_as_well(when: str, start: MakeSink, plain: Standin) -> None:
    sink = start()
    lose(sink, numbered(10), plain, when)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(sink.write, numbered(10)).result(PATIENCE_SECONDS).total == 10
    assert stored(plain) == (10, 10)


def test_a_retry_that_loses_its_answer_too_does_not_forget_the_first_one(
    start: MakeSink, plain: Standin, tmp_path: Path
) -> None:
    sink = start()
    for _ in range(4):
        lose(sink, numbered(10), plain, "after")
    again = start()
    assert again.write(numbered(10, START - 1000)).inserted == 10
    assert again.write(numbered(10)) == WriteOutcome(inserted=0, duplicates=10)
    assert not list(tmp_path.glob("unsettled*"))
    assert stored(plain) == (20, 20)


@pytest.mark.parametrize("when", ["after", "before"])
def test_records_that_went_to_the_fallback_are_recognised_in_any_batch_and_after_a_restart(
    when: str, start: MakeSink, plain: Standin
) -> None:
    batch = numbered(10, step=1000)
    lose(start(), batch, plain, when)
    # Between, the agent has written other records, also as the same writer and at the same time.
    start().write(Batch.of(Origin("line1", "PLC01", "G"), ["OTHER"], [1.0], START))
    later = numbered(10, START + 1_000_000)
    written = [start().write(part) for part in (batch.slice(0, 3), Batch.join([batch.slice(3, 10), later]))]
    assert sum(outcome.duplicates for outcome in written) == (10 if when == "after" else 0)
    assert stored(plain) == (21, 21)
    assert list(Path(start()._context.state_dir).glob("unsettled-*")) == []


def test_a_commit_that_is_lost_again_and_again_is_settled(start: MakeSink, plain: Standin) -> None:
    sink = start()
    batch = numbered(10, step=1000)
    lose(sink, batch.slice(0, 5), plain, "after")
    lose(sink, batch, plain, "before")
    lose(sink, batch, plain, "after")
    assert start().write(batch) == WriteOutcome(inserted=0, duplicates=10)
    assert stored(plain) == (10, 10)


def test_what_a_process_had_committed_when_it_died_is_recognised_by_the_next(start: MakeSink, plain: Standin) -> None:
    plain.fault("execute", "ora", code=12899, value="^T0003$", match="insert", times=2)
    assert start().write(numbered(10)).inserted == 9
    # Its rejected record may have been lost with the process, so it is sent again.
    outcome = start().write(numbered(10))
    assert (outcome.inserted, outcome.duplicates, [r.position for r in outcome.rejected]) == (0, 9, [3])
    assert start().write(numbered(10, START + 1000)).inserted == 10
    assert stored(plain) == (19, 19)


def test_a_process_that_is_killed_in_its_commit_leaves_nothing_to_be_written_twice(
    start: MakeSink, plain: Standin
) -> None:
    plain.fault("commit", "hang", when="after")
    start()  # reads the table
    account = (plain.user, plain.password, plain.dsn, str(start()._context.state_dir))
    with subprocess.Popen([sys.executable, "-c", KILLED, *account], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline(), "it has begun to write"
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while plain.counters()["commits"] == 0 and time.monotonic() < ends_at:
            time.sleep(0.01)
        process.kill()
    assert start().write(numbered(10)) == WriteOutcome(inserted=0, duplicates=10)
    assert stored(plain) == (10, 10)


def test_the_old_transaction_is_waited_for(start: MakeSink, plain: Standin) -> None:
    sink = start(timeouts=PATIENT | {"call": 1.0})
    plain.fault("commit", "freeze")
    with pytest.raises(RetryableError) as raised:
        sink.write(numbered(3))
    assert raised.value.ambiguous
    with pytest.raises(RetryableError) as raised:
        sink.write(numbered(3))
    assert (raised.value.code, raised.value.ambiguous) == ("DPY-4024", False)
    # Other records do not wait for it.
    assert sink.write(numbered(3, START + 3_600_000_000_000)).inserted == 3
    plain.clear_faults()
    assert until_written(sink, numbered(3)).total == 3
    assert stored(plain) == (6, 6)


def test_two_agents_of_the_same_name_take_different_rows(start: MakeSink, plain: Standin) -> None:
    agents = [start(), start()]
    for second in range(4):
        for number, agent in enumerate(agents):
            until_written(agent, numbered(3, START + 1000 * (2 * second + number)))
    assert stored(plain) == (24, 24)
    assert len(plain.sql("SELECT writer FROM tagferry_watermark WHERE token <> '-'")) == 2


def test_a_writer_costs_one_more_round_trip_and_no_query(start: MakeSink, plain: Standin) -> None:
    sink = start()
    sink.write(numbered(500))
    plain.reset_counters()
    assert sink.write(numbered(500, START + 1000)).inserted == 500
    counters = plain.counters()
    assert (counters["executes"], counters["commits"], counters["queries"]) == (2, 1, 0)


def test_the_sink_makes_its_rows(start: MakeSink, plain: Standin) -> None:
    plain.sql("DELETE FROM tagferry_watermark")
    sink = start()
    with ThreadPoolExecutor(1) as other:
        assert sink.write(numbered(3)).inserted == 3
        assert other.submit(sink.write, numbered(3, START + 1000)).result(PATIENCE_SECONDS).inserted == 3
    writers = plain.sql("SELECT writer FROM tagferry_watermark ORDER BY writer")
    assert writers == [["line-1/warehouse/1"], ["line-1/warehouse/2"]]


def test_with_a_key_the_watermark_is_not_used(make_sink: MakeSink, database: Standin) -> None:
    sink = make_sink(watermark="NO_SUCH_TABLE")
    sink.open()
    assert sink.write(numbered(3)).inserted == 3
    assert sink.write(numbered(3)).duplicates == 3


def test_a_missing_watermark_table_is_a_fault_of_the_configuration(make_sink: MakeSink, plain: Standin) -> None:
    sink = make_sink(watermark="NO_SUCH_TABLE")
    sink.open()
    with pytest.raises(ConfigurationError, match=r"watermark NO_SUCH_TABLE.*ddl/watermark\.sql"):
        sink.write(numbered(3))
    assert stored(plain) == (0, 0)


def test_if_the_row_was_deleted_nobody_knows_and_nothing_is_lost(start: MakeSink, plain: Standin) -> None:
    sink = start()
    lose(sink, numbered(3), plain, "before")
    plain.sql("DELETE FROM tagferry_watermark WHERE writer = 'line-1/warehouse/1'")
    assert sink.write(numbered(3)) == WriteOutcome(inserted=3)


def test_in_a_storm_every_record_is_stored_once(start: MakeSink, plain: Standin) -> None:
    randomness = random.Random(11)
    batches = [numbered(randomness.randint(1, 20), START + 1000 * second) for second in range(60)]
    plain.fault("commit", "drop", when="after", nth=3, times=8)
    plain.fault("commit", "drop", when="before", nth=14, times=8)
    plain.fault("execute", "drop", match="insert", nth=25, times=4)
    sink = start()
    with ThreadPoolExecutor(3) as workers:
        outcomes = list(workers.map(lambda batch: until_written(sink, batch), batches))
    records = sum(map(len, batches))
    assert sum(outcome.total for outcome in outcomes) == records
    assert stored(plain) == (records, records)


def test_every_value_has_its_place_in_the_digest_of_a_batch() -> None:
    origin = Origin("line1", "PLC01", "G")
    values: list[Value] = [1.0, 2, True, "1.0", Decimal("1"), None, 10**400, float("inf"), "텍스트"]
    batches = [Batch.of(origin, ["A", "B"], [1.0, value], START) for value in values]
    batches += [Batch.of(origin, ["A", "B"], [value, 1.5], START) for value in values[:2]]
    batches += [Batch.of(origin, names, [1.0, 2], at) for names, at in ((["AB", ""], START), (["A", "B"], START + 1))]
    # 1.0, True and Decimal("1") are the same number in a batch of numbers.
    assert len({batch_digest(batch) for batch in batches}) == len(batches) - 2
    assert {batch_digest(batch) for batch in batches} == {batch_digest(batch.slice(0, 2)) for batch in batches}


def test_a_row_that_another_process_has_made_is_left_to_it(mocker: MockerFixture) -> None:
    session = mocker.MagicMock()
    execute = session.connection.cursor.return_value.__enter__.return_value.execute
    execute.side_effect = [oracledb.IntegrityError(mocker.Mock(full_code="ORA-00001")), None]
    watermark = mocker.Mock(_numbers=0, _prefix="line-1/warehouse")
    assert Watermark._new_writer(watermark, session).name == "line-1/warehouse/2"
    assert session.connection.commit.call_count == 1
