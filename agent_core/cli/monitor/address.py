"""The address of a running agent's monitor: from --url, or from the extension in the YAML that listens."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Final

from agent_core.api import AgentError, Config, Secret
from agent_core.cli.monitor.client import MonitorClient
from agent_core.cli.subcommand import add_file_argument
from agent_core.config import load_extensions
from agent_core.registry import Registry

TOKEN_VARIABLE: Final = "AGENT_TOKEN"  # noqa: S105 - the name of a variable
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask when it listens everywhere


def add_monitor_arguments(parser: argparse.ArgumentParser) -> None:
    """``[FILE]``, ``--url`` and ``--token-file``."""
    add_file_argument(parser)
    parser.add_argument(
        "--url", metavar="URL", help="address of the monitor, such as http://127.0.0.1:8080; FILE is not read"
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help=f"file with the monitor's token; default: the variable {TOKEN_VARIABLE}, or the token in the YAML",
    )  # fmt: skip


def monitor_client(arguments: argparse.Namespace) -> MonitorClient:
    """The client that the arguments ask for. Raises ConfigError, AgentError or OSError."""
    token = os.environ.get(TOKEN_VARIABLE) or None
    if arguments.token_file is not None:
        token = arguments.token_file.read_text(encoding="utf-8").strip()
    if arguments.url is not None:
        url = arguments.url if "://" in arguments.url else f"http://{arguments.url}"
        if not url.startswith(("http://", "https://")):
            raise AgentError(f"--url {arguments.url}: expected http://host:port")
        return MonitorClient(url, token)
    listening = _listening(arguments.file)
    configured = listening.get("token")
    if token is None and isinstance(configured, Secret):
        token = configured.reveal().strip()
    return MonitorClient(_url(str(listening["listen"])), token)


def _listening(file: Path) -> Config:
    """The config of the first extension that listens; the core knows no extension by name."""
    for extension in load_extensions(file, Registry()):
        if isinstance(extension.config.get("listen"), str):
            return extension.config
    raise AgentError(f"{file}: no extension listens; add a monitor to extensions:, or use --url")


def _url(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if port == "0":
        raise AgentError(f"listen: {listen} uses any free port; use --url with the address in the agent's log")
    bare = host.strip("[]")
    bare = EVERYWHERE.get(bare, bare)
    return f"http://[{bare}]:{port}" if ":" in bare else f"http://{bare}:{port}"
