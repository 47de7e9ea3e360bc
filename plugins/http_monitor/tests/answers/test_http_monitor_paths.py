"""What each path answers."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace

import pytest
from monitored.fake_agent import FakeAgent, group_status, sink_status
from monitored.running import MakeMonitored, Monitored
from pytest_mock import MockerFixture

from agent_core.api import (
    BAD,
    BacklogFile,
    Batch,
    DivertReason,
    DropReason,
    GroupState,
    LedgerSnapshot,
    Origin,
    Rejection,
    RetryableError,
    SinkState,
    SourceStatus,
    TriggerResult,
    WriteOutcome,
)
from agent_core.testing.clock import START_NS

ORIGIN = Origin("line1", "PLC01", "PROCESS")
READING = [
    "/api/buffer/status",
    "/api/buffer/metrics",
    "/api/buffer/writer/metrics",
    "/api/polling/status",
    "/api/polling/queue/status",
    "/api/polling/groups/PROCESS/status",
    "/api/live",
]
CHANGING = [
    "/api/polling/groups/PROCESS/start",
    "/api/polling/groups/PROCESS/stop",
    "/api/polling/groups/ORDER_START/trigger",
    "/api/polling/start-all",
    "/api/polling/stop-all",
    "/api/sinks/warehouse/pause",
    "/api/sinks/warehouse/resume",
    "/api/sinks/warehouse/backups/backup_1.csv/replay",
]
WAITING = {"warehouse": [BacklogFile("backup_1.csv", 1000, 20, rejected=False)]}


def batch(*values: object) -> Batch:
    return Batch.of(ORIGIN, [f"T{number}" for number in range(len(values))], values, START_NS)  # type: ignore[arg-type]


def test_the_buffer_status_has_the_fields_of_the_existing_dashboards(monitored: Monitored) -> None:
    answer = monitored.client.get("/api/buffer/status").json()
    assert {key: answer[key] for key in ("current_size", "max_size", "utilization_pct", "overflow_count")} == {
        "current_size": 100,
        "max_size": 10_000,
        "utilization_pct": 1.0,
        "overflow_count": 0,
    }


def test_the_buffer_says_how_long_it_covers_and_when_it_is_full(monitored: Monitored) -> None:
    agent = monitored.agent
    for second in range(1, 11):
        agent.sources = [replace(agent.sources[0], collected=1000 + 500 * second)]
        agent.sinks = [sink_status(pending=100 + 200 * second)]
        monitored.tick()
    answer = monitored.client.get("/api/buffer/status").json()
    assert answer["cover_seconds"] == 10_000 / 500
    assert answer["time_to_full_seconds"] == pytest.approx((10_000 - 2100) / 200)
    [own] = answer["buffers"]
    assert own["sink_id"] == "warehouse"
    assert own["cover_seconds"] == answer["cover_seconds"]


def test_a_buffer_is_judged_by_what_its_own_sources_collect(monitored: Monitored) -> None:
    agent = monitored.agent
    agent.sources = [SourceStatus("line1", "polling_source", 0, START_NS), SourceStatus("line2", "x", 0, START_NS)]
    agent.sinks = [replace(sink_status(), inputs=("line2",))]
    for second in range(1, 4):
        agent.sources = [
            replace(source, collected=rate * second) for source, rate in zip(agent.sources, (900, 100), strict=True)
        ]
        monitored.tick()
    assert monitored.client.get("/api/buffer/status").json()["cover_seconds"] == 10_000 / 100
    assert monitored.client.get("/api/live").json()["sinks"][0]["inputs"] == ["line2"]


def test_records_that_did_not_fit_count_as_overflow_wherever_they_went(monitored: Monitored) -> None:
    ledger = LedgerSnapshot(
        collected=30,
        diverted=10,
        dropped=20,
        diverted_by_reason={"buffer_full": 7, "shutdown": 3},
        dropped_by_reason={"buffer_full": 20},
    )
    monitored.agent.sinks = [replace(sink_status(), ledger=ledger)]
    assert monitored.client.get("/api/buffer/status").json()["overflow_count"] == 27


def test_the_writer_metrics_have_the_fields_of_the_existing_dashboards(monitored: Monitored) -> None:
    for elapsed in (0.010, 0.030):
        monitored.events.batch_delivered("warehouse", batch(1, 2, 3), WriteOutcome(3), 1, elapsed, replayed_file=None)
    monitored.events.batch_failed("warehouse", batch(1), RetryableError("away"), 1, 1.0)
    answer = monitored.client.get("/api/buffer/writer/metrics").json()
    fields = ("total_writes", "successful_writes", "failed_writes", "success_rate_pct", "avg_batch_size")
    assert [answer[field] for field in fields] == [3, 2, 1, 66.667, 3.0]
    assert answer["avg_write_latency_ms"] == 20.0
    assert answer["last_write_time"] == "2026-01-01T00:00:00.000Z"
    [sink] = answer["sinks"]
    assert sink["total_writes"] == 3


def test_averages_forget_what_is_older_than_five_minutes(monitored: Monitored) -> None:
    monitored.events.batch_delivered("warehouse", batch(1, 2), WriteOutcome(2), 1, 5.0, replayed_file=None)
    monitored.clock.advance(301)
    monitored.events.batch_delivered("warehouse", batch(1), WriteOutcome(1), 1, 0.010, replayed_file=None)
    answer = monitored.client.get("/api/buffer/writer/metrics").json()
    assert (answer["successful_writes"], answer["avg_batch_size"], answer["avg_write_latency_ms"]) == (2, 1.0, 10.0)


def test_the_buffer_metrics_hold_ledger_replay_and_backups(monitored: Monitored) -> None:
    monitored.agent.files = {
        "warehouse": [
            BacklogFile("backup_1.csv", 1000, 20, rejected=False),
            BacklogFile("backup_2.csv", 500, None, rejected=False),
            BacklogFile("rejected_1.csv", 300, 3, rejected=True),
        ]
    }
    monitored.look()
    answer = monitored.client.get("/api/buffer/metrics").json()
    assert answer["backup"]["file_count"] == 2
    assert answer["backup"]["total_bytes"] == 1500
    assert answer["backup"]["rejected_file_count"] == 1
    [ledger] = answer["ledgers"]
    assert (ledger["collected"], ledger["delivered"], ledger["pending"], ledger["balanced"]) == (1000, 900, 100, True)
    assert answer["replay"]["warehouse"]["read"] == 0
    files = monitored.client.get("/api/backups").json()["files"]
    assert [file["name"] for file in files] == ["rejected_1.csv", "backup_1.csv", "backup_2.csv"]


def test_health_is_200_while_all_is_well(monitored: Monitored) -> None:
    answer = monitored.client.get("/api/buffer/health")
    assert answer.status == 200
    assert answer.json() == {"status": "ok", "healthy": True, "reasons": [], "alerts": []}


@pytest.mark.parametrize("state", [SinkState.DOWN, SinkState.THROTTLED, SinkState.LOCKED_OUT, SinkState.MISCONFIGURED])
def test_health_is_503_with_reasons_while_a_sink_is_down(monitored: Monitored, state: SinkState) -> None:
    monitored.agent.sinks = [sink_status(state=state)]
    monitored.tick()
    answer = monitored.client.get("/api/buffer/health")
    assert answer.status == 503
    body = answer.json()
    assert body["healthy"] is False
    assert "warehouse" in body["reasons"][0]
    assert "ORA-12541" in body["reasons"][0]
    assert body["alerts"][0]["code"] == f"sink_{state}"
    assert body["alerts"][0]["next_step"]


@pytest.mark.parametrize("state", [SinkState.RETRYING, SinkState.PAUSED])
def test_health_is_200_with_reasons_while_values_are_safe(monitored: Monitored, state: SinkState) -> None:
    monitored.agent.sinks = [sink_status(state=state)]
    monitored.tick()
    answer = monitored.client.get("/api/buffer/health")
    assert (answer.status, answer.json()["status"]) == (200, "degraded")


def test_the_polling_status_counts_groups_by_state(monitored: Monitored) -> None:
    monitored.agent.polling.statuses.append(group_status("AWAY", state=GroupState.BACKING_OFF))
    answer = monitored.client.get("/api/polling/status").json()
    assert (answer["total_groups"], answer["running_groups"], answer["backing_off_groups"]) == (3, 3, 1)
    assert answer["groups"][0]["group_id"] == "PROCESS"
    assert answer["groups"][0]["last_duration_ms"] == 20.0
    assert monitored.client.get("/api/polling/groups/AWAY/status").json()["state"] == "backing_off"


def test_an_unknown_group_or_sink_is_404(monitored: Monitored) -> None:
    assert monitored.client.get("/api/polling/groups/NONE/status").status == 404
    for path in ("/api/polling/groups/NONE/start", "/api/sinks/none/pause"):
        answer = monitored.client.post(path)
        assert answer.status == 404
        assert "none" in answer.json()["detail"].lower()


def test_groups_and_sinks_are_steered(monitored: Monitored) -> None:
    monitored.agent.files = WAITING
    for path in CHANGING:
        answer = monitored.client.post(path)
        assert (answer.status, answer.json()["success"]) == (202 if path.endswith("/replay") else 200, True), path
    calls = [("start", "PROCESS"), ("stop", "PROCESS"), ("trigger", "ORDER_START"), ("start_all",), ("stop_all",)]
    assert monitored.agent.polling.calls == calls
    monitored.client.post("/api/sinks/warehouse/pause")
    assert monitored.agent.paused == {"warehouse"}
    assert monitored.agent.replayed == [("warehouse", "backup_1.csv")]


def test_what_was_not_reached_says_so(monitored: Monitored) -> None:
    polling = monitored.agent.polling
    polling.stops_in_time = False
    polling.trigger_result = TriggerResult(False, 0, 2.0, "PLC01 does not answer")
    assert monitored.client.post("/api/polling/groups/PROCESS/stop").json()["success"] is False
    assert monitored.client.post("/api/polling/stop-all").json()["success"] is False
    answer = monitored.client.post("/api/polling/groups/ORDER_START/trigger").json()
    assert answer == {"success": False, "message": "PLC01 does not answer", "tags_read": 0, "duration_ms": 2000.0}


def test_each_change_is_logged_with_who_and_what(monitored: Monitored, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "http_monitor")
    monitored.client.post("/api/polling/groups/PROCESS/stop", X_Operator="Kim\x01 night shift")
    [record] = [record for record in caplog.records if record.message.startswith("operator action")]
    assert record.message == (
        "operator action: action=stop_group target=PROCESS by=loopback client=127.0.0.1 note=Kim__night_shift "
        "outcome=done"
    )
    [event, *_] = monitored.client.get("/api/events").json()["events"]
    assert (event["kind"], event["subject"]) == ("operator_action", "PROCESS")
    assert "Kim" in event["message"]


@pytest.mark.parametrize(
    "note",
    ["x by=root outcome=done", "x\x1b[2J", "x\u0085y", 'x" by="root', "x;y", "a\tb", "=", "x" * 64, "\u00a0by=root"],
)
@pytest.mark.parametrize("path", ["/api/polling/stop-all", "/api/polling/groups/none by=root/stop"])
def test_a_note_forges_no_field_of_the_log(
    make_monitored: MakeMonitored, caplog: pytest.LogCaptureFixture, note: str, path: str
) -> None:
    caplog.set_level(logging.INFO, "http_monitor")
    monitored = make_monitored(token="0123456789abcdef")
    monitored.client.post(path.replace(" ", "%20"), X_Operator=note, Authorization="Bearer 0123456789abcdef")
    [line] = [record.message for record in caplog.records if record.message.startswith("operator action")]
    assert re.search(r" by=token client=127\.0\.0\.1 note=[\w.@+-]{1,64} (outcome|error)=", line)
    assert line.isprintable()
    assert (line.count(" by="), line.count("outcome=")) in ((1, 1), (3, 0)), "an error repeats the name, in quotes"


@pytest.mark.parametrize("path", CHANGING)
def test_a_change_needs_the_token(make_monitored: MakeMonitored, path: str) -> None:
    monitored = make_monitored(token="0123456789abcdef")
    monitored.agent.files = WAITING
    answer = monitored.client.post(path)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert monitored.client.post(path, Authorization="Bearer 0123456789abcdeF").status == 401
    assert (monitored.agent.polling.calls, monitored.agent.replayed) == ([], [])
    assert monitored.client.post(path, Authorization="Bearer 0123456789abcdef").status in (200, 202)


def test_refusals_are_logged_and_do_not_flood_the_log(
    make_monitored: MakeMonitored, caplog: pytest.LogCaptureFixture
) -> None:
    monitored = make_monitored(token="0123456789abcdef")
    for _ in range(20):
        monitored.client.post("/api/polling/stop-all", Authorization="Bearer guess-guess")
    monitored.clock.advance(11)
    monitored.client.post("/api/polling/stop-all", Origin="http://evil.example")
    refused = [record.message for record in caplog.records if record.message.startswith("request refused")]
    assert len(refused) == 2
    assert "client=127.0.0.1" in refused[0]
    assert refused[1].endswith(" repeated=19")
    assert "guess-guess" not in caplog.text


def test_without_a_thread_to_be_had_changing_is_refused_and_reading_works(
    monitored: Monitored, mocker: MockerFixture
) -> None:
    mocker.patch("threading.Thread.start", side_effect=RuntimeError("can't start new thread"))
    answer = monitored.client.post("/api/polling/stop-all")
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"].startswith("no thread can be started for this now")
    assert monitored.client.get("/api/live").status == 200
    assert monitored.agent.polling.calls == []
    mocker.patch("threading.Thread.start", side_effect=RuntimeError("another defect"))
    with pytest.raises(RuntimeError, match="another defect"):
        monitored.client.post("/api/polling/stop-all")


def test_a_large_body_is_refused(monitored: Monitored) -> None:
    assert monitored.client.post("/api/polling/start-all", b"x" * 20_000).status == 413
    assert monitored.client.post("/api/polling/start-all", b"x" * 1_000).status == 200
    assert monitored.client.post("/api/polling/start-all", Content_Length="9" * 5_000).status == 413


@pytest.mark.parametrize("path", READING)
def test_before_the_start_there_is_nothing_to_show(make_monitored: MakeMonitored, path: str) -> None:
    monitored = make_monitored(started=False)
    answer = monitored.client.get(path)
    assert (answer.status, answer.json()) == (503, {"detail": "the agent is still starting"})


def test_probes_answer_from_the_first_moment(make_monitored: MakeMonitored) -> None:
    monitored = make_monitored(started=False)
    assert monitored.client.get("/healthz").status == 200
    assert monitored.client.get("/readyz").status == 503
    assert monitored.client.get("/api/buffer/health").status == 503
    assert monitored.client.get("/metrics").status == 200
    monitored.events.started(monitored.agent)
    assert monitored.client.get("/readyz").status == 200
    monitored.events.stopping(monitored.agent, "SIGTERM")
    assert monitored.client.get("/readyz").json() == {"status": "not ready", "phase": "stopping"}


def test_current_values_are_listed_searched_and_paged(monitored: Monitored) -> None:
    monitored.events.batch_collected("line1", Batch.of(ORIGIN, ["SPEED", "LEVEL", "RECIPE"], [1.5, 2, "A"], START_NS))
    other = Origin("line1", "PLC01", "DRIVES")
    qualities = bytes((BAD,))
    monitored.events.batch_collected("line1", Batch.of(other, ["DRIVE_SPEED"], [None], START_NS, qualities))
    monitored.clock.advance(2)
    answer = monitored.client.get("/api/tags").json()
    assert [tag["name"] for tag in answer["tags"]] == ["SPEED", "LEVEL", "RECIPE", "DRIVE_SPEED"]
    assert answer["tags"][0]["value"] == 1.5
    assert answer["tags"][0]["age_seconds"] == 2.0
    assert answer["tags"][3]["quality"] == "BAD"
    found = monitored.client.get("/api/tags?search=speed").json()
    assert [tag["name"] for tag in found["tags"]] == ["SPEED", "DRIVE_SPEED"]
    assert (found["matching"], found["total"]) == (2, 4)
    bad = monitored.client.get("/api/tags?not_good=true").json()
    assert [tag["name"] for tag in bad["tags"]] == ["DRIVE_SPEED"]
    page = monitored.client.get("/api/tags?group=PROCESS&offset=1&limit=1").json()
    assert [tag["name"] for tag in page["tags"]] == ["LEVEL"]


def test_values_that_json_cannot_hold_are_texts(monitored: Monitored) -> None:
    values = [float("nan"), float("inf"), 2**63, -(2**53), 10**5000, True]
    monitored.events.batch_collected("line1", batch(*values))
    tags = json.loads(monitored.client.get("/api/tags").body)["tags"]
    assert [tag["value"] for tag in tags[:4]] == ["nan", "inf", str(2**63), str(-(2**53))]
    assert tags[4]["value"].startswith("0x")
    assert tags[5]["value"] is True


def test_rejected_records_come_with_their_reason(monitored: Monitored) -> None:
    rejected = (Rejection(1, "ORA-12899", "ORA-12899: value too large"),)
    monitored.events.batch_delivered("warehouse", batch("ok", "too long"), WriteOutcome(1, 0, rejected), 1, 0.01, None)
    [record] = monitored.client.get("/api/rejected").json()["records"]
    assert (record["tag"], record["value"], record["code"], record["group_id"]) == (
        "T1",
        "too long",
        "ORA-12899",
        "PROCESS",
    )


def test_similar_events_of_a_minute_are_one(monitored: Monitored) -> None:
    for _ in range(50):
        monitored.events.batch_diverted("warehouse", "csv_sink", batch(1, 2), DivertReason.SINK_DOWN)
    monitored.events.records_dropped("warehouse", 5, DropReason.BUFFER_FULL)
    monitored.events.sink_state_changed("warehouse", SinkState.UP, SinkState.DOWN, "no listener", 30.0)
    events = monitored.client.get("/api/events").json()["events"]
    assert [(event["kind"], event["count"], event["records"]) for event in events[:3]] == [
        ("sink_state", 1, 0),
        ("dropped", 1, 5),
        ("diverted", 50, 100),
    ]


def test_the_page_and_all_it_needs_come_from_the_package(monitored: Monitored) -> None:
    page = monitored.client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for name in ("dashboard.js", "agent.js", "uPlot.min.js", "uPlot.LICENSE.txt", "theme.css", "icon.svg"):
        assert monitored.client.get(f"/assets/{name}").status == 200, name
    assert monitored.client.get("/assets/none.js").status == 404
    assert monitored.client.get("/assets/../plugin.py").status == 404
    assert "MIT" in monitored.client.get("/assets/uPlot.LICENSE.txt").text


def test_nothing_on_the_page_is_loaded_from_elsewhere(monitored: Monitored) -> None:
    for name in ("index.html", "dashboard.js", "agent.js", "pipeline.js", "theme.css", "dashboard.css"):
        text = monitored.client.get(f"/assets/{name}").text.replace("http://www.w3.org/", "")
        assert "http://" not in text, name
        assert "https://" not in text, name
    policy = monitored.client.get("/").headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")


def test_every_answer_carries_the_security_headers(monitored: Monitored) -> None:
    for path in ("/", "/api/live", "/metrics", "/nowhere"):
        headers = monitored.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY", path
    assert monitored.client.get("/api/live").headers["cache-control"] == "no-store"


def test_no_answer_holds_the_token(make_monitored: MakeMonitored) -> None:
    monitored = make_monitored(token="the-secret-token-of-the-plant")
    paths = [*READING, "/", "/metrics", "/openapi.json", "/api/events", "/api/access", "/api/tags", "/api/history"]
    for path in [*paths, "/api/backups", "/api/rejected", "/healthz", "/readyz", "/api/buffer/health"]:
        answer = monitored.client.get(path, Authorization="Bearer the-secret-token-of-the-plant")
        assert b"the-secret-token" not in answer.body, path


def test_the_history_has_one_point_a_second(monitored: Monitored) -> None:
    for _ in range(5):
        monitored.tick()
    answer = monitored.client.get("/api/history").json()
    assert len(answer["time_seconds"]) == 6
    assert {len(answer["records_per_second"]), len(answer["fill_pct"]["warehouse"])} == {6}


def test_two_agents_in_one_process_have_nothing_in_common(make_monitored: MakeMonitored) -> None:
    first, second = make_monitored(name="line-1"), make_monitored(name="line-2")
    first.events.batch_delivered("warehouse", batch(1), WriteOutcome(1), 1, 0.01, replayed_file=None)
    assert first.client.get("/api/buffer/writer/metrics").json()["total_writes"] == 1
    assert second.client.get("/api/buffer/writer/metrics").json()["total_writes"] == 0
    assert 'name="line-2"' in second.client.get("/metrics").text
    assert 'name="line-2"' not in first.client.get("/metrics").text


def test_an_agent_without_polling_groups_is_shown_all_the_same(monitored: Monitored) -> None:
    monitored.agent.polling.statuses = []
    assert monitored.client.get("/api/polling/status").json()["total_groups"] == 0
    assert isinstance(monitored.agent, FakeAgent)


def test_units_are_described_in_the_openapi_document(monitored: Monitored) -> None:
    document = monitored.client.get("/openapi.json").json()
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        if name in ("HTTPValidationError", "ValidationError"):
            continue
        for field, rules in schema.get("properties", {}).items():
            assert rules.get("description") or "$ref" in rules, f"{name}.{field}"
            for suffix, unit in (("_ms", "(ms)"), ("_bytes", "(bytes)"), ("_pct", "percent"), ("_seconds", "econds")):
                if field.endswith(suffix) and rules.get("type") != "object":
                    assert unit in rules["description"], f"{name}.{field}"


@pytest.mark.parametrize(("before", "after"), [(SinkState.DOWN, SinkState.UP), (SinkState.UP, SinkState.DOWN)])
def test_alerts_and_states_of_one_answer_are_of_one_instant(
    monitored: Monitored, before: SinkState, after: SinkState
) -> None:
    monitored.agent.sinks = [sink_status(state=before)]
    monitored.tick()
    monitored.agent.sinks = [sink_status(state=after)]  # and no tick since
    down = [] if after is SinkState.UP else ["sink_down"]
    live = monitored.client.get("/api/live").json()
    assert (live["sinks"][0]["state"], [alert["code"] for alert in live["alerts"]]) == (after, down)
    assert live["health"] == ("failing" if down else "ok")
    health = monitored.client.get("/api/buffer/health")
    assert (health.status, [alert["code"] for alert in health.json()["alerts"]]) == (503 if down else 200, down)
    assert f"tagferry_healthy {0 if down else 1}.0" in monitored.client.get("/metrics").text
