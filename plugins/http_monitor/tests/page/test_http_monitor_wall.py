"""The page for a wall, and for a plant with a hundred groups, in a real Chromium."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitored.browser import WALL, OpenPage, picture
from monitored.fake_agent import group_status, sink_status
from monitored.running import Served
from playwright.sync_api import expect

from agent_core.api import Finding, GroupState, LedgerSnapshot, ReplayStatus, Severity, SinkState

pytestmark = pytest.mark.browser

DIGIT_OF_FONT = 0.72
"""How high a digit is, of the size of its font; DejaVu, Inter and Segoe UI have 0.72 to 0.73."""

LEAST_PIXELS = 24
"""15 mm of a 55-inch screen of 1,080 lines: legible at 3 m."""


def trouble(served: Served) -> None:
    groups = [
        replace(group_status(f"{line}_{number:02}"), device_id=line)
        for line in ("FILLER", "CAPPER", "LABELER", "PACKER", "PALLETIZER")
        for number in range(20)
    ]
    groups[45] = replace(groups[45], state=GroupState.BACKING_OFF, last_error="timed out after 2 s")
    served.agent.polling.statuses = groups
    ledger = LedgerSnapshot(collected=1_154_480, delivered=999_999, pending=999, diverted=153_482)
    replay = ReplayStatus(waiting_records=153_482, rejected_records=12)
    served.agent.sinks = [replace(sink_status(state=SinkState.DOWN), ledger=ledger, replay=replay)]


def test_on_a_wall_every_figure_is_legible_and_nothing_sticks_out(open_page: OpenPage, served: Served) -> None:
    trouble(served)
    page = open_page(f"http://127.0.0.1:{served.port}/?wall", WALL)
    expect(page.locator(".wall-verdict")).to_have_text("Needs action")
    expect(page.locator(".figure-written dd")).to_have_text("999,999")
    expect(page.locator(".wall-alert")).to_have_count(2)
    expect(page.locator("main")).not_to_be_visible()
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("#wall *")]
            .filter((one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
            .map((one) => [one.textContent, parseFloat(getComputedStyle(one).fontSize)])"""
    )
    assert len(sizes) > 15
    assert [(text, size) for text, size in sizes if size * DIGIT_OF_FONT < LEAST_PIXELS] == []
    cut = page.evaluate(
        """() => [...document.querySelectorAll("#wall dd, #wall dt, .wall-top *, .wall-sink")]
            .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"""
    )
    assert cut == []
    assert page.evaluate("document.querySelector('#wall').scrollHeight") <= 1080
    picture(page, "wall-display")
    page.keyboard.press("w")
    expect(page.locator("main")).to_be_visible()
    assert "wall" not in page.url


def test_two_pieces_of_advice_from_one_sink_stay_two_however_often_they_are_drawn(
    open_page: OpenPage, served: Served
) -> None:
    advice = [Finding(Severity.WARNING, column, "is missing", "add it") for column in ("QUALITY", "TAG_VALUE")]
    served.agent.sinks = [replace(sink_status(), advice=tuple(advice))]
    page = open_page(f"http://127.0.0.1:{served.port}/")
    for seconds in (61, 62, 63):
        served.agent.uptime_seconds = seconds
        expect(page.locator("#agent-detail")).to_contain_text(f"up for {seconds} s")
    expect(page.locator("#alerts .what")).to_have_text(
        ["warehouse QUALITY: is missing", "warehouse TAG_VALUE: is missing"]
    )
    expect(page.locator(".wall-alert")).to_have_count(2)


def test_a_hundred_groups_fold_by_device_and_can_be_searched(open_page: OpenPage, served: Served) -> None:
    trouble(served)
    page = open_page(f"http://127.0.0.1:{served.port}/")
    rows = page.locator("#groups tbody tr")
    expect(rows).to_have_count(5 + 20)
    expect(rows.nth(3)).to_contain_text("LABELER_05")
    expect(rows.nth(2)).to_contain_text("20 groups, 7,000 tags, 1 backing off")
    page.get_by_role("button", name="Fold the groups of LABELER").click()
    expect(rows).to_have_count(5)
    page.get_by_role("button", name="Unfold the groups of PACKER").click()
    expect(rows).to_have_count(25)
    page.locator("#groups-search").fill("capper_1")
    expect(rows).to_have_count(1 + 10)
    page.locator("#groups-search").fill("")
    page.locator("#groups-trouble").check()
    expect(page.locator("#groups tbody tr td.name")).to_have_count(0)
    page.get_by_role("button", name="Unfold the groups of LABELER").click()
    expect(page.locator("#groups tbody tr td.name")).to_have_text(["LABELER_05"])
    picture(page, "many-groups")
