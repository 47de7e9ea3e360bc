"""The address of a running agent's monitor: from --url, or from the extension in the YAML that listens."""

from __future__ import annotations

import argparse
import os
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from agent_core.api import AgentError, Config, Secret
from agent_core.api.files.whole_file import read_whole, read_whole_text
from agent_core.cli.monitor.client import MonitorClient
from agent_core.cli.subcommand import add_file_argument
from agent_core.config import load_extensions
from agent_core.config.document.interpolation import MAX_SECRET_BYTES
from agent_core.registry import Registry

TOKEN_VARIABLE: Final = "AGENT_TOKEN"  # noqa: S105 - the name of a variable
LARGEST_CA_BYTES: Final = 4 * 1024 * 1024
EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to ask when it listens everywhere


def add_monitor_arguments(parser: argparse.ArgumentParser) -> None:
    """``[FILE]``, ``--url``, ``--token-file`` and ``--ca-file``."""
    add_file_argument(parser)
    parser.add_argument(
        "--url", metavar="URL", help="address of the monitor, such as http://127.0.0.1:8080; FILE is not read"
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE",
        help=f"file with the monitor's token; default: the variable {TOKEN_VARIABLE}, or a token in the YAML",
    )  # fmt: skip
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE",
        help="PEM file with the CA, or the certificate itself, that an https address must have; default: the "
        "certificate in the YAML, or with --url those that this machine trusts",
    )  # fmt: skip


def monitor_client(arguments: argparse.Namespace) -> MonitorClient:
    """The client that the arguments ask for. Raises ConfigError, AgentError or OSError."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip() or None
    if arguments.token_file is not None:
        token = read_whole_text(arguments.token_file, MAX_SECRET_BYTES, may_be_pipe=True).strip()
    tls = None if arguments.ca_file is None else _trusting(arguments.ca_file)
    if arguments.url is not None:
        url = arguments.url if "://" in arguments.url else f"http://{arguments.url}"
        if not url.startswith(("http://", "https://")):
            raise AgentError(f"--url {arguments.url}: expected http://host:port")
        return MonitorClient(url, token, tls=tls)
    listening = _listening(arguments.file)
    if token is None:
        token = _configured_token(listening)
    files = listening.get("tls")
    if not isinstance(files, Mapping):
        return MonitorClient(_url(str(listening["listen"])), token)
    if tls is None:
        # Whoever has the key of the very certificate in the YAML is the monitor, under whatever name it is asked.
        tls = _trusting(Path(str(files["certificate"])))
        tls.check_hostname = False
    return MonitorClient(_url(str(listening["listen"])).replace("http:", "https:", 1), token, tls=tls)


def _listening(file: Path) -> Config:
    """The config of the first extension that listens; the core knows no extension by name."""
    for extension in load_extensions(file, Registry()):
        if isinstance(extension.config.get("listen"), str):
            return extension.config
    raise AgentError(f"{file}: no extension listens; add a monitor to extensions:, or use --url")


def _configured_token(listening: Config) -> str | None:
    """The one that may do most: ``token``, or the first of ``tokens`` that may operate, or the first."""
    alone, several = listening.get("token"), listening.get("tokens")
    found: list[object] = [alone]
    if isinstance(several, Sequence):
        named = [entry for entry in several if isinstance(entry, Mapping)]
        named.sort(key=lambda entry: entry.get("role") != "operate")
        found += [entry.get("token") for entry in named]
    return next((secret.reveal().strip() for secret in found if isinstance(secret, Secret)), None)


def _trusting(file: Path) -> ssl.SSLContext:
    """Trust what is in the file and nothing else. Raises AgentError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it may hold the certificate itself, whoever signed it
    try:
        context.load_verify_locations(cadata=read_whole(file, LARGEST_CA_BYTES).decode("ascii"))
    except (OSError, ValueError) as error:
        reason = (
            "it holds no PEM certificate" if isinstance(error, (ssl.SSLError, ValueError)) else error.strerror or error
        )
        raise AgentError(f"{file} cannot be used to trust a certificate: {reason}") from None
    return context


def _url(listen: str) -> str:
    host, _, port = listen.rpartition(":")
    if port == "0":
        raise AgentError(f"listen: {listen} uses any free port; use --url with the address in the agent's log")
    bare = host.strip("[]")
    bare = EVERYWHERE.get(bare, bare)
    return f"http://[{bare}]:{port}" if ":" in bare else f"http://{bare}:{port}"
