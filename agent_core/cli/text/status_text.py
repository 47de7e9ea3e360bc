"""The agent's status as text: the line while it runs, the ledger when it has stopped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agent_core.api import Account, AgentStatus, LedgerSnapshot, SinkState, SinkStatus
from agent_core.cli.text.amount import amount
from agent_core.cli.text.table import text_table
from agent_core.cli.text.whereabouts_text import PLACES, place_numbers, whereabouts_text

_ALWAYS: Final = (Account.COLLECTED, Account.DELIVERED, Account.PENDING, Account.DROPPED)
"""Columns of the ledger that are there even when they are all 0."""
_MAX_ERROR = 60


class StatusLine:
    """Makes one line of each status; remembers the one before, for the rate."""

    def __init__(self) -> None:
        self._uptime_seconds = 0.0
        self._collected = 0

    def text(self, status: AgentStatus) -> str:
        """``00:01:05  collected 22,750  350 records/s  warehouse up: written 22,400, in memory 350, ...``."""
        collected = sum(source.collected for source in status.sources)
        elapsed = status.uptime_seconds - self._uptime_seconds
        rate = (collected - self._collected) / elapsed if elapsed > 0 else 0.0
        self._uptime_seconds, self._collected = status.uptime_seconds, collected
        parts = [_duration(status.uptime_seconds), f"collected {collected:,}", f"{rate:,.0f} records/s"]
        return "  ".join([*parts, *(_sink(sink) for sink in status.sinks)])


def waiting_text(status: AgentStatus) -> str:
    """What a stop is still waiting for."""
    pending = [
        f"{amount(sink.ledger.pending, 'record')} of {sink.sink_id} ({sink.state})"
        for sink in status.sinks
        if sink.ledger.pending
    ]
    return "waiting for " + (", ".join(pending) if pending else "the parts to close")


def ledger_lines(status: AgentStatus) -> list[str]:
    """What a stop prints: where every record is now, then the ledger of what this run did with them."""
    rows = [[sink.sink_id, *place_numbers(sink.whereabouts)] for sink in status.sinks]
    lines = text_table(["where the records are", *PLACES], rows, right_from=1)
    for sink in status.sinks:
        places = sink.whereabouts
        if places.in_files:
            kept = "run: tagferry replay"
            if sink.replay and sink.replay.automatic:
                kept = sink.replay.refusal or "the next run writes them back"
            wait = "record is" if places.in_files == 1 else "records are"
            lines.append(f"{sink.sink_id}: {place_numbers(places)[2]} {wait} waiting in files; {kept}")
    return [*lines, "", *_ledger_lines(status)]


def _ledger_lines(status: AgentStatus) -> list[str]:
    """A table with one line per sink; then why records were dropped or diverted, and what was replayed."""
    accounts = [
        account
        for account in Account
        if account in _ALWAYS or any(_amount(sink.ledger, account) for sink in status.sinks)
    ]
    rows = [
        [
            sink.sink_id,
            *(f"{_amount(sink.ledger, account):,}" for account in accounts),
            "yes" if sink.ledger.balanced else "NO",
        ]
        for sink in status.sinks
    ]
    lines = text_table(["sink", *map(str, accounts), "balances"], rows, right_from=1)
    for sink in status.sinks:
        lines += _reasons(sink.sink_id, "diverted", sink.ledger.diverted_by_reason)
        lines += _reasons(sink.sink_id, "dropped", sink.ledger.dropped_by_reason)
        lines += _replayed(sink)
    return lines


def _replayed(sink: SinkStatus) -> list[str]:
    """The replay's own ledger: diverted records that came back."""
    replay = sink.replay
    if replay is None or not (replay.read or replay.deleted):
        return []
    deleted = []
    if replay.deleted:
        deleted.append(f"{sink.sink_id} deleted by operators: {amount(replay.deleted, 'rejected record')}")
    if not replay.read:
        return deleted
    parts = f"inserted {replay.inserted:,}, duplicates {replay.duplicates:,}, rejected {replay.rejected:,}"
    return [f"{sink.sink_id} written back: {replay.inserted + replay.duplicates:,} ({parts})", *deleted]


def _sink(sink: SinkStatus) -> str:
    text = f"{sink.sink_id} {sink.state}: {whereabouts_text(sink.whereabouts)}"
    if sink.state is SinkState.UP:
        return text
    probe = "" if sink.next_probe_seconds is None else f"  next probe in {sink.next_probe_seconds:.0f} s"
    error = " ".join((sink.last_error or "").split())
    return f"{text}{probe}" + (f"  ({error[:_MAX_ERROR]})" if error else "")


def _reasons(sink_id: str, what: str, reasons: Mapping[str, int]) -> list[str]:
    found = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()) if count)
    return [f"{sink_id} {what}: {found}"] if found else []


def _amount(ledger: LedgerSnapshot, account: Account) -> int:
    return int(getattr(ledger, account.value))


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest:02}"
