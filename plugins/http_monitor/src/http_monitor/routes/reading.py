"""Paths that only read: buffers, writers, polling, tags, incidents, health, metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Path, Query, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from http_monitor.answers.backlog import BackupFiles, backup_files
from http_monitor.answers.buffer import BufferHealth, BufferStatus, buffer_health, buffer_status
from http_monitor.answers.incidents import EventList, RejectedRecords, events, rejected
from http_monitor.answers.live import History, Live, history, live
from http_monitor.answers.polling import (
    PollingGroup,
    PollingStatus,
    QueueStatus,
    polling_group,
    polling_status,
    queue_status,
)
from http_monitor.answers.probe import AccessAnswer, Probe
from http_monitor.answers.tags import Tags, tags
from http_monitor.answers.writer import BufferMetrics, WriterMetrics, buffer_metrics, writer_metrics
from http_monitor.door.access_policy import AccessPolicy
from http_monitor.routes.problem import NOT_RUNNING, UNKNOWN, UNREAD
from http_monitor.state.monitor_state import MonitorState, Phase

GroupId = Annotated[str, Path(description="Id of the polling group, as in the YAML.", max_length=200)]
Limit = Annotated[int, Query(ge=1, le=500, description="Maximum number of entries.")]


class ReadingRoutes:
    """Every handler is a coroutine that never waits: a thread per answer would cost more than the answer."""

    def __init__(self, monitor: MonitorState, access: AccessPolicy, metrics: CollectorRegistry) -> None:
        self._monitor = monitor
        self._access = access
        self._metrics = metrics

    def router(self) -> APIRouter:
        router = APIRouter(responses={**NOT_RUNNING, **UNREAD})
        add = router.add_api_route
        add("/api/buffer/status", self.buffer_status, tags=["buffer"], summary="How full the buffers are")
        add("/api/buffer/metrics", self.buffer_metrics, tags=["buffer"], summary="Buffers, writes, ledgers, backlogs")
        add(
            "/api/buffer/health",
            self.buffer_health,
            tags=["buffer"],
            summary="Whether records reach their destination",
            responses={503: {"model": BufferHealth, "description": "They do not; reasons says why."}},
        )
        add("/api/buffer/writer/metrics", self.writer_metrics, tags=["buffer"], summary="Writes of the sinks")
        add("/api/polling/status", self.polling_status, tags=["polling"], summary="All polling groups")
        add("/api/polling/queue/status", self.queue_status, tags=["polling"], summary="Records that wait to be written")
        add(
            "/api/polling/groups/{group_id}/status",
            self.group_status,
            tags=["polling"],
            summary="One polling group",
            responses=UNKNOWN,
        )
        add("/api/live", self.live, tags=["dashboard"], summary="Everything that the dashboard shows")
        add("/api/history", self.history, tags=["dashboard"], summary="The last 15 minutes of the charts")
        add("/api/tags", self.tags, tags=["dashboard"], summary="Current values of tags")
        add("/api/events", self.events, tags=["dashboard"], summary="The last events")
        add("/api/rejected", self.rejected, tags=["dashboard"], summary="The last rejected records")
        add("/api/backups", self.backups, tags=["dashboard"], summary="The backlog: files that wait in the fallbacks")
        return router

    def probes(self) -> APIRouter:
        """Paths that answer before the agent has started."""
        router = APIRouter()
        add = router.add_api_route
        add("/api/access", self.access, tags=["probes"], summary="Whether a token is needed")
        add("/healthz", self.healthz, tags=["probes"], summary="Whether the process answers")
        add(
            "/readyz",
            self.readyz,
            tags=["probes"],
            summary="Whether the agent is running",
            responses={503: {"model": Probe, "description": "It is starting or stopping."}},
        )
        add(
            "/metrics",
            self.metrics,
            tags=["probes"],
            summary="Prometheus metrics",
            response_class=Response,
            responses={
                **UNREAD,
                200: {"content": {"text/plain": {}}, "description": "Prometheus text format; see docs/metrics.md."},
            },
        )
        return router

    async def buffer_status(self) -> BufferStatus:
        return buffer_status(self._monitor.now())

    async def buffer_metrics(self) -> BufferMetrics:
        return buffer_metrics(self._monitor, self._monitor.now())

    async def buffer_health(self, response: Response) -> BufferHealth:
        answer = buffer_health(self._monitor.now() if self._monitor.running else None)
        if not answer.healthy:
            response.status_code = 503
        return answer

    async def writer_metrics(self) -> WriterMetrics:
        return writer_metrics(self._monitor, self._monitor.now())

    async def polling_status(self) -> PollingStatus:
        return polling_status(self._monitor.now())

    async def queue_status(self) -> QueueStatus:
        return queue_status(self._monitor.now())

    async def group_status(self, group_id: GroupId) -> PollingGroup:
        now = self._monitor.now()
        for group in now.groups:
            if group.group_id == group_id:
                return polling_group(group, now.time_ns)
        raise HTTPException(404, f"no polling group is called {group_id!r}")

    async def live(self) -> Live:
        return live(self._monitor, self._monitor.now())

    async def history(self) -> History:
        return history(self._monitor)

    async def tags(
        self,
        search: Annotated[str, Query(max_length=200, description="Part of the name of a tag, device or group.")] = "",
        group: Annotated[str, Query(max_length=200, description="Only tags of this group.")] = "",
        not_good: Annotated[bool, Query(description="Only tags whose quality is BAD or UNCERTAIN.")] = False,
        offset: Annotated[int, Query(ge=0, le=10_000_000, description="Number of the first tag, from 0.")] = 0,
        limit: Limit = 50,
    ) -> Tags:
        table = self._monitor.tags
        table.fold()
        page = table.page(search, group, only_not_good=not_good, offset=offset, limit=limit)
        return tags(page, offset, self._monitor.clock.time_ns())

    async def events(self, limit: Limit = 50) -> EventList:
        return events(self._monitor, limit)

    async def rejected(self, limit: Limit = 50) -> RejectedRecords:
        sinks = self._monitor.agent.status().sinks
        total = sum(sink.ledger.rejected + (sink.replay.rejected if sink.replay else 0) for sink in sinks)
        return rejected(self._monitor, total, limit)

    async def backups(self) -> BackupFiles:
        return backup_files(self._monitor.storage.snapshot, self._monitor.agent.status().sinks)

    async def access(self) -> AccessAnswer:
        return AccessAnswer(token_required=self._access.token_required, reads_protected=self._access.reads_protected)

    async def healthz(self) -> Probe:
        return Probe(status="ok", phase=self._monitor.phase)

    async def readyz(self, response: Response) -> Probe:
        ready = self._monitor.phase is Phase.RUNNING
        if not ready:
            response.status_code = 503
        return Probe(status="ok" if ready else "not ready", phase=self._monitor.phase)

    async def metrics(self) -> Response:
        return Response(generate_latest(self._metrics), media_type=CONTENT_TYPE_LATEST)
