"""A real Chromium for tests of the dashboard: found, started, and watched for what a page must not do."""

from __future__ import annotations

import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, ViewportSize, expect, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WALL: ViewportSize = {"width": 1920, "height": 1080}
PHONE: ViewportSize = {"width": 390, "height": 844}
TOKEN = "a-token-for-the-test"

OpenPage = Callable[..., Page]


def chromium() -> str:
    """Debian's, or the one that CHROMIUM names. Without one the tests are skipped, but not where CI counts on them."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome", "chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium found: apt-get install chromium, or name one in CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Chromium without a window; what tests expect may take it 15 s."""
    path = chromium()
    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@contextmanager
def page_opener(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages; each must load nothing from elsewhere and leave no error on the console."""
    problems: list[str] = []
    pages: list[Page] = []

    def open_one(url: str, viewport: ViewportSize = WALL, theme: str = "dark") -> Page:
        page = browser.new_page(viewport=viewport, color_scheme="light" if theme == "light" else "dark")
        page.set_default_timeout(15_000)
        home = url.partition("?")[0]

        def note_message(message: ConsoleMessage) -> None:
            # What Chromium itself says about a refused call or a dead agent is what those tests bring about.
            if message.type == "error" and not re.search("401|409|ERR_CONNECTION|WebSocket connection", message.text):
                problems.append(message.text)

        def note_request(request: Request) -> None:
            if not request.url.startswith((home, "data:", home.replace("http:", "ws:"))):
                problems.append(f"asked for {request.url}")

        page.on("console", note_message)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", note_request)
        pages.append(page)
        page.goto(url)
        expect(page.locator("#link-text")).to_have_text("live")
        return page

    yield open_one
    for page in pages:
        page.close()
    assert problems == []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def picture(page: Page, name: str, *, whole: bool = False) -> None:
    folder = os.environ.get("DASHBOARD_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(1500)  # the numbers settle; nothing depends on it
        page.screenshot(path=Path(folder) / f"dashboard-{name}.png", full_page=whole)
