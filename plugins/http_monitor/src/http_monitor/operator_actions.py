"""OperatorActions: what changes the agent's state, each logged with who and what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from agent_core.api import AgentError, RateLimit, SinkStatus, TriggerResult
from http_monitor.door.guard import LOG_INTERVAL_SECONDS
from http_monitor.state.journal import EntryKind
from http_monitor.state.monitor_state import MonitorState

T = TypeVar("T")

STOP_TIMEOUT_SECONDS = 5.0
TRIGGER_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Operator:
    """Who asks: the address of the client, whether it showed the token, and the name it gave itself, if any."""

    client: str
    with_token: bool
    name: str = ""

    def __str__(self) -> str:
        how = "token" if self.with_token else "loopback"
        return f"{self.name}@{self.client} ({how})" if self.name else f"{self.client} ({how})"


class OperatorActions:
    """Every method may block until the action is over; call it in a thread of its own. Raises what the agent raises."""

    def __init__(self, monitor: MonitorState, logger: logging.Logger) -> None:
        self._monitor = monitor
        self._log = logger
        self._limit = RateLimit(monitor.clock, LOG_INTERVAL_SECONDS)

    def start_group(self, operator: Operator, group_id: str) -> None:
        """Let a group poll again."""
        polling = self._monitor.agent.polling
        self._do(operator, "start_group", group_id, lambda: polling.start_group(group_id))

    def stop_group(self, operator: Operator, group_id: str) -> bool:
        """Let no poll begin; False when the running one took too long."""
        polling = self._monitor.agent.polling
        return self._do(operator, "stop_group", group_id, lambda: polling.stop_group(group_id, STOP_TIMEOUT_SECONDS))

    def trigger_group(self, operator: Operator, group_id: str) -> TriggerResult:
        """Poll a group now."""
        polling = self._monitor.agent.polling
        return self._do(
            operator, "trigger_group", group_id, lambda: polling.trigger_group(group_id, TRIGGER_TIMEOUT_SECONDS)
        )

    def start_all(self, operator: Operator) -> None:
        """Start every group."""
        self._do(operator, "start_all", "", self._monitor.agent.polling.start_all)

    def stop_all(self, operator: Operator) -> bool:
        """Stop every group; False when a running poll took too long."""
        polling = self._monitor.agent.polling
        return self._do(operator, "stop_all", "", lambda: polling.stop_all(STOP_TIMEOUT_SECONDS))

    def pause_sink(self, operator: Operator, sink_id: str) -> None:
        """Write nothing to a sink until it is resumed."""
        agent = self._monitor.agent
        self._do(operator, "pause_sink", sink_id, lambda: agent.pause_sink(sink_id))

    def resume_sink(self, operator: Operator, sink_id: str) -> None:
        """Go on writing."""
        agent = self._monitor.agent
        self._do(operator, "resume_sink", sink_id, lambda: agent.resume_sink(sink_id))

    def replay_backup(self, operator: Operator, sink_id: str, file: str) -> SinkStatus:
        """Write a file of the sink's fallback back next; how the sink then stands. Raises OSError, too."""
        agent = self._monitor.agent
        self._do(operator, "request_replay", f"{sink_id} {file}", lambda: agent.replay_backup(sink_id, file), sink_id)
        self._monitor.replays.asked_for(sink_id, file)
        return next(sink for sink in agent.status().sinks if sink.sink_id == sink_id)

    def _do(self, operator: Operator, action: str, what: str, call: Callable[[], T], subject: str = "") -> T:
        """``what`` is all that the action is about; ``subject`` the group or sink, where that is less."""
        wish = f"{action} {what}".rstrip()
        try:
            result = call()
        except (AgentError, OSError) as error:
            if (repeats := self._limit.allow("refused")) is not None:
                self._log.warning(
                    "control refused: action=%s by=%s error=%s%s", ascii(wish), operator, ascii(str(error)), repeats
                )
            raise
        success = result.success if isinstance(result, TriggerResult) else result is not False
        outcome = "done" if success else "failed"
        wish = wish if wish.isprintable() else ascii(wish)
        # Whoever drives the line by HTTP triggers a group each second; every other action is a line of its own.
        if action != "trigger_group":
            self._log.info("control used: action=%s by=%s outcome=%s", wish, operator, outcome)
        elif (repeats := self._limit.allow(f"{wish} {outcome}")) is not None:
            self._log.info("control used: action=%s by=%s outcome=%s%s", wish, operator, outcome, repeats)
        name = self._monitor.name
        self._monitor.journal.note(
            EntryKind.CONTROL, subject or what or name, f"{wish if subject else action} by {operator}: {outcome}"
        )
        return result
