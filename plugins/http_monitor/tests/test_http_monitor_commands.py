"""``tagferry status``, ``top`` and ``trigger``, over HTTP, against the real monitor of a fake agent."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from http_monitor.config import HttpMonitorConfig, Protect, Tls
from http_monitor.extension import HttpMonitor
from monitored.certificates import make_certificate
from monitored.fake_agent import FakeAgent, sink_status
from monitored.http_client import HttpClient
from monitored.running import MakeServed, Served
from rich.console import Console

from agent_core.api import (
    BacklogFile,
    ComponentContext,
    GroupState,
    ReplayStatus,
    Secret,
    SinkState,
    TriggerResult,
)
from agent_core.cli.main import main
from agent_core.cli.monitor.client import MonitorClient, MonitorRefused
from agent_core.cli.monitor.live_status import LiveStatus
from agent_core.cli.monitor.top_view import TopView
from agent_core.cli.text.span_text import span_text
from agent_core.registry import Events

TOKEN = "0123456789abcdef"


@pytest.fixture
def make_served(tmp_path: Path) -> Iterator[MakeServed]:
    monitors: list[HttpMonitor] = []

    def make(token: str | None = None, protect: Protect = Protect.CHANGES, tls: Tls | None = None) -> Served:
        secret = None if token is None else Secret(lambda: token)
        context = ComponentContext("http_monitor", "line-1", tmp_path, "http_monitor")
        monitor = HttpMonitor(HttpMonitorConfig("127.0.0.1:0", secret, protect, (), tls=tls), context)
        monitors.append(monitor)
        monitor.open()
        events, agent = Events(), FakeAgent()
        for observer in monitor.observers():
            events.register_observer(observer)
        events.started(agent)
        monitor.state.tick()
        return Served(monitor, agent, HttpClient(monitor.address.port), events)

    yield make
    for monitor in monitors:
        monitor.close()


@pytest.fixture
def served(make_served: MakeServed) -> Served:
    return make_served()


def url(served: Served) -> str:
    return f"http://127.0.0.1:{served.port}"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def judged(served: Served, *sinks: SinkState) -> None:
    """Let the sinks be in these states, and the monitor notice."""
    served.agent.sinks = [sink_status(f"sink{number}", state) for number, state in enumerate(sinks)]
    served.monitor.state.tick()


def test_status_is_one_line_per_sink_and_says_how_old_the_last_delivery_is(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = shown(capsys, "status", "--url", url(served))
    first, sink, groups = out.splitlines()
    assert code == 0
    assert first.startswith("OK line-1: ")
    assert "last delivery" in first
    assert "warehouse up: written 900, in memory 100, in files 0, rejected 0, lost 0, buffer 1 % full, last" in sink
    assert groups == "  groups: 2 running, 0 stopped, 0 backing off"


@pytest.mark.parametrize(
    ("state", "code", "word"),
    [(SinkState.UP, 0, "OK"), (SinkState.PAUSED, 1, "WARNING"), (SinkState.LOCKED_OUT, 2, "CRITICAL")],
)
def test_the_exit_code_is_that_of_the_worst(
    served: Served, capsys: pytest.CaptureFixture[str], state: SinkState, code: int, word: str
) -> None:
    judged(served, SinkState.UP, state)
    found, out, _ = shown(capsys, "status", "--url", url(served))
    assert found == code
    assert out.startswith(word)
    assert ("next step: " in out) == (code > 0)


def test_an_old_delivery_is_critical_when_one_asks_for_it(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "status", "--url", url(served), "--max-age", "36500d")[0] == 0
    code, out, _ = shown(capsys, "status", "--url", url(served), "--max-age", "1s")
    assert code == 2
    assert "more than --max-age" in out


def test_a_sink_that_never_wrote_is_as_old_as_the_agent(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.agent.sinks = [replace(sink_status(), last_delivery_ns=None)]
    code, out, _ = shown(capsys, "status", "--url", url(served), "--max-age", "59s")
    assert code == 2, "it has run for 60 s"
    assert "nothing delivered yet" in out


def test_files_that_wait_are_said_with_what_was_asked_for(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.agent.files = {
        "warehouse": [
            BacklogFile("backup_1.csv", 1000, 20, rejected=False),
            BacklogFile("rejected_1.csv", 300, 3, rejected=True),
        ]
    }
    replay = ReplayStatus(
        requested_files=("rejected_1.csv",), current_file="backup_1.csv", waiting_records=20, rejected_records=3
    )
    served.agent.sinks = [replace(sink_status(), replay=replay)]
    served.monitor.state.look()
    text = "1 backup file waiting, 1 rejected file, 1 requested, replaying backup_1.csv"
    code, out, _ = shown(capsys, "status", "--url", url(served))
    assert (code, text in out) == (0, True)
    assert f"warehouse: {text[:50]}" in shown(capsys, "top", "--url", url(served))[1]
    served.agent.sinks = [replace(sink_status(), replay=replace(replay, waiting_records=0, requested_files=()))]
    text = shown(capsys, "status", "--url", url(served))[1]
    assert ", 1 rejected file, replaying backup_1.csv\n" in text, "a file that holds nothing any more does not wait"


def test_status_is_there_for_scripts(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    judged(served, SinkState.DOWN)
    code, out, _ = shown(capsys, "status", "--json", "--url", url(served))
    found = json.loads(out)
    assert (code, found["exit_code"], found["status"]) == (2, 2, "critical")
    assert found["last_delivery_age_seconds"] > 0
    assert found["sinks"][0]["state"] == "down"
    assert found["alerts"][0]["next_step"]


def test_an_agent_that_does_not_answer_is_critical(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = shown(capsys, "status", "--url", "http://127.0.0.1:1")
    assert code == 2
    assert out.startswith("CRITICAL no agent answers at http://127.0.0.1:1: ")
    assert "nonnumeric port" in shown(capsys, "status", "--url", "127.0.0.1:x")[1]
    code, out, _ = shown(capsys, "status", "--url", "127.0.0.1:1", "--json")
    assert json.loads(out)["status"] == "critical"


@pytest.mark.parametrize("arguments", [["missing.yaml"], ["--url", "ftp://127.0.0.1"]])
def test_what_cannot_be_asked_is_unknown(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, out, _ = shown(capsys, "status", *arguments)
    assert code == 3
    assert out.startswith("UNKNOWN ")


def test_something_else_on_the_port_is_unknown(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(MonitorRefused, match="not a tagferry monitor"):
        MonitorClient(url(served)).get("/")
    with pytest.raises(MonitorRefused, match="not understood"):
        LiveStatus.of({"agent": {}})


def test_a_trigger_says_what_it_read(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = shown(capsys, "trigger", "ORDER_START", "--url", url(served))
    assert (code, out) == (0, "ORDER_START: 350 tags read in 50.0 ms\n")
    assert served.agent.polling.calls == [("trigger", "ORDER_START")]
    assert json.loads(shown(capsys, "trigger", "ORDER_START", "--url", url(served), "--json")[1])["success"]


def test_a_trigger_that_failed_says_why(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.agent.polling.trigger_result = TriggerResult(False, 0, 2.0, "PLC01 does not answer")
    code, out, _ = shown(capsys, "trigger", "ORDER_START", "--url", url(served))
    assert (code, out) == (1, "ORDER_START was not polled: PLC01 does not answer\n")
    code, _, err = shown(capsys, "trigger", "NO NE ?", "--url", url(served))
    assert code == 1
    assert "no polling group is called 'NO NE ?'" in err
    assert "Traceback" not in err


def test_the_token_comes_from_a_file_or_the_environment(
    make_served: MakeServed, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = make_served(TOKEN, Protect.EVERYTHING)
    code, out, _ = shown(capsys, "status", "--url", url(served))
    assert code == 3
    assert "this needs a token" in out
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n", encoding="utf-8")
    assert shown(capsys, "status", "--url", url(served), "--token-file", str(file))[0] == 0
    monkeypatch.setenv("AGENT_TOKEN", TOKEN)
    assert shown(capsys, "trigger", "ORDER_START", "--url", url(served))[0] == 0


@pytest.mark.parametrize("token", ["secret\nX-Evil: 1", "sécret of the plant"])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(
    served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path, token: str
) -> None:
    file = tmp_path / "token"
    file.write_text(token, encoding="utf-8")
    code, out, err = shown(capsys, "status", "--url", url(served), "--token-file", str(file))
    assert code == 3
    assert "the token is not one line of printable ASCII" in out + err
    assert "cret" not in out + err


def test_https_is_trusted_by_a_file(
    make_served: MakeServed, capsys: pytest.CaptureFixture[str], certificate: Tls, another_certificate: Tls
) -> None:
    address = url(make_served(tls=certificate)).replace("http:", "https:")
    for trust, said in (((), "is not trusted"), (("--ca-file", str(another_certificate.certificate)), "not trusted")):
        code, out, _ = shown(capsys, "status", "--url", address, *trust)
        assert code == 3
        assert said in out
    assert shown(capsys, "status", "--url", address, "--ca-file", str(certificate.certificate))[0] == 0
    for file in (certificate.key, certificate.key.parent, Path(__file__), certificate.key.with_suffix(".none")):
        code, out, _ = shown(capsys, "status", "--url", address, "--ca-file", str(file))
        assert code == 3
        assert f"{file} cannot be used to trust a certificate" in out


def test_the_yaml_s_own_certificate_is_trusted_under_any_name(
    make_served: MakeServed, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = make_certificate(tmp_path, host="monitor.plant")
    served = make_served(TOKEN, Protect.EVERYTHING, files)
    monkeypatch.setenv("KIM_TOKEN", TOKEN)
    monkeypatch.setenv("WALL_TOKEN", "the wall's long token")
    file = tmp_path / "agent.yaml"
    file.write_text(
        f"""
extensions:
  - type: http_monitor
    config:
      listen: "127.0.0.1:{served.port}"
      tls: {{certificate: monitor.pem, key: monitor.key}}
      tokens:
        - {{name: wall, token: "${{WALL_TOKEN}}"}}
        - {{name: kim, token: "${{KIM_TOKEN}}", role: operate}}
""",
        encoding="utf-8",
    )
    assert shown(capsys, "status", str(file))[0] == 0
    assert shown(capsys, "trigger", "ORDER_START", str(file))[0] == 0


def test_address_and_token_come_from_the_yaml(
    make_served: MakeServed, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = make_served(TOKEN)
    monkeypatch.setenv("MONITOR_TOKEN", TOKEN)
    file = tmp_path / "agent.yaml"
    text = """
sources:
  - id: line1
    type: polling_source
    config:
      devices: [{{id: LINE1, driver: simulator_driver}}]
      groups: [{{id: G, device: LINE1, interval: 1s, tags: [{{name: A, address: "sine:", data_type: float32}}]}}]
sinks:
  - {{id: local, type: sqlite_sink, config: {{path: data.db}}}}
extensions: {extensions}
"""
    listening = f'[{{type: http_monitor, config: {{listen: "127.0.0.1:{served.port}", token: "${{MONITOR_TOKEN}}"}}}}]'
    file.write_text(text.format(extensions=listening), encoding="utf-8")
    assert shown(capsys, "trigger", "ORDER_START", str(file))[0] == 0
    assert shown(capsys, "status", str(file))[0] == 0
    file.write_text(text.format(extensions="[]"), encoding="utf-8")
    code, _, err = shown(capsys, "trigger", "ORDER_START", str(file))
    assert code == 1
    assert "no extension listens" in err


@pytest.mark.parametrize("command", [["status"], ["top"], ["trigger", "ORDER_START"]])
def test_a_secret_of_a_sink_that_is_missing_keeps_nobody_from_asking(
    served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path, command: list[str]
) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text(
        f"""
sources: [{{id: line1, type: polling_source, config: {{devices: "${{file:devices}}"}}}}]
sinks: [{{id: w, type: oracle_sink, config: {{user: u, dsn: d, table: T, password: "${{file:pw}}"}}}}]
extensions: [{{type: http_monitor, config: {{listen: "127.0.0.1:{served.port}"}}}}]
""",
        encoding="utf-8",
    )
    code, out, err = shown(capsys, *command, str(file))
    assert (code, "pw" in out + err) == (0, False), out + err


def test_a_token_that_cannot_be_read_is_said_with_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "agent.yaml"
    file.write_text('extensions: [{type: http_monitor, config: {token: "${file:token}"}}]\n', encoding="utf-8")
    code, out, _ = shown(capsys, "status", str(file))
    assert code == 3
    assert out.startswith("UNKNOWN ")
    assert "agent.yaml:1:" in out
    assert "no such file: " in out


def test_top_is_printed_once_where_no_terminal_listens(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    judged(served, SinkState.DOWN)
    served.agent.polling.stop_group("PROCESS")
    served.monitor.state.tick()
    code, out, _ = shown(capsys, "top", "--url", url(served))
    assert code == 0
    for text in ("line-1", "needs action", "sink0", "down", "ORDER_START", "Fix what the error says"):
        assert text in out, text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_top_fits_any_width_and_height(served: Served, width: int) -> None:
    served.agent.polling.statuses *= 20
    judged(served, *SinkState)
    view = TopView()
    view.update(LiveStatus.of(MonitorClient(url(served)).get("/api/live")), [1.0, 2.0, 0.0])
    console = Console(width=width, height=24, file=io.StringIO())
    console.print(view.render(width, 24))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    assert any("more" in line for line in lines), "there are more groups than lines"


def test_top_says_how_old_its_picture_is_when_the_agent_is_gone(served: Served) -> None:
    view = TopView()
    view.update(LiveStatus.of(MonitorClient(url(served)).get("/api/live")))
    view.lost("no agent answers")
    console = Console(width=100)
    segments = list(console.render(view.render(100, 30)))
    assert "This view is" in "".join(segment.text for segment in segments)
    [page] = [segment for segment in segments if "all is well" in segment.text]
    assert page.style is not None
    assert page.style.color is not None
    assert page.style.color.name == "bright_black", "grey: nothing of it looks well any more"


def test_a_stopped_group_is_counted(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.agent.polling.stop_group("PROCESS")
    served.monitor.state.tick()
    assert served.agent.polling.statuses[0].state is GroupState.STOPPED
    code, out, _ = shown(capsys, "status", "--url", url(served))
    assert code == 1
    assert "1 running, 1 stopped" in out


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (12, "12 s"), (200, "3 min"), (14_700, "4 h 05"), (1_050_000, "12 d 3 h")]
)
def test_spans_are_said_as_people_do(seconds: float, text: str) -> None:
    assert span_text(seconds) == text


def test_a_sink_is_tried_and_what_came_of_it_is_said(
    served: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged(served, SinkState.LOCKED_OUT)
    code, out, _ = shown(capsys, "try", "sink0", "--url", url(served))
    assert (code, served.agent.tried) == (1, ["sink0"])
    assert out == "sink0 is locked_out: ORA-12541: no listener\n"

    def try_sink(sink_id: str) -> bool:
        judged(served, SinkState.UP)
        return True

    monkeypatch.setattr(served.agent, "try_sink", try_sink)
    assert shown(capsys, "try", "sink0", "--url", url(served))[:2] == (0, "sink0 is up\n")


def test_a_sink_that_waits_for_no_probe_has_nothing_to_try(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    served.agent.sinks = [replace(sink_status(state=SinkState.PAUSED), next_probe_seconds=None, last_error=None)]
    code, out, _ = shown(capsys, "try", "warehouse", "--url", url(served))
    assert (code, out) == (1, "warehouse is paused: warehouse waits for no probe, so there is nothing to try\n")
    code, _, err = shown(capsys, "try", "other", "--url", url(served))
    assert code == 1
    assert "no sink is called 'other'" in err
