"""MonitorClient: requests to the monitor of a running agent, over HTTP."""

from __future__ import annotations

import getpass
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Final, cast

from agent_core.api import AgentError

SECONDS: Final = 15.0
"""A trigger waits for its poll, at most 10 s; everything else is answered at once."""

Json = Mapping[str, object]


class MonitorUnreachable(AgentError):
    """Nobody answers there."""


class MonitorRefused(AgentError):
    """The monitor refused the request; the message is the monitor's."""


class MonitorClient:
    """``url`` as in ``http://127.0.0.1:8080``; ``token`` is sent with every request when it is not None."""

    def __init__(self, url: str, token: str | None = None, seconds: float = SECONDS) -> None:
        self.url = url.rstrip("/")
        self._token = token
        self._seconds = seconds
        # The agent is on the local network: the proxy of the environment does not know it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(self, path: str) -> Json:
        """The answer. Raises MonitorUnreachable or MonitorRefused."""
        return self._ask("GET", path)

    def post(self, path: str) -> Json:
        """Change something; the answer. The agent logs the user of this process."""
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> Json:
        request = urllib.request.Request(  # noqa: S310 - http or https, see MonitorAddress
            f"{self.url}{path}", method=method, headers=self._headers(), data=b"" if method == "POST" else None
        )
        try:
            with self._opener.open(request, timeout=self._seconds) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise MonitorRefused(f"{self.url}: {_detail(error.read()) or f'HTTP {error.code}'}") from None
        except (OSError, ValueError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise MonitorUnreachable(
                f"no agent answers at {self.url}: {reason}; is it running, and does it have a monitor?"
            ) from None
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise MonitorRefused(f"{self.url}: not a tagferry monitor")
        return cast(Json, found)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "X-Operator": _user()}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def _detail(body: bytes) -> str | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return str(found["detail"]) if isinstance(found, dict) and "detail" in found else None


def _user() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        return ""
    return "".join(letter for letter in name if letter.isascii() and letter.isprintable())[:64]
