"""Whatever is asked, in whatever way the OpenAPI document allows or forbids: no server error, and what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from http_monitor.application import build
from http_monitor.config import HttpMonitorConfig, Protect
from http_monitor.door.access_policy import AccessPolicy
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.proxies import Proxies
from http_monitor.door.tokens import Tokens
from http_monitor.operator_actions import OperatorActions
from http_monitor.routes.live_socket import LiveSocket
from http_monitor.state.monitor_state import MonitorState
from hypothesis import HealthCheck, Phase, settings
from monitored.fake_agent import FakeAgent
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agent_core.api import BacklogFile, ComponentContext, Log, Secret
from agent_core.testing.clock import ManualClock

TOKEN = "0123456789abcdef"


def application() -> Any:
    log = Log("http_monitor")
    monitor = MonitorState(ComponentContext("http_monitor", "line-1", Path(), "http_monitor", ManualClock()))
    config = HttpMonitorConfig("127.0.0.1:8080", Secret(lambda: TOKEN), Protect.CHANGES, ("testserver",))
    access = AccessPolicy(config, ListenAddress("127.0.0.1", 8080), Tokens(config.named_tokens), ManualClock())
    # The names that the document gives as examples exist, so that those requests reach the agent.
    monitor.started(FakeAgent(files={"warehouse": [BacklogFile("backup_20260101_000000.csv", 1000, 20, False)]}))
    monitor.tick()
    return build(monitor, access, Proxies(), LiveSocket(monitor), OperatorActions(monitor, log), log)


SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", application())


@SCHEMA.parametrize()
@settings(max_examples=8, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
def test_no_request_leads_to_a_server_error(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(
        headers={"Authorization": f"Bearer {TOKEN}"},
        checks=[not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance],
    )


def test_every_path_of_the_design_is_described(monitored: Any) -> None:
    document = monitored.client.get("/openapi.json").json()
    wanted = {
        "/api/buffer/status",
        "/api/buffer/metrics",
        "/api/buffer/health",
        "/api/buffer/writer/metrics",
        "/api/polling/status",
        "/api/polling/queue/status",
        "/api/polling/groups/{group_id}/status",
        "/api/polling/groups/{group_id}/start",
        "/api/polling/groups/{group_id}/stop",
        "/api/polling/groups/{group_id}/trigger",
        "/api/polling/start-all",
        "/api/polling/stop-all",
        "/api/sinks/{sink_id}/pause",
        "/api/sinks/{sink_id}/resume",
        "/api/sinks/{sink_id}/backups/{file}/replay",
        "/metrics",
        "/healthz",
        "/readyz",
    }
    assert wanted <= set(document["paths"])


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_answered_as_such(monitored: Any, method: str) -> None:
    assert monitored.client.request(method, "/api/live").status == 405
