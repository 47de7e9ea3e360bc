"""Monitors with a fake agent behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from http_monitor.application import build
from http_monitor.config import HttpMonitorConfig, Protect, Tls
from http_monitor.door.access_policy import AccessPolicy
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.places import Limits
from http_monitor.door.proxies import Proxies
from http_monitor.door.tokens import Tokens
from http_monitor.extension import OPERATOR_LOG_SECONDS, HttpMonitor
from http_monitor.operator_actions import OperatorActions
from http_monitor.routes.live_socket import LiveSocket
from http_monitor.state.monitor_state import MonitorState
from http_monitor.state.observer import Observer
from monitored.app_client import AppClient
from monitored.certificates import make_certificate
from monitored.fake_agent import FakeAgent
from monitored.http_client import HttpClient
from monitored.running import MakeMonitored, MakeServed, Monitored, Served

from agent_core.api import ComponentContext, Log, Secret
from agent_core.registry import Events
from agent_core.testing.clock import ManualClock

if TYPE_CHECKING:
    from monitored.browser import OpenPage
    from playwright.sync_api import Browser


@pytest.fixture
def make_monitored(tmp_path: Path) -> MakeMonitored:
    """Makes monitors without a server."""

    def make(
        *, token: str | None = None, protect: Protect = Protect.CHANGES, started: bool = True, name: str = "line-1"
    ) -> Monitored:
        clock, events, agent = ManualClock(), Events(), FakeAgent(name)
        state = MonitorState(ComponentContext("http_monitor", name, tmp_path, "http_monitor", clock))
        secret = None if token is None else Secret(lambda: token)
        config = HttpMonitorConfig("127.0.0.1:8080", secret, protect, ())
        access = AccessPolicy(config, ListenAddress("127.0.0.1", 8080), Tokens(config.named_tokens), clock)
        log = Log("http_monitor", clock, interval_seconds=OPERATOR_LOG_SECONDS)
        app = build(state, access, Proxies(), LiveSocket(state), OperatorActions(state, log), log)
        events.register_observer(Observer(state))
        if started:
            events.started(agent)
            state.tick()
        return Monitored(state, agent, clock, AppClient(app), events)

    return make


@pytest.fixture
def monitored(make_monitored: MakeMonitored) -> Monitored:
    """One on a loopback address, without a token."""
    return make_monitored()


@pytest.fixture
def make_served(tmp_path: Path) -> Iterator[MakeServed]:
    """Makes monitors on free ports; each is closed at the end."""
    with ExitStack() as stack:

        def make(
            *,
            token: str | None = None,
            protect: Protect = Protect.CHANGES,
            started: bool = True,
            limits: Limits | None = None,
            **more: Any,
        ) -> Served:
            secret = None if token is None else Secret(lambda: token)
            context = ComponentContext("http_monitor", "line-1", tmp_path, "http_monitor")
            config = replace(HttpMonitorConfig("127.0.0.1:0", secret, protect, ()), **more)
            monitor = HttpMonitor(config, context, limits)
            stack.callback(monitor.close)
            monitor.open()
            events, agent = Events(), FakeAgent()
            for observer in monitor.observers():
                events.register_observer(observer)
            if started:
                events.started(agent)
            return Served(monitor, agent, HttpClient(monitor.address.port), events)

        yield make


@pytest.fixture
def served(make_served: MakeServed) -> Served:
    """One on a loopback port, without a token."""
    return make_served()


@pytest.fixture
def certificate(tmp_path: Path) -> Tls:
    """A self-signed one for 127.0.0.1, and its key."""
    return make_certificate(tmp_path)


@pytest.fixture
def another_certificate(tmp_path: Path) -> Tls:
    return make_certificate(tmp_path, "another")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium; imported here, so that the other tests need none."""
    from monitored.browser import running_browser

    with running_browser() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages that are watched."""
    from monitored.browser import page_opener

    with page_opener(browser) as open_one:
        yield open_one
