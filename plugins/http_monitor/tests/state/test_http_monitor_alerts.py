"""Alerts: each names what is wrong and the next step, and goes when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from http_monitor.state.alerts.alert import Alert
from http_monitor.state.alerts.board import AlertBoard
from http_monitor.state.storage import StorageSnapshot
from monitored.fake_agent import FakeAgent, group_status, sink_status

from agent_core.api import (
    BacklogFile,
    BufferStats,
    Finding,
    GroupState,
    GroupStatus,
    LedgerSnapshot,
    Severity,
    SinkState,
    SinkStatus,
    SourceState,
    SourceStatus,
)

NOTHING = StorageSnapshot()
WELL = [group_status("PROCESS")]


class Case:
    """A board and its clock."""

    def __init__(self) -> None:
        self.board = AlertBoard()
        self.seconds = 0.0

    def judge(
        self,
        sink: SinkStatus | None = None,
        groups: Sequence[GroupStatus] = WELL,
        storage: StorageSnapshot = NOTHING,
        source: SourceStatus | None = None,
        *,
        stopping: bool = False,
    ) -> tuple[Alert, ...]:
        agent = FakeAgent(sinks=[sink or sink_status()])
        if source is not None:
            agent.sources = [source]
        return self.board.judge(agent.status(), groups, storage, self.seconds, stopping=stopping)


def codes(alerts: Sequence[Alert]) -> list[str]:
    for alert in alerts:
        assert alert.next_step.endswith((".", "tagferry replay")), alert
        assert alert.message, alert
    return [alert.code for alert in alerts]


@pytest.fixture
def case() -> Case:
    return Case()


def ledger(**accounts: int) -> LedgerSnapshot:
    total = sum(accounts.values())
    reasons = {"buffer_full": accounts.get("dropped", 0)}
    diverted = {"buffer_full": accounts.get("diverted", 0)}
    return LedgerSnapshot(collected=total, dropped_by_reason=reasons, diverted_by_reason=diverted, **accounts)


def test_nothing_is_wrong_with_an_agent_that_works(case: Case) -> None:
    assert case.judge() == ()


@pytest.mark.parametrize("state", [state for state in SinkState if state is not SinkState.UP])
def test_every_state_but_up_is_an_alert(case: Case, state: SinkState) -> None:
    [alert] = case.judge(sink_status(state=state))
    assert codes([alert]) == [f"sink_{state}"]
    safe = state in (SinkState.RETRYING, SinkState.PAUSED)
    assert alert.severity is (Severity.WARNING if safe else Severity.CRITICAL)


def test_a_log_in_that_is_refused_says_what_to_do(case: Case) -> None:
    [alert] = case.judge(replace(sink_status(state=SinkState.LOCKED_OUT), last_error="ORA-01017: invalid credential"))
    assert "ORA-01017" in alert.message
    assert "password" in alert.next_step


@pytest.mark.parametrize("state", [SinkState.DOWN, SinkState.THROTTLED, SinkState.LOCKED_OUT, SinkState.MISCONFIGURED])
def test_the_next_step_is_that_of_the_error_where_it_says_one(case: Case, state: SinkState) -> None:
    step = "ask the DBA to unlock the account"
    error = f"log in to db1 as SCOTT: ORA-28000: the account is locked ({step})"
    [alert] = case.judge(replace(sink_status(state=state), last_error=error, next_step=step))
    assert alert.next_step == "Ask the DBA to unlock the account."
    assert alert.message.endswith(": log in to db1 as SCOTT: ORA-28000: the account is locked")


def test_while_a_write_is_retried_there_is_nothing_to_do_whatever_the_error_says(case: Case) -> None:
    sink = replace(sink_status(state=SinkState.RETRYING), last_error="ORA-12541 (check dsn:)", next_step="check dsn:")
    [alert] = case.judge(sink)
    assert alert.next_step.startswith("Nothing to do yet")


def test_what_a_sink_advises_is_a_warning_with_its_step(case: Case) -> None:
    finding = Finding(Severity.WARNING, "account SCOTT", "its password expires in 3 days", "have it changed")
    [alert] = case.judge(replace(sink_status(), advice=(finding,)))
    assert codes([alert]) == ["sink_advice"]
    assert alert.severity is Severity.WARNING
    assert (alert.subject, alert.message) == ("warehouse", "account SCOTT: its password expires in 3 days")
    assert alert.next_step == "Have it changed."
    [bare] = case.judge(replace(sink_status(), advice=(replace(finding, next_step=None),)))
    assert codes([bare]) == ["sink_advice"]
    [critical] = case.judge(replace(sink_status(), advice=(replace(finding, severity=Severity.CRITICAL),)))
    assert critical.severity is Severity.CRITICAL, "such as a fallback that stores nothing"


def test_an_alert_remembers_since_when_it_stands(case: Case) -> None:
    case.judge(sink_status(state=SinkState.DOWN))
    case.seconds = 90.0
    [alert] = case.judge(sink_status(state=SinkState.DOWN))
    assert alert.since_seconds == 90.0
    assert case.judge() == ()
    case.seconds = 100.0
    [alert] = case.judge(sink_status(state=SinkState.DOWN))
    assert alert.since_seconds == 0.0


@pytest.mark.parametrize(
    ("pending", "severity"), [(6_900, None), (7_000, Severity.WARNING), (9_600, Severity.CRITICAL)]
)
def test_a_buffer_that_fills_is_an_alert_before_it_is_full(case: Case, pending: int, severity: Severity | None) -> None:
    sink = replace(sink_status(), buffer=BufferStats(10_000, pending, 0))
    assert [alert.severity for alert in case.judge(sink)] == ([] if severity is None else [severity])


def test_dropped_records_stay_an_alert_for_five_minutes(case: Case) -> None:
    lost = replace(sink_status(), ledger=ledger(delivered=10, dropped=7))
    [alert] = case.judge(lost)
    assert codes([alert]) == ["records_dropped"], "that the buffer was full is its reason, not another alert"
    assert "7 records" in alert.message
    assert "buffer_full" in alert.message
    case.seconds = 299.0
    assert codes(case.judge(lost)) == ["records_dropped"]
    case.seconds = 301.0
    assert case.judge(lost) == ()


def test_records_that_did_not_fit_and_went_into_files_are_a_warning(case: Case) -> None:
    assert codes(case.judge(replace(sink_status(), ledger=ledger(delivered=10, diverted=3)))) == ["buffer_overflow"]


def test_rejected_records_are_an_alert(case: Case) -> None:
    assert codes(case.judge(replace(sink_status(), ledger=ledger(delivered=10, rejected=3)))) == ["records_rejected"]


def test_one_record_is_said_as_one(case: Case) -> None:
    one = replace(sink_status(), ledger=ledger(dropped=1, rejected=1, diverted=1))
    said = " ".join(alert.message for alert in case.judge(one))
    assert said.count("1 record ") == 3
    assert "1 records" not in said


def test_a_sink_that_cannot_keep_up_is_an_alert(case: Case) -> None:
    slow = replace(sink_status(), buffer=BufferStats(10_000, 100, 0, oldest_age_seconds=61.0))
    assert codes(case.judge(slow)) == ["sink_behind"]


def test_a_backlog_that_nothing_replays_is_an_alert(case: Case) -> None:
    waits = StorageSnapshot({"warehouse": [BacklogFile("backup_1.csv", 10, 1, rejected=False)]})
    assert codes(case.judge(replace(sink_status(), replay=None), storage=waits)) == ["backlog_waits"]
    assert case.judge(sink_status(), storage=waits) == (), "automatic replay takes care of it"


def test_a_ledger_that_does_not_balance_is_a_defect(case: Case) -> None:
    assert codes(case.judge(replace(sink_status(), ledger=LedgerSnapshot(collected=5)))) == ["ledger_unbalanced"]


def group(group_id: str, device: str = "PLC01", **changes: object) -> GroupStatus:
    return replace(group_status(group_id), device_id=device, **changes)  # type: ignore[arg-type]


def away(group_id: str, device: str = "PLC01", **changes: object) -> GroupStatus:
    return group(group_id, device, state=GroupState.BACKING_OFF, last_error="timed out", **changes)


def test_groups_that_do_not_poll_are_alerts(case: Case) -> None:
    groups = [
        away("AWAY", "PLC01"),
        group("STALE", "PLC02", stale=True),
        group("STOPPED", "PLC03", state=GroupState.STOPPED, stale=True),
        group("SLOW", "PLC04", missed=4),
    ]
    found = case.judge(groups=groups)
    assert [(alert.code, alert.subject) for alert in found] == [
        ("device_away", "PLC01"),
        ("group_stale", "STALE"),
        ("polls_missed", "SLOW"),
        ("group_stopped", "STOPPED"),
    ]
    assert "timed out" in found[0].message
    assert "A poll takes up to 20 ms: lengthen the interval" in found[2].next_step


def test_a_device_that_is_away_is_one_alert_whatever_it_holds_up(case: Case) -> None:
    groups = [away(f"G{number}", stale=True) for number in range(10)] + [group("LAST", stale=True), group("B", "PLC02")]
    [alert] = case.judge(groups=groups)
    assert (alert.code, alert.subject) == ("device_away", "PLC01")
    assert "10 groups (G0, G1, G2 and 7 more) are not collected" in alert.message


def test_polls_missed_while_the_device_was_away_are_no_reason_to_change_the_interval(case: Case) -> None:
    case.judge(groups=[group("G", missed=1)])
    case.seconds = 10.0
    assert codes(case.judge(groups=[away("G", missed=40)])) == ["device_away"]
    case.seconds = 11.0
    assert case.judge(groups=[group("G", missed=60)]) == (), "counted with the first poll that worked"
    case.seconds = 10.0 + 1.0 + 299.0
    assert case.judge(groups=[group("G", missed=61)]) == ()
    case.seconds = 10.0 + 1.0 + 301.0
    [alert] = case.judge(groups=[group("G", missed=64)])
    assert alert.message == "3 polls were skipped in the last 5 minutes"


def test_groups_of_one_device_that_miss_polls_are_one_alert(case: Case) -> None:
    [alert] = case.judge(groups=[group("A", missed=2), group("B", missed=3), group("C")])
    assert (alert.code, alert.subject) == ("polls_missed", "PLC01")
    assert alert.message == "5 polls of 2 groups (A, B) were skipped in the last 5 minutes"


def test_stopping_ten_groups_is_one_line_and_stopping_all_is_critical(case: Case) -> None:
    stopped = [group(f"G{number}", state=GroupState.STOPPED) for number in range(10)]
    [alert] = case.judge(groups=[*stopped, group("RUNS")])
    assert (alert.code, alert.severity) == ("group_stopped", Severity.WARNING)
    assert alert.message == "10 groups are stopped by an operator (G0, G1, G2 and 7 more)"
    [alert] = case.judge(groups=stopped)
    assert (alert.code, alert.severity) == ("nothing_collected", Severity.CRITICAL)
    assert alert.message == "nothing is collected: all 10 groups are stopped by an operator (G0, G1, G2 and 7 more)"


@pytest.mark.parametrize(
    ("state", "severity"),
    [
        (SourceState.STARTING, Severity.WARNING),
        (SourceState.STALE, Severity.CRITICAL),
        (SourceState.FAILED, Severity.CRITICAL),
    ],
)
def test_a_source_that_does_not_run_is_an_alert(case: Case, state: SourceState, severity: Severity) -> None:
    source = SourceStatus("line1", "polling_source", 0, None, state=state)
    [alert] = case.judge(source=source)
    assert codes([alert]) == [f"source_{state}"]
    assert (alert.subject, alert.severity) == ("line1", severity)
    [alert] = case.judge(source=replace(source, problem="thread poll-1 has died", next_step="restart the agent"))
    assert (alert.message, alert.next_step) == ("thread poll-1 has died", "Restart the agent.")


def test_a_source_is_not_stale_for_a_reason_of_its_own_while_its_device_is_away(case: Case) -> None:
    source = SourceStatus("line1", "polling_source", 0, None, state=SourceState.STALE)
    assert codes(case.judge(source=source, groups=[away("G")])) == ["device_away"]


def test_what_a_source_refuses_or_its_transforms_raise_is_an_alert(case: Case) -> None:
    source = SourceStatus("line1", "x", 0, None, refused_batches=2, failures={"transform 1 (scale)": 3})
    refused, failed = case.judge(source=source)
    assert codes([refused, failed]) == ["batches_refused", "transform_failed"]
    assert failed.message == "transform 1 (scale) raised 3 times in the last 5 minutes"


def test_an_observer_that_does_not_return_is_critical(case: Case) -> None:
    status = replace(FakeAgent(sinks=[sink_status()]).status(), hanging_observers=("slow_metrics",))
    [alert] = case.board.judge(status, WELL, NOTHING, 0.0)
    assert codes([alert]) == ["observer_hangs"]
    assert (alert.subject, alert.severity) == ("slow_metrics", Severity.CRITICAL)


def test_a_part_that_the_agent_runs_without_is_critical(case: Case) -> None:
    status = replace(FakeAgent(sinks=[sink_status()]).status(), left_out=("extension page (acme, acme 1.2)",))
    [alert] = case.board.judge(status, WELL, NOTHING, 0.0)
    assert codes([alert]) == ["part_left_out"]
    assert (alert.subject, alert.severity) == ("extension page (acme, acme 1.2)", Severity.CRITICAL)


def test_a_sink_without_a_worker_is_critical_but_not_while_the_agent_stops(case: Case) -> None:
    sink = replace(sink_status(), workers_running=0)
    assert codes(case.judge(sink)) == ["sink_without_worker"]
    assert case.judge(sink, stopping=True) == ()
    assert codes(case.judge(replace(sink, state=SinkState.DOWN))) == ["sink_down"], "which says it already"


def test_a_write_that_takes_long_is_a_warning_before_it_counts_as_down(case: Case) -> None:
    assert case.judge(replace(sink_status(), write_seconds=9.0)) == ()
    [alert] = case.judge(replace(sink_status(), write_seconds=2.0, divert_after_seconds=2.0))
    assert alert.code == "write_hangs", "records leave for the fallback: that is more than catching up"
    [alert] = case.judge(replace(sink_status(), write_seconds=23.4))
    assert codes([alert]) == ["write_hangs"]
    assert "23 s" in alert.message


def test_the_next_step_of_a_sink_that_says_none_fits_every_type(case: Case) -> None:
    [alert] = case.judge(replace(sink_status(state=SinkState.DOWN), last_error="out.db: locked"))
    assert "server" not in alert.next_step
    assert alert.next_step.startswith("Fix what the error says.")


@pytest.mark.parametrize(
    ("free_gb", "total_gb", "found"),
    [(50, 1000, []), (1, 8, []), (1, 20, ["warning"]), (0.5, 20, ["critical"])],
)
def test_a_disk_that_fills_is_an_alert(case: Case, free_gb: float, total_gb: float, found: list[str]) -> None:
    storage = StorageSnapshot({}, int(free_gb * 1e9), int(total_gb * 1e9))
    assert [alert.severity for alert in case.judge(storage=storage)] == found


def test_critical_alerts_come_first_and_long_errors_are_cut(case: Case) -> None:
    sink = replace(sink_status(state=SinkState.DOWN), last_error="x" * 1000)
    stopped = [group_status("G", state=GroupState.STOPPED), group_status("RUNS")]
    first, second = case.judge(sink, stopped)
    assert (first.severity, second.severity) == (Severity.CRITICAL, Severity.WARNING)
    assert len(first.message) < 250
