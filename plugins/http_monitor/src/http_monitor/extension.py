"""HttpMonitor: the extension; connects the observer, the state it keeps, and the server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from agent_core.api import ComponentContext, ConfigError, Finding, Log
from http_monitor.application import build
from http_monitor.config import HttpMonitorConfig
from http_monitor.diagnosis import diagnose
from http_monitor.door.access_policy import AccessPolicy
from http_monitor.door.certificate import Certificate
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.places import Limits, Places
from http_monitor.door.proxies import Proxies
from http_monitor.door.server import Server
from http_monitor.door.tokens import Tokens
from http_monitor.operator_actions import OperatorActions
from http_monitor.routes.live_socket import LiveSocket
from http_monitor.state.monitor_state import MonitorState
from http_monitor.state.observer import Observer

TICK_SECONDS: Final = 1.0
OPERATOR_LOG_SECONDS: Final = 10.0
"""What people do over HTTP is logged more often than faults that repeat."""
LOOK_TICKS: Final = 5
"""The disk is examined every fifth second, and when files come or go: that is cheap, but not free."""


class HttpMonitor:
    """An Extension. ``open`` takes the port; the paths answer 503 until the agent has started."""

    def __init__(self, config: HttpMonitorConfig, context: ComponentContext, limits: Limits | None = None) -> None:
        self._config = config
        self._limits = limits
        self._clock = context.clock
        self._log = context.log
        self._agent_name = context.agent_name
        self._operator_log = Log(context.plugin, context.clock, interval_seconds=OPERATOR_LOG_SECONDS)
        self.state = MonitorState(context)
        self._observer = Observer(self.state)
        self._server: Server | None = None

    @property
    def address(self) -> ListenAddress:
        """Where it listens; before ``open``, the configured address."""
        return ListenAddress.parse(self._config.listen) if self._server is None else self._server.address

    def open(self) -> None:
        """Take the port and answer. Raises AgentError if the port is in use, ConfigError for an unsafe address."""
        if self._server is not None:
            return
        config = self._config
        address = ListenAddress.parse(config.listen)
        tokens = Tokens(config.named_tokens)
        if not address.loopback and not config.public_reading and not tokens.usable:
            raise ConfigError(f"http_monitor: {address} can be reached from other machines, so a token is required")
        access = AccessPolicy(config, address, tokens, self._clock)
        proxies = Proxies(config.trusted_proxies, config.root_path)
        socket = LiveSocket(self.state)
        actions = OperatorActions(self.state, self._operator_log)
        background = [_Background(self.state, socket, self._log).run, tokens.watch]
        application = build(self.state, access, proxies, socket, actions, self._operator_log)
        certificate = None if config.tls is None else Certificate(config.tls, self._log)
        if certificate is not None:
            background.append(certificate.watch)
        places = Places(self._limits or Limits.of_this_process(), proxies.trusts)
        server = Server(application, address, background, self._log, places, certificate)
        server.start()
        self._server = server
        self._log.info("dashboard opened", url=server.url, token_protects=_protected(access))

    def close(self) -> None:
        """Release the port; takes a few seconds at most."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    def diagnose(self) -> Iterable[Finding]:
        """Whether the port can be had, and who has it. Takes a few seconds at most."""
        return diagnose(self.address, self._agent_name, tls=self._config.tls is not None)

    def observers(self) -> Sequence[object]:
        """What hears the events."""
        return (self._observer,)


def _protected(access: AccessPolicy) -> str:
    if access.reads_protected:
        return "everything"
    return "changes" if access.token_required else "nothing"


class _Background:
    """What the server's loop does once a second, in addition to answering."""

    def __init__(self, monitor: MonitorState, socket: LiveSocket, log: Log) -> None:
        self._monitor = monitor
        self._socket = socket
        self._log = log

    async def run(self) -> None:
        """Until cancelled. A defect is logged, rate limited, and does not end it."""
        self._socket.begin()
        loop = asyncio.get_running_loop()
        due = loop.time()
        ticks = 0
        look: asyncio.Future[None] | None = None
        while True:
            try:
                self._monitor.tick()
                due_look = ticks % LOOK_TICKS == 0 or self._monitor.files_changed
                if self._monitor.running and due_look and (look is None or look.done()):
                    look = loop.run_in_executor(None, self._look)
                await self._socket.publish()
                ticks += self._monitor.running
            except Exception as error:
                self._log.error("monitor update failed", error=repr(error), every="tick", exc_info=error)
            due = max(due + TICK_SECONDS, loop.time())
            await asyncio.sleep(due - loop.time())

    def _look(self) -> None:
        try:
            self._monitor.look()
        except Exception as error:
            self._log.error("disk check failed", error=repr(error), every="look", exc_info=error)
