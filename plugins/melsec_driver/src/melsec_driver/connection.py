"""Connection: one TCP connection on which requests and answers alternate.

Nothing in a 3E answer says which request it belongs to. So a connection is given up with the first sign that it is
out of step: a time-out, an answer that is not whole or not the expected one, or bytes that nobody asked for.
"""

from __future__ import annotations

import socket
import time
from typing import Final, NoReturn

from agent_core.api import ConnectionLost, DeviceUnreachable, WrongAnswer, recognise_stranger
from melsec_driver.frame import Answer, BrokenFrame, Frames

_RECEIVE_BYTES: Final = 65536


class Connection:
    """Closed at first. Every method but ``close`` raises DeviceUnreachable, and has closed the connection then."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        self._host = host
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._socket: socket.socket | None = None
        self._has_answered = False

    def open(self) -> None:
        """Connect if not connected. Raises ConnectionLost when the device has closed the connection that is there, or
        written to it unasked.
        """
        if self._socket is not None:
            if not self._is_silent(self._socket):
                self._lose("the connection was closed by the device, or out of step")
            return
        try:
            connection = socket.create_connection((self._host, self._port), timeout=self._timeout_seconds)
        except OSError as error:
            raise DeviceUnreachable(f"cannot connect to {self._where}: {error}") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._socket = connection
        self._has_answered = False

    def close(self) -> None:
        """Drop the connection. Safe twice."""
        connection, self._socket = self._socket, None
        if connection is not None:
            connection.close()

    def exchange(self, request: bytes, frames: Frames) -> Answer:
        """Send a request on an open connection and take its whole answer, both within the time-out."""
        connection = self._socket
        if connection is None:
            raise DeviceUnreachable(f"{self._where}: not connected")
        deadline = time.monotonic() + self._timeout_seconds
        received = b""
        try:
            connection.settimeout(self._timeout_seconds)
            connection.sendall(request)
            while self._missing(received, frames):
                if received:
                    connection.settimeout(_seconds_left(deadline))
                piece = connection.recv(_RECEIVE_BYTES)
                if not piece:
                    self._fail_closed(received)
                received += piece
            answer = frames.parse(received[frames.head_bytes :])
        except TimeoutError as error:
            some = f"only {len(received)} bytes of an answer" if received else "no answer"
            self.fail(f"{some} within {self._timeout_seconds:g} s", error)
        except OSError as error:
            self._lose(f"the connection was lost: {error}", error)
        except BrokenFrame as error:
            who = recognise_stranger(received)
            self.fail_wrong(str(error) if who is None else f"{who} answered, not a PLC", error)
        self._has_answered = True
        return answer

    def fail(self, reason: str, cause: Exception | None = None) -> NoReturn:
        """Close, and raise DeviceUnreachable."""
        self.close()
        raise DeviceUnreachable(f"{self._where}: {reason}") from cause

    def fail_wrong(self, reason: str, cause: Exception) -> NoReturn:
        """Close, and raise WrongAnswer."""
        self.close()
        raise WrongAnswer(f"{self._where}: {reason}") from cause

    @staticmethod
    def _missing(received: bytes, frames: Frames) -> int:
        """How many bytes of the answer are still to come at least. Raises BrokenFrame."""
        if len(received) >= 4:
            frames.check_start(received[:4])
        if len(received) < frames.head_bytes:
            return frames.head_bytes - len(received)
        missing = frames.head_bytes + frames.body_bytes(received[: frames.head_bytes]) - len(received)
        if missing < 0:
            raise BrokenFrame("more came than one answer")
        return missing

    def _fail_closed(self, received: bytes) -> NoReturn:
        if received:
            self._lose(f"the connection was closed after {len(received)} bytes of an answer")
        if self._has_answered:
            self._lose("the connection was closed by the device")
        self._lose("the device closed the connection at once; is another client connected to this port?")

    def _lose(self, reason: str, cause: Exception | None = None) -> NoReturn:
        """Close, and raise ConnectionLost."""
        self.close()
        raise ConnectionLost(f"{self._where}: {reason}") from cause

    @staticmethod
    def _is_silent(connection: socket.socket) -> bool:
        try:
            connection.settimeout(0)
            connection.recv(1)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"


def _seconds_left(deadline: float) -> float:
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
