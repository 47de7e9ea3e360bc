"""Every surface says the same of where the records are, at every moment of an outage."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from monitored.fake_agent import sink_status
from monitored.running import Served
from rich.console import Console

from agent_core.api import LedgerSnapshot, ReplayStatus, SinkState, SinkStatus, Whereabouts
from agent_core.cli.main import main
from agent_core.cli.monitor.client import MonitorClient
from agent_core.cli.monitor.live_status import LiveStatus
from agent_core.cli.monitor.top_view import TopView
from agent_core.cli.text.status_text import StatusLine, ledger_lines

PLACES = ("written", "in_memory", "in_files", "rejected", "lost")


def moment(
    state: SinkState, ledger: LedgerSnapshot, replay: ReplayStatus, *, files: int = 0, rejected: int = 0
) -> SinkStatus:
    replay = replace(replay, waiting_records=files, rejected_records=rejected)
    return replace(sink_status(state=state), ledger=ledger, replay=replay)


OUTAGE = LedgerSnapshot(collected=150_478, delivered=73_806, pending=76_672)
DIVERTED = LedgerSnapshot(
    collected=150_478, delivered=73_806, pending=103, diverted=76_560, rejected=2, dropped=7,
    dropped_by_reason={"fallback_failed": 7},
)  # fmt: skip
MOMENTS = {
    "before": (
        moment(SinkState.UP, LedgerSnapshot(collected=73_909, delivered=73_806, pending=103), ReplayStatus()),
        Whereabouts(written=73_806, in_memory=103),
        "all is well",
    ),
    "outage": (
        moment(SinkState.RETRYING, OUTAGE, ReplayStatus()),
        Whereabouts(written=73_806, in_memory=76_672),
        "needs a look",
    ),
    "diverted, the file still open": (
        moment(SinkState.DOWN, DIVERTED, ReplayStatus(), files=76_560, rejected=2),
        Whereabouts(written=73_806, in_memory=103, in_files=76_560, rejected=2, lost=7),
        "needs action",
    ),
    "half written back": (
        moment(
            SinkState.UP,
            replace(DIVERTED, rejected=0, dropped=0, diverted=76_569, dropped_by_reason={}),
            ReplayStatus(read=31_000, inserted=30_990, duplicates=10, backlog_files=2, current_file="backup_1.csv"),
            files=45_569,
        ),
        Whereabouts(written=104_806, written_back=31_000, in_memory=103, in_files=45_569),
        "catching up",
    ),
    "caught up": (
        moment(
            SinkState.UP,
            replace(DIVERTED, rejected=0, dropped=0, diverted=76_569, dropped_by_reason={}),
            ReplayStatus(read=76_569, inserted=76_559, duplicates=10),
        ),
        Whereabouts(written=150_375, written_back=76_569, in_memory=103),
        "all is well",
    ),
    "an earlier run left files that are not counted yet": (
        moment(SinkState.UP, LedgerSnapshot(), ReplayStatus(counted=False), files=18_799),
        Whereabouts(in_files=18_799, counted=False),
        "catching up",
    ),
}


def numbers_of(places: Whereabouts) -> dict[str, int]:
    return {place: getattr(places, place) for place in PLACES}


def numbers_in(text: str) -> dict[str, int]:
    """From ``written 104,806 (31,000 from files), in memory 103, in files 45,569, rejected 0, lost 0``."""
    found = re.search(
        r"written ([\d,]+)(?: \(([\d,]+) from files\))?, in memory ([\d,]+), in files ~?([\d,]+), "
        r"rejected ~?([\d,]+), lost ([\d,]+)",
        text,
    )
    assert found is not None, text
    written, _, *others = found.groups()
    return dict(zip(PLACES, (int(number.replace(",", "")) for number in (written, *others)), strict=True))


def numbers_in_table(lines: list[str], header: str) -> dict[str, int]:
    """From a table whose columns end in those of the places; ``header`` begins it."""
    at = next(index for index, line in enumerate(lines) if header in line and "in memory" in line)
    first = re.split(r"\s{2,}", lines[at].strip()).index("written")
    row = next(line for line in lines[at + 1 :] if line.strip().startswith("warehouse"))
    cells = [int(cell) for cell in re.findall(r"(?<=\s)~?(\d+)(?=\s|$)", row.replace(",", ""))]
    assert first >= 1
    return dict(zip(PLACES, cells[-5:], strict=True))


def in_metrics(text: str) -> Mapping[str, int]:
    found = re.findall(r'^tagferry_records\{place="(\w+)",sink="warehouse"\} ([\d.e+]+)$', text, re.MULTILINE)
    return {place: int(float(number)) for place, number in found}


@pytest.mark.parametrize("name", MOMENTS)
def test_every_surface_says_the_same_numbers(served: Served, capsys: pytest.CaptureFixture[str], name: str) -> None:
    sink, expected, verdict = MOMENTS[name]
    served.agent.sinks = [sink]
    wanted = numbers_of(expected)
    assert sink.whereabouts == expected

    page = served.client.get("/api/live").json()
    for answer in (page["whereabouts"], page["sinks"][0]["whereabouts"]):
        assert {place: answer[place] for place in PLACES} == wanted
        assert (answer["written_back"], answer["counted"]) == (expected.written_back, expected.counted)
    assert page["verdict"] == verdict
    assert in_metrics(served.client.get("/metrics").text) == wanted

    address = f"http://127.0.0.1:{served.port}"
    main(["status", "--url", address])
    text = capsys.readouterr().out
    assert numbers_in(text) == wanted
    assert f" line-1: {verdict}, " in text
    live = LiveStatus.of(MonitorClient(address).get("/api/live"))
    for width in (80, 160):
        assert in_top(live, width) == wanted, width

    status = served.agent.status()
    assert numbers_in(StatusLine().text(status)) == wanted, "the line of tagferry run"
    assert numbers_in_table(ledger_lines(status), "where the records are") == wanted, "printed at the stop"


def in_top(live: LiveStatus, width: int) -> dict[str, int]:
    view, console = TopView(), Console(width=width, file=io.StringIO(), color_system=None)
    view.update(live)
    with console.capture() as printed:
        console.print(view.render(width, None))
    lines = printed.get().splitlines()
    at = next(index for index, line in enumerate(lines) if "in memory" in line)
    row = next(line for line in lines[at + 1 :] if line.strip().startswith("warehouse"))
    place = {name: lines[at].index(name.replace("_", " ")) + len(name) for name in PLACES}
    return {name: int(re.findall(r"[\d,~]+$", row[:end])[0].replace(",", "").strip("~")) for name, end in place.items()}
