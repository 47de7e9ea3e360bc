"""Events: what happened, newest first by the time that is shown."""

from __future__ import annotations

from dataclasses import replace

from monitored.fake_agent import group_status
from monitored.running import Monitored

from agent_core.api import GroupState, RetryableError, SourceState
from agent_core.testing.fakes import batch_of


def events(monitored: Monitored) -> list[tuple[str, str, str]]:
    found = monitored.client.get("/api/events").json()["events"]
    return [(event["kind"], event["subject"], event["message"]) for event in found if event["kind"] != "lifecycle"]


def test_a_device_that_goes_and_comes_back_is_two_events_whatever_groups_it_has(monitored: Monitored) -> None:
    groups = [group_status("A"), group_status("B"), replace(group_status("C"), device_id="PLC02")]
    gone = [replace(one, state=GroupState.BACKING_OFF, last_error="timed\nout") for one in groups[:2]]
    monitored.agent.polling.statuses = [*gone, groups[2]]
    monitored.tick()
    monitored.tick(34)
    monitored.agent.polling.statuses = groups
    monitored.tick()
    assert events(monitored) == [
        ("device", "PLC01", "answers again after 35 s"),
        ("device", "PLC01", "does not answer, 2 groups not collected: timed out"),
    ]


def test_a_device_whose_groups_are_stopped_has_not_come_back(monitored: Monitored) -> None:
    monitored.agent.polling.statuses = [group_status("A", state=GroupState.BACKING_OFF)]
    monitored.tick()
    monitored.agent.polling.statuses = [group_status("A", state=GroupState.STOPPED)]
    monitored.tick()
    assert events(monitored)[0] == ("device", "PLC01", "is not asked any more")


def test_a_source_that_stops_working_is_an_event(monitored: Monitored) -> None:
    [source] = monitored.agent.sources
    monitored.agent.sources = [replace(source, state=SourceState.FAILED, problem="thread poll-1 has died")]
    monitored.tick()
    monitored.tick()
    assert events(monitored) == [("source_state", "line1", "running -> failed: thread poll-1 has died")]


def test_an_event_that_happens_again_comes_first(monitored: Monitored) -> None:
    def failed(message: str) -> None:
        monitored.events.batch_failed("warehouse", batch_of(1), RetryableError(message), 1, 1.0)

    failed("away")
    monitored.clock.advance(1)
    failed("locked")
    assert [message for _, _, message in events(monitored)] == ["locked", "away"]
    monitored.clock.advance(1)
    failed("away")
    assert [message for _, _, message in events(monitored)] == ["away", "locked"]
