"""``tagferry replay`` into the table (stand-in, not Oracle): killed, beside a running agent, after one that died."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from array import array
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from csv_sink.config import CsvSinkConfig
from csv_sink.sink import CsvSink
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.latch import Latches
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin
from runs.conftest import Case, Database, Row, rows_of_csv

from agent_core.api import (
    Batch,
    ComponentContext,
    Diversion,
    DivertReason,
    Origin,
    RetryableError,
    Secret,
    settings,
)
from agent_core.testing.agent_process import AGENT, wait_until
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.settings import settings_of

pytestmark = pytest.mark.drill

SECOND_NS = 1_000_000_000
ROWS = 6000


def divert(case: Case, folder: str, files: int = 2, rows: int = ROWS) -> list[Row]:
    """Write an outage's rows into files of ``folder``; what the table shall hold."""
    config = CsvSinkConfig(case.folder / folder, 1 << 30, 1e9, 0, 1e9)
    sink = CsvSink(config, ComponentContext("warehouse", "a", case.folder, "t", ManualClock()))
    each = rows // files
    for first in range(0, rows, each):
        sink.open()
        sink.divert(outage(range(first, first + each)), Diversion(DivertReason.RETRIES_EXHAUSTED, START_NS))
        sink.close()
    return [row(number) for number in range(rows)]


def outage(numbers: range) -> Batch:
    """The records of these numbers, a second apart."""
    stamps = array("q", (START_NS + number * SECOND_NS for number in numbers))
    return Batch.of(Origin("line1", "LINE1", "OLD"), [f"OLD_{n % 7}" for n in numbers], list(numbers), stamps)


def row(number: int) -> Row:
    return Row(f"OLD_{number % 7}", str(number), START_NS // 1000 + number * 1_000_000, "GOOD")


def command(case: Case, environ: Mapping[str, str], *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*AGENT, "replay", *arguments],
        cwd=case.folder,
        env={**os.environ, **case.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def replay(case: Case, environ: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Run it to its end: exit code, output, log."""
    with command(case, environ, *arguments) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def ledger(case: Case, database: Database, *arguments: str) -> Mapping[str, int]:
    code, out, err = replay(case, database.environ, "--yes", "--json", *arguments)
    assert code == 0, err
    result = json.loads(out)["result"]
    assert result["balanced"]
    found: Mapping[str, int] = result["ledger"]
    return found


def next_record(case: Case) -> int:
    """Where the command, or an agent, would go on in the first file."""
    with suppress(OSError, ValueError):
        positions = json.loads((case.folder / "state/replay/warehouse.json").read_text(encoding="utf-8"))
        return int(next(iter(positions.values())))
    return 0


@pytest.mark.parametrize("lost", [False, True], ids=["position_kept", "position_lost"])
def test_killed_in_the_middle_it_goes_on_and_each_value_is_there_once(
    case: Case, database: Database, lost: bool
) -> None:
    expected = divert(case, "backup")
    with command(case, database.environ, "--yes", "--rate", "2000") as process:
        wait_until(lambda: next_record(case) >= 1500, what="a quarter of the rows in the table")
        process.kill()
        process.wait(60)
    before = database.count()
    assert 1500 <= before < ROWS
    assert len(case.fallback_files()) == 2, "no file is done"
    if lost:
        shutil.rmtree(case.folder / "state")
    found = ledger(case, database)
    assert found["inserted"] == ROWS - before
    assert found["duplicates"] <= (before if lost else 500), "at most the batch that was being written"
    assert Counter(database.rows()) == Counter(expected)
    assert case.fallback_files() == []


@pytest.mark.skipif(sys.platform == "win32", reason="a test cannot send Ctrl-C on Windows")
def test_ctrl_c_while_the_database_does_not_answer_ends_it_in_order(case: Case, database: Database) -> None:
    expected = divert(case, "backup", rows=2000)
    database.server.listener_stop()
    with command(case, database.environ, "--yes") as process:
        assert process.stderr is not None
        while "write failed" not in (line := process.stderr.readline()):
            assert line, "it ended"
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    assert process.returncode in (130, 1), "interrupted, or just out of retries"
    assert "the same command resumes at record 0" in out
    database.server.listener_start()
    assert ledger(case, database)["inserted"] == 2000
    assert Counter(database.rows()) == Counter(expected)


def test_a_file_whose_first_record_is_hidden_goes_in_and_so_does_the_file_behind_it(
    case: Case, database: Database
) -> None:
    if not isinstance(database.server, Standin):
        pytest.skip("needs a policy on the table")
    first, *others = divert(case, "backup", rows=20)
    stored_at = datetime.fromtimestamp(first.timestamp_us / 1e6, UTC)
    database.server.sql(
        f"INSERT INTO TAG_DATA VALUES ('{first.name}', 'hidden', TIMESTAMP '{stored_at:%Y-%m-%d %H:%M:%S}', 'GOOD')"
    )
    database.server.policy("TAG_DATA", "tag_value <> 'hidden'", statements=["SELECT"])
    found = ledger(case, database)
    assert (found["inserted"], found["rejected"], found["remaining"]) == (19, 1, 0)
    rows = Counter(database.rows())
    assert Counter(others) == rows - Counter([first._replace(text="hidden")])
    [rejected] = (case.folder / "backup/warehouse").glob("rejected_*")
    assert "HIDDEN" in rejected.read_text(encoding="utf-8")


def test_without_a_key_the_watermark_recognises_what_an_agent_has_left_as_ambiguous(
    case: Case, database: Database
) -> None:
    server = database.server
    if database.real:
        pytest.skip("loses the answer to a commit")
    server.sql("DROP TABLE TAG_DATA")
    server.sql(
        "CREATE TABLE TAG_DATA (tag_name VARCHAR2(100), tag_value VARCHAR2(255), timestamp TIMESTAMP(6), "
        "quality VARCHAR2(20))"
    )
    server.sql("CREATE TABLE marks (writer VARCHAR2(99) PRIMARY KEY, token VARCHAR2(99), written_at TIMESTAMP)")
    config = case.folder / "agent.yaml"
    text = config.read_text(encoding="utf-8").replace("table: TAG_DATA", "table: TAG_DATA, watermark: MARKS")
    config.write_text(text, encoding="utf-8")
    expected = divert(case, "backup", files=1, rows=20)
    context = ComponentContext("warehouse", "replay-command", case.folder / "state", "oracle_sink")
    account = {"user": server.user, "password": Secret(lambda: server.password), "dsn": server.dsn}
    typed = settings(OracleSinkConfig, settings_of("oracle_sink", table="TAG_DATA", watermark="MARKS", **account))
    agent = OracleSink(typed, context, Latches().of(server.dsn, server.user, context.state_dir))
    agent.open()
    agent.write(outage(range(100, 101)))
    server.fault("commit", "drop", when="after")
    with pytest.raises(RetryableError):
        agent.write(outage(range(3, 15)))
    agent.close()
    found = ledger(case, database, "--accept-duplicates")
    assert (found["inserted"], found["duplicates"]) == (8, 12)
    assert Counter(database.rows()) == Counter([*expected, row(100)])
    server.sql("DROP TABLE marks")


def test_out_of_retries_it_says_why_and_where_it_resumes(case: Case, database: Database) -> None:
    divert(case, "backup", rows=1000)
    database.server.listener_stop()
    code, out, err = replay(case, database.environ, "--yes")
    assert code == 1
    assert re.search(r"^error: backup_\S+: warehouse failed after 3 attempts: ", err, re.MULTILINE)
    assert "the same command resumes at record 0 of backup_" in out
    assert "Traceback" not in err
    assert len(case.fallback_files()) == 2


def test_a_wrong_password_is_tried_once(case: Case, database: Database) -> None:
    divert(case, "backup", rows=1000)
    environ = {**database.environ, "ORACLE_PASSWORD": "nobody-knows"}
    database.server.reset_counters()
    code, _, err = replay(case, environ, "--yes")
    assert code == 1
    assert "ORA-01017" in err
    assert "nobody-knows" not in err
    assert database.server.counters()["bad_logons"] == 1


def test_beside_a_running_agent_copies_go_in_and_its_own_files_are_left_to_it(case: Case, database: Database) -> None:
    expected = divert(case, "backup", rows=2000)
    copies = case.folder / "copies"
    shutil.copytree(case.folder / "backup" / "warehouse", copies, ignore=shutil.ignore_patterns(".*"))
    with case.agent(database.environ) as agent:
        wait_until(lambda: database.count() > 5, what="live values in the table")
        code, _, err = replay(case, database.environ, "--yes")
        assert code == 2
        assert "an agent runs with agent.yaml and holds the backlog of warehouse" in err
        assert replay(case, database.environ, "--preview")[0] == 0, "looking is harmless"
        before = {path: path.read_bytes() for path in copies.iterdir()}
        assert ledger(case, database, "copies/*.csv")["inserted"] == 2000
        assert {path: path.read_bytes() for path in copies.iterdir()} == before
        live = database.count()
        wait_until(lambda: database.count() > live, what="more live values in the table")
        assert agent.stop() == 0, agent.output
    assert agent.ledger("warehouse")["dropped"] == 0
    assert Counter(database.rows()) == Counter(expected) + Counter(case.collected())
    assert len(case.fallback_files()) == 2
    assert ledger(case, database) == {
        "read": 2000, "inserted": 0, "duplicates": 2000, "rejected": 0, "skipped": 0, "remaining": 0, "bad_lines": 0,
    }, "the agent's own files, once it has ended"  # fmt: skip
    assert case.fallback_files() == []


def test_what_a_killed_agent_was_writing_to_its_fallback_is_replayed(case: Case, database: Database) -> None:
    database.server.listener_stop()
    with case.agent(database.environ) as agent:
        parts = case.folder / "backup" / "warehouse"
        wait_until(
            lambda: any(path.stat().st_size > 2000 for path in parts.glob("*.part")), what="rows in the fallback"
        )
        agent.kill()
    database.server.listener_start()
    (part,) = case.fallback_files()
    assert part.suffix == ".part"
    whole = case.folder / "whole.csv"
    whole.write_bytes(part.read_bytes().rpartition(b"\n")[0])  # without a row that the kill may have cut
    expected = rows_of_csv(whole)
    found = ledger(case, database)
    assert found["inserted"] == found["read"] == len(expected) > 5
    assert case.fallback_files() == []
    assert Counter(database.rows()) == Counter(expected)


def test_a_file_of_nothing_but_rows_that_a_trigger_refuses_comes_to_its_end(case: Case, database: Database) -> None:
    expected = divert(case, "backup", files=1, rows=700)
    database.server.sql("INSERT INTO TAG_DATA VALUES ('KNOWN', '1.0', TIMESTAMP '2025-12-31 00:00:00', 'GOOD')")
    database.server.fault("execute", "ora", code=20001, value="^OLD_", match="insert", times=0)
    code, out, err = replay(case, database.environ, "--yes", "--json")
    assert code == 0, err
    result = json.loads(out)["result"]
    assert (result["ledger"]["rejected"], result["rejected_codes"]) == (700, {"ORA-20001": 700})
    assert case.fallback_files(kind="backup") == []
    assert len(case.fallback_files(kind="rejected")) == 1
    database.server.clear_faults()
    assert ledger(case, database, "--rejected")["inserted"] == 700, "once the trigger is mended"
    database.server.sql("DELETE FROM TAG_DATA WHERE tag_name = 'KNOWN'")
    assert Counter(database.rows()) == Counter(expected)


def test_while_a_trigger_refuses_everything_the_backlog_stays_where_it_is(case: Case, database: Database) -> None:
    expected = divert(case, "backup", files=1, rows=3000)
    database.server.fault("execute", "ora", code=20001, value=".", match="insert", times=0)
    code, out, _ = replay(case, database.environ, "--yes", "--json")
    result = json.loads(out)["result"]
    assert (code, result["end"]) == (1, "stopped")
    assert "the table has not taken a row" in result["error"]
    assert (result["ledger"]["rejected"], result["ledger"]["remaining"]) == (0, 3000)
    assert len(case.fallback_files(kind="backup")) == 1
    database.server.clear_faults()
    assert ledger(case, database)["inserted"] == 3000
    assert Counter(database.rows()) == Counter(expected)


def test_rows_that_a_fail_over_lost_come_back_from_the_copies_and_none_is_doubled(
    case: Case, database: Database
) -> None:
    file = case.folder / "agent.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("min_free_disk: 1MiB", "min_free_disk: 1MiB, max_file_age: 1s, keep_done: 1h"), "utf-8"
    )
    with case.agent(database.environ) as agent:
        wait_until(lambda: any((case.folder / "backup/warehouse/done").glob("delivered_*.csv")), what="a copy")
        database.server.sql("DELETE FROM tag_data")  # behind the agent's back, as on an asynchronous standby
        assert ledger(case, database, "--delivered")["inserted"] > 0  # beside it: what is complete
        assert agent.stop() == 0
    kept, collected = database.count(), case.collected()
    found = ledger(case, database, "--delivered")
    assert (found["inserted"], found["duplicates"]) == (len(collected) - kept, kept)
    assert Counter(database.rows()) == Counter(collected)
