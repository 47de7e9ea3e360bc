"""OperatorActions: everything that changes the agent's state; who did what is logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from agent_core.api import AgentError, Log, SinkStatus, TriggerResult
from http_monitor.state.journal import EntryKind
from http_monitor.state.monitor_state import MonitorState

T = TypeVar("T")

STOP_TIMEOUT_SECONDS = 5.0
TRIGGER_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Operator:
    """Who acts: the name of the token (``loopback`` without one), the client's address, and its own note."""

    name: str
    client: str
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "note", _one_word(self.note))

    def __str__(self) -> str:
        return f"{self.name} from {self.client}" + (f" (note: {self.note})" if self.note else "")


class OperatorActions:
    """Every method may block until the action is over: call it in a thread of its own. Raises what the agent raises."""

    def __init__(self, monitor: MonitorState, log: Log) -> None:
        self._monitor = monitor
        self._log = log

    def start_group(self, operator: Operator, group_id: str) -> None:
        """Let a group poll again."""
        polling = self._monitor.agent.polling
        self._do(operator, "start_group", group_id, lambda: polling.start_group(group_id))

    def stop_group(self, operator: Operator, group_id: str) -> bool:
        """Stop polling; False when a running poll took too long."""
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
        """Resume writing."""
        agent = self._monitor.agent
        self._do(operator, "resume_sink", sink_id, lambda: agent.resume_sink(sink_id))

    def try_sink(self, operator: Operator, sink_id: str) -> bool:
        """Probe a sink at once; False when there is nothing to try."""
        agent = self._monitor.agent
        return self._do(operator, "try_sink", sink_id, lambda: agent.try_sink(sink_id))

    def replay_backup(self, operator: Operator, sink_id: str, file: str) -> SinkStatus:
        """Request the replay of a file; returns the sink's status after the request. Raises OSError, too."""
        agent = self._monitor.agent
        self._do(operator, "replay_backup", sink_id, lambda: agent.replay_backup(sink_id, file), file)
        self._monitor.replays.requested(sink_id, file)
        return next(sink for sink in agent.status().sinks if sink.sink_id == sink_id)

    def delete_rejected(self, operator: Operator, sink_id: str, file: str) -> int:
        """Delete a file of rejected records; how many it held. Raises OSError."""
        agent = self._monitor.agent
        records = self._do(operator, "delete_rejected", sink_id, lambda: agent.delete_rejected(sink_id, file), file)
        self._monitor.look()
        return records

    def _do(self, operator: Operator, action: str, subject: str, call: Callable[[], T], file: str = "") -> T:
        """``subject`` is the id of the group or sink; empty for all groups."""
        target = "/".join(filter(None, (subject or "all", file)))
        try:
            result = call()
        except (AgentError, OSError) as error:
            self._log.warning(
                "operator action refused",
                action=action,
                target=ascii(target),
                by=operator.name,
                client=operator.client,
                note=operator.note or "-",
                error=_printable(str(error)),
                every="refused",
            )
            raise
        success = result.success if isinstance(result, TriggerResult) else result is not False
        outcome = "done" if success else "failed"
        # Programs trigger groups over HTTP as often as each second; every other action is a line of its own.
        limited = f"{action} {target} {outcome} {operator.name}" if action == "trigger_group" else None
        self._log.info(
            "operator action",
            action=action,
            target=_printable(target),
            by=operator.name,
            client=operator.client,
            note=operator.note or "-",
            outcome=outcome,
            every=limited,
        )
        what = f"{action} {file}".rstrip()
        self._monitor.journal.note(
            EntryKind.OPERATOR_ACTION,
            subject or self._monitor.name,
            f"{what} by {operator}: {outcome}",
            _records(result),
        )
        return result


def _records(result: object) -> int:
    """What an action that counts records answers."""
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _one_word(text: str) -> str:
    """Nobody checks a note, so it must not look like anything else in the log: no blanks, no ``=``, no quotes."""
    return "".join(letter if letter.isalnum() or letter in "._@+-" else "_" for letter in text.strip()[:64])
