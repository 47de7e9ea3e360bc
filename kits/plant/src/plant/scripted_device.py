"""A device that answers as a test says, request by request: what a real server never sends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Behaviour = Callable[[socket.socket, bytes], None]
"""What a misbehaving device does with one connection and the request that came on it."""


@contextmanager
def scripted_device(*behaviours: Behaviour) -> Iterator[str]:
    """A device that treats each request as the next behaviour says, whatever connection it comes on; the last stays."""
    waiting = list(behaviours)
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            while not ended.is_set():
                try:
                    request = connection.recv(300)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not request:
                    return
                behaviour = waiting.pop(0) if len(waiting) > 1 else waiting[0]
                behaviour(connection, request)

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            connection.settimeout(0.05)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            for thread in threads:
                thread.join(60)


def silent(connection: socket.socket, request: bytes) -> None:
    """No answer."""
