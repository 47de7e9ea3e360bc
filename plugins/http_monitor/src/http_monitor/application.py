"""The application: paths, the guard before them, and how problems are answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Security
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from agent_core.api import AgentError, Log, UnknownBackupError, UnknownGroupError, UnknownSinkError
from http_monitor.answers.live import core_version
from http_monitor.answers.metrics import registry_of
from http_monitor.answers.model import sendable
from http_monitor.door.access_policy import AccessPolicy
from http_monitor.door.guard import Guard
from http_monitor.door.proxies import Proxies
from http_monitor.operator_actions import OperatorActions
from http_monitor.routes.backup_file import BackupFileRoutes
from http_monitor.routes.changing import ChangingRoutes
from http_monitor.routes.live_socket import LiveSocket
from http_monitor.routes.page import PageRoutes
from http_monitor.routes.reading import ReadingRoutes
from http_monitor.state.monitor_state import MonitorState, NotRunning

Handler = Callable[[Request, Exception], Awaitable[JSONResponse]]

_DESCRIPTION = """\
What the running agent knows about itself, and the switches to steer it. Units are in the names or the descriptions;
times are UTC. `/api/access` says what needs a bearer token: state-changing calls, unless no token is configured and
only this machine can reach the monitor, and reading, where it is not public. `WS /ws/polling` pushes the answer of
`/api/live` once a second; if reading needs a token, offer it two subprotocols: `agent-live`, and `bearer.` followed by
the token's UTF-8 bytes in hex."""


def build(
    monitor: MonitorState,
    access: AccessPolicy,
    proxies: Proxies,
    socket: LiveSocket,
    actions: OperatorActions,
    log: Log,
) -> ASGIApp:
    """Everything that answers. Nothing is loaded from elsewhere, so it works offline."""
    application = FastAPI(
        title="tagferry monitor",
        version=core_version() or "0",
        description=_DESCRIPTION,
        docs_url=None,  # the interactive pages load scripts from the internet
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the host and path that the proxy sees, not the browser
    )
    bearer = Security(HTTPBearer(auto_error=False, description="A token of the extension's config"))
    reading = ReadingRoutes(monitor, access, registry_of(monitor))
    application.include_router(reading.router())
    application.include_router(BackupFileRoutes(monitor).router())
    application.include_router(reading.probes())
    application.include_router(ChangingRoutes(actions, monitor.redact).router(), dependencies=[bearer])
    application.include_router(socket.router())
    application.include_router(PageRoutes().router())
    application.add_exception_handler(NotRunning, _problem(503))
    application.add_exception_handler(UnknownGroupError, _problem(404))
    application.add_exception_handler(UnknownSinkError, _problem(404))
    application.add_exception_handler(UnknownBackupError, _problem(404))
    application.add_exception_handler(AgentError, _problem(409, monitor.redact))
    application.add_exception_handler(RuntimeError, _no_thread)
    return Guard(application, access, proxies, log)


async def _no_thread(_: Request, error: Exception) -> JSONResponse:
    """Where a limit allows no more threads, what needs one is refused; reading needs none."""
    if "can't start new thread" not in str(error):
        raise error
    detail = "no thread can be started for this now: raise the limit of threads (TasksMax, pids, ulimit -u), try again"
    return JSONResponse({"detail": detail}, 503, {"Retry-After": "5"})


def _problem(status: int, redact: Callable[[str], str] = str) -> Handler:
    """Answers an exception's message under an HTTP status.

    A message that repeats a name of the request is not redacted: that would tell whether a guess is a secret.
    """

    async def answer(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": sendable(redact(str(error)))}, status)

    return answer
