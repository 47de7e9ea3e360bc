"""Replaying a file: requested over HTTP, followed, and accounted for in the events."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from monitored.fake_agent import sink_status
from monitored.running import Monitored

from agent_core.api import (
    BacklogFile,
    Batch,
    Origin,
    Rejection,
    ReplayStatus,
    SinkState,
    WriteOutcome,
)
from agent_core.testing.clock import START_NS
from agent_core.testing.suite.patience import PATIENCE_SECONDS

BACKUP = BacklogFile("backup_1.csv", 1000, 20, rejected=False)
REJECTED = BacklogFile("rejected_1.csv", 300, None, rejected=True)
REPLAY = "/api/sinks/warehouse/backups/{}/replay"


@pytest.fixture
def waiting(monitored: Monitored) -> Monitored:
    """An agent with one file of each kind, that replays nothing automatically."""
    monitored.agent.files = {"warehouse": [BACKUP, REJECTED]}
    stands(monitored, ReplayStatus(automatic=False))
    monitored.look()
    return monitored


def stands(monitored: Monitored, replay: ReplayStatus, state: SinkState = SinkState.UP) -> None:
    monitored.agent.sinks = [replace(sink_status(state=state), replay=replay)]


def replayed(monitored: Monitored, file: str, *outcomes: WriteOutcome) -> None:
    """As the replay thread does, batch by batch."""
    for outcome in outcomes:
        batch = Batch.of(Origin("line1", "PLC01", "PROCESS"), ["T"] * outcome.total, [1] * outcome.total, START_NS)
        monitored.events.batch_delivered("warehouse", batch, outcome, 1, 0.01, replayed_file=file)


def replay_events(monitored: Monitored) -> Sequence[tuple[str, str]]:
    events = monitored.client.get("/api/events").json()["events"]
    return [(event["subject"], event["message"]) for event in events if event["kind"] == "replay"]


@pytest.mark.parametrize("file", [BACKUP, REJECTED])
def test_a_file_of_either_kind_is_requested(waiting: Monitored, file: BacklogFile) -> None:
    answer = waiting.client.post(REPLAY.format(file.name))
    assert answer.status == 202
    assert answer.json() == {
        "success": True,
        "message": f"{file.name} will be replayed next",
        "sink_id": "warehouse",
        "file": file.name,
        "state": "waiting",
        "files_ahead": 0,
    }
    assert waiting.agent.replayed == [("warehouse", file.name)]


def test_the_answer_says_what_comes_first(waiting: Monitored) -> None:
    stands(waiting, ReplayStatus(requested_files=("a.csv", "b.csv", "backup_1.csv"), current_file="a.csv"))
    answer = waiting.client.post(REPLAY.format("backup_1.csv")).json()
    assert (answer["state"], answer["files_ahead"]) == ("requested", 2)
    assert answer["message"] == "backup_1.csv will be replayed after 2 others"
    stands(waiting, ReplayStatus(), SinkState.PAUSED)
    message = waiting.client.post(REPLAY.format("backup_1.csv")).json()["message"]
    assert message == "backup_1.csv will be replayed when warehouse is up again; it is paused now"


def test_what_is_not_there_is_not_found(waiting: Monitored) -> None:
    answer = waiting.client.post(REPLAY.format("backup_2.csv"))
    assert (answer.status, answer.json()["detail"]) == (
        404,
        "no file called 'backup_2.csv' waits in the fallback of warehouse",
    )
    assert waiting.client.post("/api/sinks/elsewhere/backups/backup_1.csv/replay").status == 404


def test_a_refusal_comes_with_its_reason(waiting: Monitored, caplog: pytest.LogCaptureFixture) -> None:
    waiting.agent.refusal = "warehouse has no unique key"
    answer = waiting.client.post(REPLAY.format("backup_1.csv"))
    assert (answer.status, answer.json()) == (409, {"detail": "warehouse has no unique key"})
    who = "by=loopback client=127.0.0.1 note=-"
    assert f"operator action refused: action=replay_backup target='warehouse/backup_1.csv' {who}" in caplog.text


def test_a_disk_that_cannot_be_read_is_no_server_error(
    waiting: Monitored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(sink_id: str) -> Sequence[BacklogFile]:
        raise PermissionError(13, "Permission denied", "/var/backup")

    monkeypatch.setattr(waiting.agent, "backlog", failing)
    answer = waiting.client.post(REPLAY.format("backup_1.csv"))
    assert (answer.status, answer.json()["detail"]) == (
        503,
        "the backup files of warehouse cannot be read now: Permission denied",
    )
    assert "operator action refused" in caplog.text


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "..%5C..%5Cboot.ini",
        "C:%5Cboot.ini",
        "backup_1.csv%00",
        "backup_1.csv%0Acontrol: action=stop_all",
        "%1B%5B2J",
        "%FF%FE",
        "%ED%B3%BF",
        "%3Cscript%3E",
        "backup_1.csv%20",
        "BACKUP_1.csv%3F",
        "a" * 5000,
    ],
)
def test_a_name_is_only_compared(waiting: Monitored, name: str, caplog: pytest.LogCaptureFixture) -> None:
    answer = waiting.client.post(REPLAY.format(name))
    assert answer.status in (404, 422)
    assert waiting.agent.replayed == []
    assert all(record.message.isprintable() for record in caplog.records)


@pytest.mark.parametrize("name", ["a\nb.csv", "\x1b[2J.csv", "<b>.csv", "충전기.csv", "b\udcff.csv"])
def test_a_file_that_has_an_odd_name_garbles_nothing(
    waiting: Monitored, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "http_monitor")
    waiting.agent.files = {"warehouse": [BacklogFile(name, 1, 1, rejected=False)]}
    waiting.look()
    [file] = waiting.client.get("/api/backups").json()["files"]
    assert file["name"] == name.encode("utf-8", "backslashreplace").decode()
    asked = "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogateescape"))
    answer = waiting.client.post(REPLAY.format(asked))
    assert answer.status == (404 if "\udcff" in name else 202)
    assert waiting.client.get("/api/events").status == 200
    assert all(record.message.isprintable() for record in caplog.records)


def test_each_request_is_logged_with_who_and_what(waiting: Monitored, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "http_monitor")
    waiting.client.post(REPLAY.format("rejected_1.csv"), X_Operator="Kim")
    done = "action=replay_backup target=warehouse/rejected_1.csv by=loopback client=127.0.0.1 note=Kim outcome=done"
    assert f"operator action: {done}" in caplog.text
    [event, *_] = waiting.client.get("/api/events").json()["events"]
    assert (event["kind"], event["subject"]) == ("operator_action", "warehouse")
    assert event["message"] == "replay_backup rejected_1.csv by loopback from 127.0.0.1 (note: Kim): done"


def test_how_a_file_stands_is_listed_and_pushed(waiting: Monitored) -> None:
    def listed() -> list[tuple[str, str, bool]]:
        files = waiting.client.get("/api/backups").json()["files"]
        return [(file["name"], file["state"], file["automatic"]) for file in files]

    assert listed() == [("rejected_1.csv", "waiting", False), ("backup_1.csv", "waiting", False)]
    stands(waiting, ReplayStatus(requested_files=("rejected_1.csv",), current_file="backup_1.csv"))
    assert listed() == [("rejected_1.csv", "requested", False), ("backup_1.csv", "replaying", True)]
    replay = waiting.client.get("/api/live").json()["sinks"][0]["replay"]
    assert (replay["requested_files"], replay["current_file"]) == (["rejected_1.csv"], "backup_1.csv")
    assert replay["automatic"] is True


def test_the_end_of_a_file_is_an_event_that_accounts_for_its_records(waiting: Monitored) -> None:
    waiting.client.post(REPLAY.format("rejected_1.csv"))
    stands(waiting, ReplayStatus(requested_files=("rejected_1.csv",), current_file="rejected_1.csv"))
    refused = (Rejection(0, "ORA-12899", "too long"),)
    replayed(waiting, "rejected_1.csv", WriteOutcome(1200, 3), WriteOutcome(4, 0, refused))
    waiting.look()
    assert replay_events(waiting) == [], "it is not over"
    waiting.agent.files = {"warehouse": [BACKUP]}
    stands(waiting, ReplayStatus())
    replayed(waiting, "backup_1.csv", WriteOutcome(7))
    waiting.look()
    waiting.look()
    message = "rejected_1.csv was replayed: 1,204 inserted, 3 duplicates, 1 rejected again"
    assert replay_events(waiting) == [("warehouse", message)], "records of another file do not count"


def test_a_file_that_was_not_replayed_after_all_is_said_to_wait(waiting: Monitored) -> None:
    waiting.client.post(REPLAY.format("backup_1.csv"))
    waiting.look()
    assert replay_events(waiting) == [("warehouse", "backup_1.csv was not replayed and still waits; the log says why")]


def test_a_file_that_nobody_requested_is_an_event_as_well(waiting: Monitored) -> None:
    stands(waiting, ReplayStatus(current_file="backup_1.csv"))
    replayed(waiting, "backup_1.csv", WriteOutcome(20))
    waiting.agent.files = {"warehouse": []}
    stands(waiting, ReplayStatus())
    waiting.look()
    assert replay_events(waiting) == [("warehouse", "backup_1.csv was replayed: 20 inserted")]


def test_the_files_of_a_catch_up_are_one_event_each_minute(waiting: Monitored) -> None:
    stands(waiting, ReplayStatus())
    for number in range(4):
        replayed(waiting, f"backup_{number}.csv", WriteOutcome(20))
        if number % 2:
            waiting.agent.files = {"warehouse": []}
            waiting.look()
    [event] = waiting.client.get("/api/events").json()["events"][:1]
    assert (event["kind"], event["message"]) == ("replay", "backup files were replayed")
    assert (event["count"], event["records"]) == (4, 80)


def test_a_folder_that_cannot_be_read_leaves_the_end_open(waiting: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(sink_id: str) -> Sequence[BacklogFile]:
        raise OSError(5, "Input/output error")

    waiting.client.post(REPLAY.format("backup_1.csv"))
    with monkeypatch.context() as patched:
        patched.setattr(waiting.agent, "backlog", failing)
        waiting.look()
        assert replay_events(waiting) == []
    waiting.agent.files = {}
    waiting.look()
    assert replay_events(waiting) == [("warehouse", "backup_1.csv is done: it had no records left to write")]


def test_the_disk_is_examined_when_files_come_or_go(waiting: Monitored) -> None:
    def changed() -> bool:
        waiting.tick()
        return waiting.state.files_changed

    assert not changed()
    stands(waiting, ReplayStatus(backlog_files=1))
    assert [changed(), changed()] == [True, False]
    stands(waiting, ReplayStatus(backlog_files=1, current_file="backup_1.csv"))
    assert [changed(), changed()] == [True, False]
    waiting.client.post(REPLAY.format("backup_1.csv"))
    stands(waiting, ReplayStatus(backlog_files=1))
    assert [changed(), changed()] == [True, True], "its end waits to be noted"
    waiting.look()
    assert changed() is False


def test_a_look_that_takes_long_does_not_bring_back_a_file_that_was_deleted_meanwhile(
    waiting: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing, listed, goes_on = waiting.agent.backlog, threading.Event(), threading.Event()

    def slow_at_first(sink_id: str) -> Sequence[BacklogFile]:
        found = listing(sink_id)
        if not listed.is_set():
            listed.set()
            assert goes_on.wait(PATIENCE_SECONDS)
        return found

    monkeypatch.setattr(waiting.agent, "backlog", slow_at_first)
    look = threading.Thread(target=waiting.look)
    look.start()
    assert listed.wait(PATIENCE_SECONDS)
    waiting.agent.delete_rejected("warehouse", "rejected_1.csv")
    next_look = threading.Thread(target=waiting.look)
    next_look.start()
    next_look.join(0.1)  # it waits for the other; if it did not, it would be over by now
    goes_on.set()
    for thread in (look, next_look):
        thread.join(PATIENCE_SECONDS)
    assert [file["name"] for file in waiting.client.get("/api/backups").json()["files"]] == ["backup_1.csv"]


def test_texts_of_another_encoding_break_no_answer(monitored: Monitored) -> None:
    monitored.agent.sinks = [replace(sink_status(state=SinkState.DOWN), last_error="cannot open b\udcff")]
    monitored.tick()
    assert monitored.client.get("/api/live").json()["sinks"][0]["last_error"] == "cannot open b\\udcff"
    assert monitored.client.get("/api/buffer/health").status == 503


def test_a_replay_that_would_be_refused_is_known_before_anybody_requests_it(waiting: Monitored) -> None:
    stands(waiting, ReplayStatus(automatic=True, refusal="warehouse has no unique key"))
    live = waiting.client.get("/api/live").json()
    assert live["sinks"][0]["replay"]["refusal"] == "warehouse has no unique key"
    [alert] = [alert for alert in live["alerts"] if alert["code"] == "backlog_waits"]
    assert alert["next_step"] == "warehouse has no unique key."
    assert [file["automatic"] for file in waiting.client.get("/api/backups").json()["files"]] == [False, False]
