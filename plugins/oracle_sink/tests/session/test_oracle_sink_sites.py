"""A database with two sites, of which the first swallows what is sent to it. Shown on the stand-in, not Oracle."""

from __future__ import annotations

import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from oracle_sink.config import OracleSinkConfig
from oracle_sink.session.dsn.address import _context
from oracle_sink.session.dsn.login_limit import attempts_of, least_attempts, login_seconds
from oracle_sink.sink import OracleSink
from oracle_standin.process import Standin

from agent_core.api import RetryableError, Secret, Severity, settings
from agent_core.testing.suite.patience import PATIENCE_SECONDS, within

from ..conftest import DEFAULTS, PATIENT

MakeSink = Callable[..., OracleSink]
CONNECT = 0.2
SCALED: dict[str, float | None] = {**PATIENT, "connect": CONNECT, "login": None}
SERVICE = "(CONNECT_DATA=(SERVICE_NAME=FREEPDB1))"


def site(*addresses: tuple[str, int]) -> str:
    listed = "".join(f"(ADDRESS=(PROTOCOL=tcp)(HOST={host})(PORT={port}))" for host, port in addresses)
    return f"(DESCRIPTION=(ADDRESS_LIST={listed}){SERVICE})"


@pytest.fixture
def black_holes() -> Iterator[list[tuple[str, int]]]:
    """Three addresses, as a SCAN name has them, whose packets are dropped: their queues of connections are full."""
    if sys.platform == "win32":
        pytest.skip("a full queue refuses connections")
    with ExitStack() as open_sockets:
        places = []
        for _ in range(3):
            listener = open_sockets.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for _ in range(4):
                waiting = open_sockets.enter_context(socket.socket())
                waiting.setblocking(False)
                with suppress(BlockingIOError):
                    waiting.connect(listener.getsockname())
            places.append(listener.getsockname())
        yield places


@pytest.fixture
def two_sites(black_holes: list[tuple[str, int]], database: Standin) -> str:
    host, port, _ = database.address
    return f"(DESCRIPTION_LIST={site(*black_holes)}{site((host, port))})"


# A time-out between two steps of the log-in: the driver leaves the socket to the collector, which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_second_site_is_reached_when_the_first_swallows_everything(
    make_sink: MakeSink, database: Standin, two_sites: str
) -> None:
    sink = make_sink(dsn=two_sites, timeouts=SCALED)
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while database.counters()["logons"] == 0 and time.monotonic() < ends_at:
        with suppress(RetryableError):  # a busy machine may cost so short a time-out
            sink.open()
    assert database.counters()["logons"] == 1


def test_the_doctor_tries_all_addresses_at_once_and_shows_each(
    make_sink: MakeSink, black_holes: list[tuple[str, int]], two_sites: str
) -> None:
    with within(3 * CONNECT):
        found = list(make_sink(dsn=two_sites, timeouts=SCALED | {"login": 2 * CONNECT}).diagnose())
    for (host, port), finding in zip(black_holes, found, strict=False):
        assert (finding.severity, finding.subject) == (Severity.WARNING, f"TCP {host}:{port}")
        assert "no answer within 0.2 s" in finding.message
    reached, time_for_log_in = found[3:5]
    assert (reached.severity, time_for_log_in.severity) == (Severity.OK, Severity.WARNING)
    assert "the last of 4 addresses" in time_for_log_in.message
    assert time_for_log_in.next_step == "set timeouts: login: to at least 1s"


def test_the_doctor_shows_each_address_that_a_name_has(
    make_sink: MakeSink, database: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, port, service = database.address
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in (host, "127.0.0.99", "192.0.2.1")]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda name, *rest, **more: found if name == "scan" else real(name, *rest, **more)
    )
    dsn = f"scan:{port}/{service}"
    subjects = [finding.subject for finding in make_sink(dsn=dsn, timeouts=SCALED).diagnose()]
    assert subjects[:3] == [f"TCP scan:{port} ({ip})" for ip in (host, "127.0.0.99", "192.0.2.1")]


@pytest.mark.parametrize(
    ("dsn", "seconds"),
    [
        ("10.0.0.1:1521/x", 10.0),
        ("dbhost:1521/x", 20.0),
        ("localhost/x", 10.0),
        ("a,b:1521/x", 35.0),
        ("[::1]:1521/x", 10.0),
        (site(("a", 1), ("b", 1)).replace("(ADDRESS_LIST", "(TRANSPORT_CONNECT_TIMEOUT=3)(ADDRESS_LIST", 1), 21.0),
        (site(("a", 1)).replace("(ADDRESS_LIST", "(RETRY_COUNT=2)(RETRY_DELAY=4)(ADDRESS_LIST", 1), 58.0),
        ("ldap://directory/x", 20.0),
        ("no such form", 20.0),
    ],
)
def test_a_log_in_may_take_as_long_as_the_addresses_of_the_dsn_need(dsn: str, seconds: float) -> None:
    limits = {"connect": 5.0, "login": None, "call": 10.0, "wait": 5.0}
    account = {"dsn": dsn, "user": "u", "password": Secret(lambda: "p"), "timeouts": limits}
    config = settings(OracleSinkConfig, DEFAULTS | account)
    assert login_seconds(config) == attempts_of(config).needed_seconds == seconds


def test_nothing_is_certain_about_a_name_that_a_file_explains(tmp_path: Path) -> None:
    (tmp_path / "tnsnames.ora").write_text("line1 = " + site(("a", 1)))
    account = {"dsn": "line1", "user": "u", "password": Secret(lambda: "p"), "config_dir": tmp_path}
    assert least_attempts(settings(OracleSinkConfig, DEFAULTS | account)) is None


def test_the_doctor_leaves_the_name_in_a_certificate_to_the_driver() -> None:
    account = {"dsn": "tcps://a/x", "user": "u", "password": Secret(lambda: "p")}
    context = _context(settings(OracleSinkConfig, DEFAULTS | account))
    assert (context.check_hostname, context.verify_mode) == (False, ssl.CERT_REQUIRED)
