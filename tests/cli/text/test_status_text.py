from __future__ import annotations

from dataclasses import replace

from cli.fake_agent import agent_status, sink_status

from agent_core.api import LedgerSnapshot, ReplayStatus, SinkState
from agent_core.cli.text.status_text import StatusLine, ledger_lines, waiting_text


def test_the_line_shows_the_ledger_and_the_rate() -> None:
    line = StatusLine()
    up = sink_status(ledger=LedgerSnapshot(collected=350, delivered=300, pending=50))
    assert line.text(agent_status(350, 1.0, [up])) == (
        "00:00:01  collected 350  350 records/s  "
        "warehouse up: written 300, in memory 50, in files 0, rejected 0, lost 0"
    )
    more = sink_status(ledger=LedgerSnapshot(collected=12_350, delivered=12_000, pending=350))
    assert line.text(agent_status(12_350, 4.0, [more])).startswith("00:00:04  collected 12,350  4,000 records/s")


def test_what_went_wrong_is_shown_only_when_it_did() -> None:
    down = sink_status(
        state=SinkState.DOWN,
        last_error="ORA-12541: no listener\n at host " + "x" * 200,
        next_probe_seconds=29.6,
        ledger=LedgerSnapshot(collected=100, duplicates=1, rejected=2, diverted=90, dropped=7),
    )
    text = StatusLine().text(agent_status(100, 3725.0, [down]))
    assert text.startswith("01:02:05  collected 100")
    assert "warehouse down: written 1, in memory 0, in files 90, rejected 2, lost 7  next probe" in text
    assert "next probe in 30 s  (ORA-12541: no listener at host xxx" in text
    assert "\n" not in text


def test_every_sink_has_its_part() -> None:
    text = StatusLine().text(agent_status(1, 1.0, [sink_status("a"), sink_status("b", SinkState.RETRYING)]))
    assert "a up:" in text
    assert "b retrying:" in text


def test_a_status_without_elapsed_time_has_no_rate() -> None:
    assert "0 records/s" in StatusLine().text(agent_status(5, 0.0))


def test_the_ledger_is_a_table_that_says_whether_it_balances() -> None:
    good = sink_status(
        "warehouse",
        ledger=LedgerSnapshot(
            collected=12_345,
            delivered=12_000,
            diverted=300,
            dropped=45,
            diverted_by_reason={"sink_down": 100, "retries_exhausted": 200},
            dropped_by_reason={"buffer_full": 45},
        ),
    )
    bad = sink_status("second", ledger=LedgerSnapshot(collected=1))
    assert ledger_lines(agent_status(0, 0.0, [good, bad])) == [
        "where the records are  written  in memory  in files  rejected  lost",
        "warehouse               12,000          0       300         0    45",
        "second                       0          0         0         0     0",
        "warehouse: 300 records are waiting in files; run: tagferry replay",
        "",
        "sink       collected  delivered  diverted  dropped  pending  balances",
        "warehouse     12,345     12,000       300       45        0       yes",
        "second             1          0         0        0        0        NO",
        "warehouse diverted: retries_exhausted 200, sink_down 100",
        "warehouse dropped: buffer_full 45",
    ]


def test_what_came_back_is_a_ledger_of_its_own() -> None:
    replay = ReplayStatus(read=1200, inserted=1000, duplicates=190, rejected=10, backlog_files=2)
    sink = replace(sink_status(ledger=LedgerSnapshot(collected=1200, diverted=1200)), replay=replay)
    lines = ledger_lines(agent_status(0, 0.0, [sink]))
    assert lines[-1] == "warehouse written back: 1,190 (inserted 1,000, duplicates 190, rejected 10)"
    assert lines[1].split() == ["warehouse", "1,190", "0", "0", "0", "0"]
    quiet = replace(sink, replay=ReplayStatus())
    assert "written back" not in "\n".join(ledger_lines(agent_status(0, 0.0, [quiet])))


def test_a_stop_says_how_many_records_wait_in_files_and_what_becomes_of_them() -> None:
    replay = ReplayStatus(waiting_records=18_799, counted=False)
    sink = replace(sink_status(ledger=LedgerSnapshot(collected=9, diverted=9)), replay=replay)
    lines = ledger_lines(agent_status(0, 0.0, [sink]))
    assert lines[1].split() == ["warehouse", "0", "0", "~18,799", "~0", "0"], "~ marks what is not counted yet"
    assert lines[2] == "warehouse: ~18,799 records are waiting in files; the next run writes them back"
    kept = replace(sink, replay=replace(replay, refusal="run: tagferry replay --accept-duplicates"))
    assert ledger_lines(agent_status(0, 0.0, [kept]))[2].endswith("in files; run: tagferry replay --accept-duplicates")
    manual = replace(sink, replay=replace(replay, automatic=False, counted=True))
    assert ledger_lines(agent_status(0, 0.0, [manual]))[2].endswith("run: tagferry replay")


def test_a_stop_says_what_it_waits_for() -> None:
    busy = sink_status(state=SinkState.RETRYING, ledger=LedgerSnapshot(collected=1234, pending=1234))
    assert waiting_text(agent_status(0, 0.0, [busy])) == "waiting for 1,234 records of warehouse (retrying)"
    assert waiting_text(agent_status(0, 0.0)) == "waiting for the parts to close"


def test_one_record_is_said_as_one() -> None:
    one = LedgerSnapshot(collected=2, pending=1, diverted=1)
    sink = sink_status(ledger=one, state=SinkState.DOWN)
    assert waiting_text(agent_status(2, 1.0, [sink])) == "waiting for 1 record of warehouse (down)"
    assert "warehouse: 1 record is waiting in files; run: tagferry replay" in ledger_lines(agent_status(2, 1.0, [sink]))
