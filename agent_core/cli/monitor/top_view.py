"""TopView: the agent as a page of a terminal, drawn with rich."""

from __future__ import annotations

import io
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from rich import box
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent_core.api import GroupState, Severity, SinkState
from agent_core.cli.monitor.live_status import LiveAlert, LiveGroup, LiveSink, LiveStatus
from agent_core.cli.text.amount import amount
from agent_core.cli.text.span_text import span_text
from agent_core.cli.text.whereabouts_text import PLACES, place_numbers

SPARK_POINTS: Final = 300
FILL_CELLS: Final = 8
MOST_ALERTS: Final = 4
WIDE: Final = 110
"""Terminals at least this wide have room for more columns."""

_BARS: Final = "▁▂▃▄▅▆▇█"
_GOOD: Final = "green"
_LOOK: Final = "yellow"
_BAD: Final = "bold red"
_HEALTH: Final = {"ok": _GOOD, "degraded": _LOOK, "failing": _BAD}
_PLACES: Final = dict(zip(PLACES, ("", "", _LOOK, _LOOK, _BAD), strict=True))
"""How a place is shown that holds records."""
_SINKS: Final = {SinkState.UP: _GOOD, SinkState.RETRYING: _LOOK, SinkState.PAUSED: _LOOK}
_GROUPS: Final = {GroupState.RUNNING: _GOOD, GroupState.STOPPED: _LOOK}


class TopView:
    """Holds the last status and its age."""

    def __init__(self) -> None:
        self._status: LiveStatus | None = None
        self._rates: deque[float] = deque(maxlen=SPARK_POINTS)
        self._seen_at = time.monotonic()
        self._problem = ""

    def update(self, status: LiveStatus, history: Sequence[float] = ()) -> None:
        """Show this from now on."""
        self._rates.extend(history)
        self._rates.append(status.records_per_second)
        self._status, self._seen_at, self._problem = status, time.monotonic(), ""

    def lost(self, problem: str) -> None:
        """Keep showing the last status, and say how old it is."""
        self._problem = problem

    def render(self, width: int, height: int | None) -> RenderableType:
        """The page; ``height`` None: as long as needed."""
        status = self._status
        if status is None:
            return Text("waiting for the agent")
        page = self._page(status, width, height)
        if not self._problem:
            return page
        age = span_text(time.monotonic() - self._seen_at)
        old = Panel(Text(f"This view is {age} old. {self._problem}"), style=_BAD, box=box.HEAVY)
        return Group(old, _grey(page, width))

    def _page(self, status: LiveStatus, width: int, height: int | None) -> RenderableType:
        parts: list[RenderableType] = [self._head(status, width)]
        parts.append(_sinks(status.sinks, wide=width >= WIDE))
        backlogs = [(sink.sink_id, sink.backlog_text) for sink in status.sinks if sink.backlog_text]
        for sink_id, text in backlogs:
            parts.append(Text.assemble((sink_id, "bold"), f": {text}", style=_LOOK, no_wrap=True, overflow="ellipsis"))
        shown = status.alerts[:MOST_ALERTS]
        parts += [_alert(alert) for alert in shown]
        if len(status.alerts) > len(shown):
            parts.append(Text(f"and {len(status.alerts) - len(shown)} more alerts", style=_LOOK))
        used = 14 + 2 * len(shown) + len(status.sinks) + len(backlogs)
        room = len(status.groups) if height is None else max(1, height - used)
        if status.groups:
            parts.append(_groups(status.groups, room))
        return Group(*parts)

    def _head(self, status: LiveStatus, width: int) -> RenderableType:
        colour = _HEALTH.get(status.health, _LOOK)
        if status.phase != "running" or (status.health == "ok" and status.whereabouts.in_files):
            colour = _LOOK
        first = Text.assemble(
            (status.name, "bold"), "  ", (f" {status.verdict} ", f"reverse {colour}"), "  ",
            (f"{status.records_per_second:,.0f}", "bold"), " records/s  ",
            (f"up for {span_text(status.uptime_seconds)}", "dim"),
            ("  Ctrl-C closes this view", "dim"), no_wrap=True, overflow="ellipsis",
        )  # fmt: skip
        tags = amount(status.tags, "tag") + (f", {status.tags_not_good:,} not good" if status.tags_not_good else "")
        points = list(self._rates)[-max(10, width - len(tags) - 8) :]
        second = Text.assemble((_spark(points), "cyan"), "  ", (tags, _LOOK if status.tags_not_good else "dim"))
        return Panel(Group(first, second), box=box.ROUNDED, border_style=colour)


def _grey(page: RenderableType, width: int) -> Text:
    """The same without its colours: what nobody measures any more must not look as if it were well."""
    plain = Console(width=width, file=io.StringIO(), color_system=None)
    with plain.capture() as printed:
        plain.print(page)
    return Text(printed.get().rstrip("\n"), style="bright_black", no_wrap=True)


def _spark(points: Iterable[float]) -> str:
    values = list(points)
    top = max(values, default=0.0)
    return "".join(_BARS[min(7, int(value / top * 7.999))] if top > 0 else _BARS[0] for value in values)


def _alert(alert: LiveAlert) -> RenderableType:
    critical = alert.severity is Severity.CRITICAL
    style = _BAD if critical else _LOOK
    return Text.assemble(
        ("!! " if critical else " ! ", style), (alert.subject, f"bold {style}" if critical else style),
        f" for {span_text(alert.since_seconds)}: {alert.message}\n   ", (alert.next_step, "italic"),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip


def _sinks(sinks: Sequence[LiveSink], *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("sink", "state", "buffer") if wide else ("sink", "state"):
        table.add_column(name, no_wrap=True)
    for name in (*PLACES, "records/s", "write", "last delivery") if wide else PLACES:
        table.add_column(name, justify="right", no_wrap=True)
    for sink in sinks:
        state = Text(sink.state, style=_SINKS.get(sink.state, _BAD))
        if sink.next_probe_seconds is not None:
            state.append(f" {span_text(sink.next_probe_seconds)}", style="dim")
        title = Text.assemble((sink.sink_id, "bold"), (f" {sink.type}" if wide else "", "dim"))
        numbers = place_numbers(sink.whereabouts)
        places = [
            Text(number, style=_PLACES[place] if number.strip("~0") else "dim")
            for place, number in zip(PLACES, numbers, strict=True)
        ]
        if wide:
            seconds, age = sink.writes.average_seconds, sink.last_delivery_age_seconds
            rates = (f"{sink.records_per_second:,.0f}", "" if seconds is None else f"{seconds * 1e3:.1f} ms")
            delivery = "none yet" if age is None else span_text(age)
            table.add_row(title, state, _bar(sink.outlook.fill_pct), *places, *rates, delivery)
        else:
            table.add_row(title, state, *places)
    return table


def _bar(fill_pct: float) -> Text:
    filled = min(FILL_CELLS, round(fill_pct / 100 * FILL_CELLS))
    colour = _BAD if fill_pct >= 95 else _LOOK if fill_pct >= 70 else "cyan"
    return Text.assemble(("█" * filled, colour), ("░" * (FILL_CELLS - filled), "dim"), f" {fill_pct:.0f} %")


def _groups(groups: Sequence[LiveGroup], room: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for name in ("group", "state", "device"):
        table.add_column(name, no_wrap=True)
    for name in ("tags", "every", "last poll", "failed", "missed"):
        table.add_column(name, justify="right", no_wrap=True)
    in_trouble_first = sorted(groups, key=lambda group: group.state is GroupState.RUNNING and not group.stale)
    for group in in_trouble_first[:room]:
        state, style = ("stale", _BAD) if group.stale else (str(group.state), _GROUPS.get(group.state, _BAD))
        age, interval = group.last_poll_age_seconds, group.interval_seconds
        table.add_row(
            Text(group.group_id, style="bold"),
            Text(state.replace("_", " "), style=style),
            group.device_id,
            f"{group.tags:,}",
            "on trigger" if interval is None else span_text(interval),
            "not yet" if age is None else span_text(age),
            Text(f"{group.failed:,}", style=_LOOK if group.failed else "dim"),
            Text(f"{group.missed:,}", style=_LOOK if group.missed else "dim"),
        )
    if len(groups) > room:
        table.add_row(Text(f"and {len(groups) - room} more", style="dim"))
    return table
