"""MonitorClient: requests to the monitor of a running agent, over HTTP."""

from __future__ import annotations

import getpass
import json
import queue
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import IO, Final, cast

from agent_core.api import AgentError
from agent_core.cli.text.escapes import escaped, escaped_json

SECONDS: Final = 15.0
"""A trigger waits for its poll, at most 10 s; everything else is answered at once."""

LARGEST_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""More than any plant's status: whoever sends more is not a monitor."""

_PIECE_BYTES: Final = 64 * 1024

Json = Mapping[str, object]


class MonitorUnreachable(AgentError):
    """Nobody answers there."""


class MonitorRefused(AgentError):
    """The monitor refused the request, in its own words; or what answers there is not the monitor that is trusted."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token is for the host that was asked for, so an answer that names another is an error."""

    def redirect_request(self, *_: object) -> None:
        return None


class MonitorClient:
    """``url`` as in ``http://127.0.0.1:8080``; ``token`` is sent with every request when it is not None.

    ``tls`` says which certificates an https address may have; None: those that the machine trusts.

    A request takes at most ``seconds``, whatever the other side or the name service does. It follows no redirect, so
    the token goes to no other host. Texts of an answer hold nothing that a terminal would obey. Raises AgentError for
    a token that no header can carry.
    """

    def __init__(
        self, url: str, token: str | None = None, seconds: float = SECONDS, tls: ssl.SSLContext | None = None
    ) -> None:
        if token is not None and not (token.isascii() and token.isprintable()):
            raise AgentError("the token is not one line of printable ASCII characters")  # and is not shown
        self.url = url.rstrip("/")
        self._token = token
        self._seconds = seconds
        # The agent is on the local network: the proxy of the environment does not know it.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls), _NoRedirects()
        )

    def get(self, path: str) -> Json:
        """The answer. Raises MonitorUnreachable or MonitorRefused."""
        return self._ask("GET", path)

    def post(self, path: str) -> Json:
        """Change something; the answer. The agent logs the user of this process."""
        return self._ask("POST", path)

    def at_most(self, seconds: float) -> MonitorClient:
        """The same, with another limit for each request."""
        self._seconds = seconds
        return self

    def _ask(self, method: str, path: str) -> Json:
        """In a thread of its own: looking up a name has no limit, nor have headers that come letter by letter."""
        answers: queue.SimpleQueue[Json | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._exchange(method, path))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=ask, name="monitor-request", daemon=True).start()
        try:
            answer = answers.get(timeout=self._seconds)
        except queue.Empty:
            raise MonitorUnreachable(
                f"the agent at {self.url} did not answer within {self._seconds:g} s; it may hang, or be overloaded"
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _exchange(self, method: str, path: str) -> Json:
        request = urllib.request.Request(  # noqa: S310 - http or https, see MonitorAddress
            f"{self.url}{path}", method=method, headers=self._headers(), data=b"" if method == "POST" else None
        )
        deadline = time.monotonic() + self._seconds
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                body = _read(answer, deadline)
        except urllib.error.HTTPError as error:
            with error:
                raise MonitorRefused(f"{self.url}: {_why(error, deadline)}") from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise MonitorRefused(
                    f"the certificate of {self.url} is not trusted: {escaped(reason.verify_message)}; "
                    "name the CA that signed it, or the certificate itself, with --ca-file"
                ) from None
            raise MonitorUnreachable(
                f"no agent answers at {self.url}: {escaped(str(reason))}; is it running, and does it have a monitor?"
            ) from None
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise MonitorRefused(f"{self.url}: not a tagferry monitor")
        return cast(Json, escaped_json(found))

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "X-Operator": _user()}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def _read(answer: IO[bytes], deadline: float) -> bytes:
    """The whole body. Raises TimeoutError or ValueError for one that does not end."""
    pieces, size = [], 0
    while piece := answer.read1(_PIECE_BYTES) if isinstance(answer, HTTPResponse) else answer.read(_PIECE_BYTES):
        pieces.append(piece)
        size += len(piece)
        if size > LARGEST_ANSWER_BYTES:
            raise ValueError(f"the answer is larger than {LARGEST_ANSWER_BYTES // 2**20} MiB")
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not end")
    return b"".join(pieces)


def _why(error: urllib.error.HTTPError, deadline: float) -> str:
    """What the other side says of a request that it refused."""
    if 300 <= error.code < 400:
        return f"redirects to {escaped(error.headers.get('Location', '?'))}; give that address with --url"
    try:
        found = json.loads(_read(error, deadline))
    except (OSError, ValueError, HTTPException):
        found = None
    if isinstance(found, dict) and "detail" in found:
        return escaped(str(found["detail"]))
    return f"HTTP {error.code}"


def _user() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return ""
    return "".join(letter for letter in name if letter.isascii() and letter.isprintable())[:64]
