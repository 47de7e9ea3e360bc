"""The dashboard in a real Chromium, over a real agent whose database is the stand-in (not Oracle).

Screenshots go to the folder that DASHBOARD_SCREENSHOTS names, else nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from monitored.browser import PHONE, TOKEN, WALL, OpenPage, free_port, picture
from monitored.fake_agent import sink_status
from monitored.http_client import HttpClient
from monitored.running import Served
from oracle_standin.process import Standin
from playwright.sync_api import Browser, Page, ViewportSize, expect

from agent_core.api import LedgerSnapshot, ReplayStatus, SinkState
from agent_core.testing.agent_process import AgentProcess

pytestmark = pytest.mark.browser

TABLE = """
    CREATE TABLE TAG_DATA (
        tag_name VARCHAR2(100 CHAR) NOT NULL, tag_value VARCHAR2(255 CHAR) NOT NULL,
        timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20) NOT NULL,
        CONSTRAINT PK_TAG_DATA PRIMARY KEY (tag_name, timestamp))"""
YAML = """
agent: {{name: Bottling line 1, state_dir: state}}
sources:
  - id: line1
    type: polling_source
    config:
      devices: [{{id: LINE1, driver: simulator_driver}}]
      groups:
        - {{id: FILLER, device: LINE1, interval: 200ms, tags_from: tags.csv}}
        - id: ORDER_START
          device: LINE1
          mode: handshake
          tags: [{{name: ORDER_NO, address: "counter:every=1s", data_type: uint32}}]
buffer: {{type: memory_buffer, config: {{capacity: 20000}}}}
sinks:
  - id: warehouse
    type: oracle_sink
    config: {{dsn: "{dsn}", user: scott, password: tiger, table: TAG_DATA}}
    retry: {{max_retries: 1, initial_delay: 100ms}}
    breaker: {{probe_interval: 500ms}}
    fallback: {{type: csv_sink, config: {{directory: backup, max_file_age: 1s}}, replay: automatic, replay_rate: 20000}}
extensions:
  - {{type: http_monitor, config: {{listen: "127.0.0.1:{port}"{more}}}}}
"""
TAGS = [
    "name,address,data_type,length",
    *(f'FILLER_SPEED_{number:02},"random_walk:min=380,max=420,period=10s,digits=1",float32,' for number in range(40)),
    'FILLER_STATE,"text:RUN|STOP,every=1s",string,8',
    'FILLER_BROKEN,"noise:bad=1",float32,',
    'FILLER_RUNS,"bool:period=4s",bool,',
]


@dataclass
class Scene:
    """A running agent, its database and the folder that it runs in."""

    agent: AgentProcess
    database: Standin
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def client(self) -> HttpClient:
        return HttpClient(self.port)


def write_files(folder: Path, database: Standin, port: int, more: str = "") -> AgentProcess:
    folder.mkdir(exist_ok=True)
    (folder / "agent.yaml").write_text(YAML.format(dsn=database.dsn, port=port, more=more), encoding="utf-8")
    (folder / "tags.csv").write_text("\n".join(TAGS), encoding="utf-8")
    return AgentProcess(folder / "agent.yaml", {"MONITOR_TOKEN": TOKEN})


@pytest.fixture(scope="module")
def database() -> Iterator[Standin]:
    with Standin(ddl=[TABLE]) as server:
        yield server


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, database: Standin) -> Iterator[Scene]:
    folder, port = tmp_path_factory.mktemp("dashboard"), free_port()
    with write_files(folder, database, port) as agent:
        agent.wait_for("agent started")
        yield Scene(agent, database, folder, port)


@pytest.fixture
def page(open_page: OpenPage, scene: Scene) -> Page:
    return open_page(scene.url)


def test_an_agent_that_works_is_well(open_page: OpenPage, served: Served) -> None:
    page = open_page(f"http://127.0.0.1:{served.port}/")
    expect(page.locator("#health")).to_have_text("All is well")
    expect(page.locator(".alert")).to_have_count(0)


def test_while_records_wait_in_files_it_is_not_said_that_all_is_well(open_page: OpenPage, served: Served) -> None:
    replay = ReplayStatus(waiting_records=45_556, rejected_records=3, inserted=1000, read=1000)
    ledger = LedgerSnapshot(collected=120_465, delivered=73_806, pending=103, diverted=46_556)
    served.agent.sinks = [replace(sink_status(), replay=replay, ledger=ledger)]
    page = open_page(f"http://127.0.0.1:{served.port}/")
    expect(page.locator("#health")).to_have_text("Catching up")
    expect(page.locator("#health")).to_have_class(re.compile("is-warn"))
    wanted = {"written": "74,806", "in_memory": "103", "in_files": "45,556", "rejected": "3", "lost": "0"}
    for place, number in wanted.items():
        expect(page.locator(f"#head-{place}")).to_have_text(number)
        expect(page.locator(f".accounts .a-{place} ~ dd")).to_contain_text(number)
    expect(page.locator(".fallback")).to_contain_text("45,556 records in files (the open file)")
    expect(page.locator("#backups-count")).to_contain_text("45,556 records in the open file")
    expect(page.locator("#backups-count")).not_to_contain_text("nothing waits")


@pytest.mark.parametrize("state", list(SinkState))
def test_a_sink_is_in_the_state_that_it_says(open_page: OpenPage, served: Served, state: SinkState) -> None:
    served.agent.sinks = [sink_status(state=state)]
    page = open_page(f"http://127.0.0.1:{served.port}/")
    expect(page.locator(".sink .state")).to_have_text(state.replace("_", " "))
    expect(page.locator(".sink .pill")).to_have_attribute("title", re.compile(r"\w+"))


def test_values_move(page: Page) -> None:
    expect(page.locator("#agent-name")).to_have_text("Bottling line 1")
    expect(page.locator("#head-rate")).to_have_text(re.compile(r"\d"))
    row = page.locator("#tag-table tr", has_text="FILLER_SPEED_00")
    before = row.locator("td.value").inner_text()
    expect(row.locator("td.value")).not_to_have_text(before)
    expect(row.locator("polyline")).to_have_count(1)
    expect(page.locator(".sink.is-ok .state")).to_have_text("up")
    expect(page.locator(".flow.moving")).to_have_count(2)
    expect(page.locator(".ledger-row .pill")).to_contain_text("every record is accounted for")
    assert page.locator(".plot canvas").count() == 3


def test_a_group_is_stopped_and_started(page: Page, scene: Scene) -> None:
    row = page.locator("#groups tr", has_text="FILLER")
    row.get_by_role("button", name="Stop FILLER").click()
    expect(page.locator(".toast")).to_contain_text("FILLER is stopped")
    expect(row).to_have_attribute("data-state", "stopped")
    alert = page.locator(".alert[data-code=group_stopped]")
    expect(alert).to_contain_text("stopped by an operator")
    assert scene.client.get("/api/polling/groups/FILLER/status").json()["state"] == "stopped"
    row.get_by_role("button", name="Start FILLER").click()
    expect(row).to_have_attribute("data-state", "running")
    expect(alert).to_have_count(0)
    assert (
        "operator action: action=stop_group target=FILLER by=loopback client=127.0.0.1 note=- outcome=done"
        in scene.agent.output
    )


def test_stopping_all_asks_first(page: Page, scene: Scene) -> None:
    page.get_by_role("button", name="Stop all").click()
    dialog = page.locator("#confirm-dialog")
    expect(dialog).to_contain_text("Stop all 2 groups?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).not_to_be_visible()
    assert scene.client.get("/api/polling/status").json()["stopped_groups"] == 0
    page.get_by_role("button", name="Stop all").click()
    dialog.get_by_role("button", name="Stop all").click()
    expect(page.locator("#groups tr[data-state=stopped]")).to_have_count(2)
    page.get_by_role("button", name="Start all").click()
    expect(page.locator("#groups tr[data-state=running]")).to_have_count(2)


def test_a_trigger_polls_at_once(page: Page, scene: Scene) -> None:
    row = page.locator("#groups tr", has_text="ORDER_START")
    polls = scene.client.get("/api/polling/groups/ORDER_START/status").json()["polls"]
    row.get_by_role("button", name="Trigger ORDER_START").click()
    expect(page.locator(".toast")).to_be_visible()
    assert scene.client.get("/api/polling/groups/ORDER_START/status").json()["polls"] == polls + 1
    page.locator("#tags").fill("ORDER_NO")
    expect(page.locator("#tag-table td.name")).to_have_text(["ORDER_NO"])
    page.locator("#tags").fill("")


def test_an_outage_turns_the_sink_red_and_back(page: Page, scene: Scene) -> None:
    scene.database.listener_stop()
    scene.database.drop_sessions()
    try:
        expect(page.locator(".sink")).to_have_class(re.compile("is-bad"))
        expect(page.locator(".sink .state")).to_have_text("down")
        expect(page.locator(".flow.blocked")).to_contain_text("no writes")
        expect(page.locator("#health")).to_contain_text("Needs action")
        alert = page.locator(".alert[data-code=sink_down]")
        expect(alert).to_contain_text("Next step: Check ")
        expect(page.locator(".fallback b")).to_contain_text("records in files")
        expect(page.locator("#head-in_files")).not_to_have_text("0")
        expect(page.locator("#backups .item").first).to_contain_text("backup_")
        expect(alert.locator("svg.sign[data-severity=critical]")).to_be_visible()
        page.get_by_role("button", name="Try warehouse now").click()
        expect(page.locator(".toast")).to_contain_text("warehouse is tried now")
        assert scene.client.get("/api/buffer/health").status == 503
        picture(page, "outage")
    finally:
        scene.database.listener_start()
    expect(page.locator(".sink")).to_have_class(re.compile("is-ok"), timeout=20_000)
    expect(page.locator(".fallback")).to_contain_text("nothing waits", timeout=30_000)
    expect(page.locator(".fallback")).to_contain_text("written back")
    expect(page.locator("#head-in_files")).to_have_text("0")
    expect(page.locator(".ledger-row .accounts")).to_contain_text(re.compile(r"written[\d,]+ \([\d,]+ from files\)"))
    expect(alert).to_have_count(0)
    expect(page.locator("#events")).to_contain_text("-> up")
    assert scene.client.get("/api/buffer/health").status == 200


def test_a_sink_is_paused_and_resumed(page: Page) -> None:
    page.get_by_role("button", name="Pause warehouse").click()
    page.locator("#confirm-dialog").get_by_role("button", name="Pause").click()
    expect(page.locator(".sink")).to_have_attribute("data-state", "paused")
    page.get_by_role("button", name="Resume warehouse").click()
    expect(page.locator(".sink")).to_have_attribute("data-state", "up")


def test_tags_are_searched_filtered_and_paged(page: Page) -> None:
    names = page.locator("#tag-table td.name")
    expect(names).to_have_count(25)
    page.locator("#tags-next").click()
    expect(page.locator("#tags-range")).to_contain_text(re.compile("^26"))
    page.locator("#tags").fill("speed_07")
    expect(names).to_have_text(["FILLER_SPEED_07"])
    page.locator("#tags").fill("")
    page.locator("#tags-bad").check()
    expect(names).to_have_text(["FILLER_BROKEN"])
    expect(page.locator("#tag-table .quality")).to_have_text(["BAD"])
    page.locator("#tags-bad").uncheck()
    page.locator("#tags").fill("no such tag")
    expect(page.locator("#tag-table .empty")).to_have_text("No tag matches.")


def test_the_keyboard_is_enough(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.locator("#tags")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.keyboard.press("t")
    expect(page.locator("#tags-range")).to_contain_text(re.compile(r"^1.25 of"))  # there is a next page
    page.keyboard.press("ArrowRight")
    expect(page.locator("#tags-range")).to_contain_text(re.compile("^26"))
    page.keyboard.press("g")
    for _ in range(2):
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_the_theme_follows_the_system(open_page: OpenPage, scene: Scene) -> None:
    light = open_page(scene.url, theme="light")
    assert light.evaluate("document.documentElement.dataset.theme") == "light"


@pytest.mark.parametrize("width", [360, 390, 768, 1024, 1440, 3840])
def test_nothing_sticks_out_at_any_width(open_page: OpenPage, scene: Scene, width: int) -> None:
    page = open_page(scene.url, {"width": width, "height": 900})
    expect(page.locator("#tag-table td.name").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_lost_connection_is_shown(open_page: OpenPage, tmp_path: Path, database: Standin, scene: Scene) -> None:
    port = free_port()
    rejected = tmp_path / "backup" / "warehouse" / "rejected_20260101_000003.csv"
    rejected.parent.mkdir(parents=True)
    rejected.write_text("timestamp,tag_name\n", encoding="utf-8")
    with write_files(tmp_path, database, port) as agent:
        agent.wait_for("agent started")
        page = open_page(f"http://127.0.0.1:{port}/")
        replay = page.get_by_role("button", name="Replay rejected_20260101_000003.csv into warehouse")
        expect(page.locator("#tag-table td.name")).to_have_count(25)
        expect(replay).to_be_enabled()
        agent.kill()
        expect(page.locator("#lost")).to_contain_text("Connection lost")
        expect(page.locator("#lost")).to_contain_text("ago")
        expect(page.locator("#link-text")).to_have_text("lost")
        expect(page.locator("#health")).to_contain_text("Unknown")
        expect(page.get_by_role("button", name="Stop FILLER")).to_be_disabled()
        expect(replay).to_be_disabled()
        picture(page, "lost")
        assert page.title().startswith("? ")
    with write_files(tmp_path, database, port) as agent:
        agent.wait_for("agent started")
        expect(page.locator("#link-text")).to_have_text("live", timeout=20_000)
        expect(page.locator("#lost")).not_to_be_visible()
        expect(page.get_by_role("button", name="Stop FILLER")).to_be_enabled()
        expect(replay).to_be_enabled()


def test_the_token_is_asked_for(open_page: OpenPage, tmp_path: Path, database: Standin) -> None:
    port = free_port()
    with write_files(tmp_path, database, port, ', token: "${MONITOR_TOKEN}"') as agent:
        agent.wait_for("agent started")
        page = open_page(f"http://127.0.0.1:{port}/")
        row = page.locator("#groups tr", has_text="FILLER")
        row.get_by_role("button", name="Stop FILLER").click()
        dialog = page.locator("#token-dialog")
        expect(dialog).to_be_visible()
        picture(page, "token")
        page.locator("#token-input").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#token-error")).to_have_text("The token is wrong. Try again.")
        expect(row).to_have_attribute("data-state", "running")
        page.locator("#token-input").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(row).to_have_attribute("data-state", "stopped")
        row.get_by_role("button", name="Start FILLER").click()
        expect(row).to_have_attribute("data-state", "running")
        expect(dialog).not_to_be_visible()
        assert TOKEN not in agent.output
        assert "by=token client=127.0.0.1" in agent.output


def test_where_everything_is_protected_the_page_asks_before_it_shows(
    open_page: OpenPage, browser: Browser, tmp_path: Path, database: Standin
) -> None:
    port = free_port()
    with write_files(tmp_path, database, port, ', token: "${MONITOR_TOKEN}", protect: everything') as agent:
        agent.wait_for("agent started")
        page = browser.new_page(viewport=WALL)
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("#token-dialog")).to_be_visible()
        page.locator("#token-input").fill(TOKEN)
        page.keyboard.press("Enter")
        expect(page.locator("#link-text")).to_have_text("live")
        expect(page.locator("#tag-table td.name")).to_have_count(25)
        page.close()


def test_one_source_and_one_sink_need_no_lines(page: Page) -> None:
    expect(page.locator(".wire")).to_have_count(0)
    expect(page.locator(".pipeline > .flow")).to_be_visible()
    expect(page.locator(".lane .from")).to_have_text("")


@pytest.mark.parametrize(
    ("name", "viewport", "theme", "whole"),
    [("wall", WALL, "dark", False), ("light", WALL, "light", True), ("phone", PHONE, "dark", True)],
)
def test_a_picture_can_be_taken(
    open_page: OpenPage, scene: Scene, name: str, viewport: ViewportSize, theme: str, whole: bool
) -> None:
    page = open_page(scene.url, viewport, theme)
    expect(page.locator("#tag-table polyline").first).to_be_visible()
    picture(page, name, whole=whole)
