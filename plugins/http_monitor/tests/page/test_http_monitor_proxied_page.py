"""The page under a path of a reverse proxy, in a real Chromium."""

from __future__ import annotations

import pytest
from http_monitor.config import NamedToken, Protect, Role
from monitored.browser import OpenPage
from monitored.proxy import ReverseProxy
from monitored.running import MakeServed
from playwright.sync_api import Browser, expect

from agent_core.api import Secret

pytestmark = pytest.mark.browser

TOKEN = "kim's own long token"


def test_the_page_reads_follows_and_changes_under_a_path(
    open_page: OpenPage, make_served: MakeServed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "http_monitor")
    kim = NamedToken("kim", Secret(lambda: TOKEN), Role.OPERATE)
    served = make_served(
        tokens=(kim,), allowed_hosts=("127.0.0.1",), trusted_proxies=("127.0.0.1",), public_reading=True
    )
    with ReverseProxy(served.port, "/line-1") as proxy:
        page = open_page(f"http://127.0.0.1:{proxy.port}/line-1/")
        page.locator("#stop-all").click()
        page.locator("#confirm-yes").click()
        page.locator("#token-input").fill(TOKEN)
        page.locator("#token-ok").click()
        expect(page.locator("#token-dialog")).not_to_be_visible()
        with served.agent.polling.changed:
            assert served.agent.polling.changed.wait_for(lambda: served.agent.polling.calls == [("stop_all",)], 60)
        assert page.evaluate("Object.keys(sessionStorage)") == ["agent-token /line-1/"]
    assert "action=stop_all target=all by=kim client=192.0.2.7" in caplog.text


def test_where_reading_needs_a_token_a_wrong_one_is_asked_for_again_and_not_offered_for_ever(
    browser: Browser, make_served: MakeServed, caplog: pytest.LogCaptureFixture
) -> None:
    served = make_served(token=TOKEN, protect=Protect.EVERYTHING)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{served.port}/")
    for text in ("a wrong one that is long", TOKEN):
        expect(page.locator("#token-dialog")).to_be_visible()
        page.locator("#token-input").fill(text)
        page.locator("#token-ok").click()
        page.wait_for_timeout(1500)  # whatever would offer it again and again has the time to
    expect(page.locator("#link-text")).to_have_text("live")
    page.close()
    refused = [record for record in caplog.records if "request refused" in record.message]
    assert len(refused) == 1
