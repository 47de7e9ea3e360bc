"""What the servers of this folder that stand behind a ``TcpGate`` do on the command line."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable

from plant.peer import obey_stdin
from plant.tcp_gate import TcpGate


def server_arguments(description: str, port: int) -> argparse.ArgumentParser:
    """The arguments that a ``PeerProcess`` gives to every server; ``port`` is what a person gets who gives none."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument("--control", action="store_true", help="obey lines on stdin, end with it")
    return parser


def serve_behind_a_gate(direct_port: int, arguments: argparse.Namespace, obey: Callable[[str], bool]) -> None:
    """Tell where the server listens, which does already, and carry out orders until they end.

    ``obey`` is False for an order that is none of the server's own; the gate is asked then.
    """
    gate = TcpGate(direct_port, port=arguments.port)
    print(f"listening port={gate.port} direct={direct_port}", flush=True)
    if arguments.control:
        obey_stdin(lambda line: obey(line) or gate.obey(line))
    else:
        threading.Event().wait()
    gate.close()
