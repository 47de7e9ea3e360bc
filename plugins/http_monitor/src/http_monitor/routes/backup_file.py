"""What is in a file of a fallback: to look at, or to take away."""

from __future__ import annotations

from itertools import islice
from pathlib import Path as FilePath
from typing import Annotated, Final

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse

from agent_core.api import UnknownBackupError
from http_monitor.routes.changing import BackupName, SinkId
from http_monitor.routes.problem import NOT_RUNNING, UNKNOWN, UNREAD, UNREADABLE, unreadable
from http_monitor.state.monitor_state import MonitorState

LONGEST_HEAD_BYTES: Final = 1024 * 1024
"""Of the first records: a line without an end must not fill the memory."""

MostRecords = Annotated[
    int | None, Query(ge=1, le=1000, description="Only so many lines after the header; else the whole file.")
]


class BackupFileRoutes:
    """Answers a file as it lies on the disk, in a thread: only its plugin knows what it means."""

    def __init__(self, monitor: MonitorState) -> None:
        self._monitor = monitor

    def router(self) -> APIRouter:
        router = APIRouter(responses={**NOT_RUNNING, **UNREAD, **UNKNOWN, **UNREADABLE})
        router.add_api_route(
            "/api/sinks/{sink_id}/backups/{file}",
            self.read,
            tags=["sinks"],
            summary="What is in one backup file, or in one file of rejected records",
            response_class=Response,
            responses={200: {"content": {"text/csv": {}}, "description": "The file, or its first lines."}},
        )
        return router

    async def read(self, sink_id: SinkId, file: BackupName, records: MostRecords = None) -> Response:
        try:
            path = await run_in_threadpool(self._path_of, sink_id, file)
            if records is None:
                return FileResponse(path, media_type="text/csv", filename=file)
            return Response(await run_in_threadpool(_head, path, records + 1), media_type="text/csv")
        except OSError as error:
            raise unreadable(f"{file} cannot be read", error, self._monitor.redact) from error

    def _path_of(self, sink_id: str, file: str) -> FilePath:
        """From the listing, so that no name leads out of the folder. It may have gone since."""
        for waiting in self._monitor.agent.backlog(sink_id):
            if waiting.name == file and waiting.path is not None and waiting.path.is_file():
                return waiting.path
        raise UnknownBackupError(f"no file called {file!r} waits in the fallback of {sink_id}")


def _head(path: FilePath, lines: int) -> bytes:
    with path.open("rb") as file:
        return b"".join(islice(iter(file.read(LONGEST_HEAD_BYTES).splitlines(keepends=True)), lines))
