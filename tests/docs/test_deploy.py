"""deploy/: the dashboard and the alert rules ask for metrics and labels that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from agent_core.api import DivertReason, DropReason, GroupState, SinkState, SourceState, load_schema

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((ROOT / "deploy" / "prometheus-alerts.yml").read_text(encoding="utf-8"))["groups"][0]["rules"]
SCRAPED = {"job", "instance"}


def documented() -> dict[str, set[str]]:
    """Labels by metric, histograms by their series, too."""
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    found = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", text, re.MULTILINE):
        names = [f"{name}_{part}" for part in ("bucket", "count", "sum")] if kind == "histogram" else [name]
        for one in names:
            found[one] = set(re.findall(r"`(\w+)`", labels)) | ({"le"} if kind == "histogram" else set())
    return found


METRICS = documented()


def test_the_proxy_sets_every_header_that_the_monitor_believes() -> None:
    source = (ROOT / "plugins" / "http_monitor" / "src" / "http_monitor" / "door" / "proxies.py").read_text("utf-8")
    believed = set(re.findall(r'headers\.get\("(x-forwarded-\w+)"', source))
    nginx = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    assert believed == {name.lower() for name in re.findall(r"proxy_set_header (X-Forwarded-\w+)", nginx)}
    assert len(believed) == 4


@pytest.mark.parametrize("page", ["deploy/README.md", "plugins/http_monitor/README.md"])
def test_the_monitors_in_the_documents_are_valid(page: str) -> None:
    schema = load_schema("http_monitor")
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
    monitors = [yaml.safe_load(block)["extensions"][0] for block in blocks if "type: http_monitor" in block]
    assert len(monitors) > 1
    for monitor in monitors:
        jsonschema.validate(monitor["config"], schema)


def expressions() -> list[Any]:
    found = [pytest.param(rule["expr"], id=rule["alert"]) for rule in RULES]
    for panel in DASHBOARD["panels"]:
        found += [pytest.param(target["expr"], id=f"{panel['title']}-{target['refId']}") for target in panel["targets"]]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            query = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert query is not None
            found.append(pytest.param(query[1], id=f"variable-{variable['name']}"))
    return found


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_asks_for_metrics_and_labels_that_exist(expression: str) -> None:
    plain = re.sub(r'"[^"]*"', '""', expression)
    names = re.findall(r"\btagferry_\w+", plain)
    assert names or plain.startswith("up{"), expression
    assert [name for name in names if name not in METRICS] == []
    for name, selector in re.findall(r"(\btagferry_\w+)\{([^}]*)\}", plain):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", selector))
        assert labels - METRICS[name] - SCRAPED == set(), name
    for grouping in re.findall(r"\b(?:by|on) \(([^)]*)\)", plain):
        labels = {label.strip() for label in grouping.split(",")}
        assert labels - set().union(*(METRICS[name] for name in names)) - SCRAPED == set(), expression


@pytest.mark.parametrize("expression", expressions())
def test_every_state_and_reason_that_is_asked_for_exists(expression: str) -> None:
    values = {str(value) for kind in (SinkState, SourceState, GroupState, DropReason, DivertReason) for value in kind}
    for asked in re.findall(r'(?:state|reason)=~?"([^"$]*)"', expression):
        assert set(asked.split("|")) <= values


def test_every_alert_says_how_bad_what_and_the_next_step() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"].endswith(".")


@pytest.mark.parametrize(
    "about",
    [
        "Overflow",
        "SinkNotUp",
        "LockedOut",
        "RecordsOld",
        "PollsMissed",
        "GroupStale",
        "Disk",
        "RecordsDropped",
        "BacklogOld",
        "RejectedFiles",
    ],
)
def test_what_must_not_go_unnoticed_has_a_rule(about: str) -> None:
    assert any(about in rule["alert"] for rule in RULES)


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        assert panel["datasource"]["uid"] == "${datasource}"
    assert {variable["name"] for variable in DASHBOARD["templating"]["list"]} == {
        "datasource",
        "job",
        "instance",
        "sink",
        "group",
    }
