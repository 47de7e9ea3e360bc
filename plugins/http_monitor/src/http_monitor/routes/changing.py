"""Paths that change the agent's state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, cast

from fastapi import APIRouter, Header, HTTPException, Path, Request
from fastapi.concurrency import run_in_threadpool

from http_monitor.answers.backlog import ReplayRequested, replay_requested
from http_monitor.answers.polling import ControlResult, RejectedDeleted, TriggerAnswer
from http_monitor.door.access_policy import Visitor
from http_monitor.door.guard import VISITOR
from http_monitor.operator_actions import Operator, OperatorActions
from http_monitor.routes.problem import CONFLICT, NOT_RUNNING, REFUSED, UNKNOWN, UNREADABLE, Responses, unreadable

GroupId = Annotated[str, Path(description="Id of the polling group, as in the YAML.", max_length=200)]
SinkId = Annotated[str, Path(description="Id of the sink, as in the YAML.", max_length=200, examples=["warehouse"])]
BackupName = Annotated[
    str,
    Path(
        description="Name of a waiting file, as /api/backups lists it.",
        max_length=255,
        examples=["backup_20260101_000000.csv"],
    ),
]
OperatorNote = Annotated[
    str,
    Header(
        alias="X-Operator",
        max_length=64,
        description="A note for the log, such as who acts; nobody checks it. "
        "Any character but letters, digits and ._@+- becomes _.",
    ),
]

_ALL: Final[Responses] = {**NOT_RUNNING, **REFUSED}
_ONE: Final[Responses] = {**_ALL, **UNKNOWN}


class ChangingRoutes:
    """Actions wait for polls to end, so each runs in a thread of the server's pool."""

    def __init__(self, actions: OperatorActions, redact: Callable[[str], str]) -> None:
        self._actions = actions
        self._redact = redact

    def router(self) -> APIRouter:
        router = APIRouter()

        def add(path: str, handler: object, summary: str, responses: Responses, tag: str, status: int = 200) -> None:
            router.add_api_route(
                path,
                handler,  # type: ignore[arg-type]
                methods=["POST"],
                summary=summary,
                status_code=status,
                responses=responses,
                tags=[tag],
            )

        group = "/api/polling/groups/{group_id}"
        add(f"{group}/start", self.start, "Start a polling group", _ONE, "polling")
        add(f"{group}/stop", self.stop, "Stop a polling group", _ONE, "polling")
        add(f"{group}/trigger", self.trigger, "Poll a handshake group now", _ONE, "polling")
        add("/api/polling/start-all", self.start_all, "Start every group", _ALL, "polling")
        add("/api/polling/stop-all", self.stop_all, "Stop every group", _ALL, "polling")
        add("/api/sinks/{sink_id}/pause", self.pause, "Pause a sink: write nothing until it is resumed", _ONE, "sinks")
        add("/api/sinks/{sink_id}/resume", self.resume, "Resume writing to a sink", _ONE, "sinks")
        add("/api/sinks/{sink_id}/try", self.try_now, "Probe a sink at once that is not up", _ONE, "sinks")
        add(
            "/api/sinks/{sink_id}/backups/{file}/replay",
            self.replay,
            "Replay one backup file, or one file of rejected records, into its sink",
            {**_ONE, **CONFLICT, **UNREADABLE},
            "sinks",
            202,
        )
        add(
            "/api/sinks/{sink_id}/backups/{file}/delete",
            self.delete,
            "Delete one file of rejected records permanently",
            {**_ONE, **CONFLICT, **UNREADABLE},
            "sinks",
        )
        return router

    async def start(self, request: Request, group_id: GroupId, x_operator: OperatorNote = "") -> ControlResult:
        await run_in_threadpool(self._actions.start_group, _operator(request, x_operator), group_id)
        return ControlResult(success=True, message=f"{group_id} is running")

    async def stop(self, request: Request, group_id: GroupId, x_operator: OperatorNote = "") -> ControlResult:
        stopped = await run_in_threadpool(self._actions.stop_group, _operator(request, x_operator), group_id)
        return ControlResult(
            success=stopped,
            message=f"{group_id} is stopped"
            if stopped
            else f"{group_id} starts no more polls, but one is still running",
        )

    async def trigger(self, request: Request, group_id: GroupId, x_operator: OperatorNote = "") -> TriggerAnswer:
        result = await run_in_threadpool(self._actions.trigger_group, _operator(request, x_operator), group_id)
        return TriggerAnswer(
            success=result.success,
            message=result.message or ("polled" if result.success else "the poll failed"),
            tags_read=result.tags_read,
            duration_ms=round(1000 * result.duration_seconds, 3),
        )

    async def start_all(self, request: Request, x_operator: OperatorNote = "") -> ControlResult:
        await run_in_threadpool(self._actions.start_all, _operator(request, x_operator))
        return ControlResult(success=True, message="every group is running")

    async def stop_all(self, request: Request, x_operator: OperatorNote = "") -> ControlResult:
        stopped = await run_in_threadpool(self._actions.stop_all, _operator(request, x_operator))
        return ControlResult(
            success=stopped,
            message="every group is stopped" if stopped else "no more polls start, but one is still running",
        )

    async def pause(self, request: Request, sink_id: SinkId, x_operator: OperatorNote = "") -> ControlResult:
        await run_in_threadpool(self._actions.pause_sink, _operator(request, x_operator), sink_id)
        return ControlResult(success=True, message=f"{sink_id} is paused; records wait in its buffer")

    async def resume(self, request: Request, sink_id: SinkId, x_operator: OperatorNote = "") -> ControlResult:
        await run_in_threadpool(self._actions.resume_sink, _operator(request, x_operator), sink_id)
        return ControlResult(success=True, message=f"{sink_id} has resumed writing")

    async def try_now(self, request: Request, sink_id: SinkId, x_operator: OperatorNote = "") -> ControlResult:
        trying = await run_in_threadpool(self._actions.try_sink, _operator(request, x_operator), sink_id)
        return ControlResult(
            success=trying,
            message=f"{sink_id} is tried now"
            if trying
            else f"{sink_id} waits for no probe, so there is nothing to try",
        )

    async def replay(
        self, request: Request, sink_id: SinkId, file: BackupName, x_operator: OperatorNote = ""
    ) -> ReplayRequested:
        operator = _operator(request, x_operator)
        try:
            sink = await run_in_threadpool(self._actions.replay_backup, operator, sink_id, file)
        except OSError as error:
            raise unreadable(f"the backup files of {sink_id} cannot be read", error, self._redact) from error
        return replay_requested(sink, file)

    async def delete(
        self, request: Request, sink_id: SinkId, file: BackupName, x_operator: OperatorNote = ""
    ) -> RejectedDeleted:
        operator = _operator(request, x_operator)
        try:
            records = await run_in_threadpool(self._actions.delete_rejected, operator, sink_id, file)
        except FileNotFoundError as error:
            raise HTTPException(404, f"no file called {file!r} waits in the fallback of {sink_id}") from error
        except OSError as error:
            raise unreadable(f"{file} cannot be deleted", error, self._redact) from error
        held = f"{records:,} rejected record{'' if records == 1 else 's'}"
        return RejectedDeleted(success=True, message=f"{file} is deleted, with {held}", records=records)


def _operator(request: Request, note: str) -> Operator:
    visitor = cast("Visitor", getattr(request.state, VISITOR))
    return Operator(visitor.name, visitor.client, note)
