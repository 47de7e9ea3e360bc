"""Who may ask for what."""

from __future__ import annotations

import pytest
from http_monitor.config import Protect
from http_monitor.door.access_policy import AccessPolicy, AccessRequest, to_protocol
from http_monitor.door.listen_address import ListenAddress
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import ConfigError, Secret

TOKEN = "correct horse battery"
HOST = "127.0.0.1:8080"


def access(
    listen: str = HOST, token: str | None = None, protect: Protect = Protect.CHANGES, hosts: tuple[str, ...] = ()
) -> AccessPolicy:
    return AccessPolicy(ListenAddress.parse(listen), None if token is None else Secret(lambda: token), protect, hosts)


def status(rules: AccessPolicy, method: str = "GET", path: str = "/api/live", **headers: str) -> int | None:
    named = {name.replace("_", "-"): value for name, value in ({"host": HOST} | headers).items()}
    refusal = rules.refusal(AccessRequest(method, path, named))
    return None if refusal is None else refusal.status


@pytest.mark.parametrize("host", [HOST, "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "127.0.0.1"])
def test_on_loopback_the_names_of_this_machine_are_known(host: str) -> None:
    assert status(access(), host=host) is None
    assert status(access(), "POST", host=host) is None


@pytest.mark.parametrize("host", ["evil.example:8080", "", "192.0.2.1:8080", "127.0.0.1.evil.example", "[::1", "a b"])
def test_on_loopback_any_other_name_is_refused_even_for_reading(host: str) -> None:
    assert status(access(), host=host) == 403
    assert status(access(token=TOKEN), host=host) == 403


def test_a_further_name_can_be_allowed() -> None:
    rules = access(hosts=("Monitor.plant",))
    assert status(rules, host="monitor.plant") is None
    assert status(rules, host="monitor.plant:443") is None
    assert status(rules, host="other.plant") == 403


def test_elsewhere_every_name_is_good_unless_some_are_listed() -> None:
    assert status(access("0.0.0.0:8080", TOKEN), host="plant-server:8080") is None
    listed = access("0.0.0.0:8080", TOKEN, hosts=("plant-server",))
    assert status(listed, host="plant-server:8080") is None
    assert status(listed, host="192.0.2.7:8080") is None
    assert status(listed, host="evil.example:8080") == 403


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "", "https://a\nb", "[", "//["]
)
def test_a_page_of_another_site_changes_nothing(origin: str) -> None:
    assert status(access(), "POST", origin=origin) == 403
    assert status(access(token=TOKEN), "POST", origin=origin, authorization=f"Bearer {TOKEN}") == 403
    assert status(access(), "POST", sec_fetch_site="cross-site") == 403
    assert status(access(), "POST", sec_fetch_site="same-site") == 403


def test_the_page_itself_and_programs_may_change() -> None:
    assert status(access(), "POST", origin=f"http://{HOST}", sec_fetch_site="same-origin") is None
    assert status(access(), "POST") is None


def test_no_path_that_changes_something_escapes_the_rules() -> None:
    rules, foreign = access(token=TOKEN, protect=Protect.EVERYTHING), "http://evil.example"
    for path in ("/api/sinks/warehouse/backups/backup_1.csv/replay", "/api/sinks/x/pause", "/assets/../api/x", "/"):
        assert status(rules, "POST", path) == 401
        assert status(rules, "POST", path, origin=foreign, authorization=f"Bearer {TOKEN}") == 403
        assert status(rules, "POST", path, host="evil.example", authorization=f"Bearer {TOKEN}") == 403


def test_a_page_of_another_site_opens_no_socket() -> None:
    headers = {"host": HOST, "origin": "http://evil.example"}
    assert access().refusal(AccessRequest("GET", "/ws/polling", headers, websocket=True)) is not None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "ANYTHING"])
def test_a_change_needs_the_token_where_one_is_configured(method: str) -> None:
    rules = access(token=TOKEN)
    assert status(rules, method) == 401
    assert status(rules, method, authorization="Bearer wrong") == 401
    assert status(rules, method, authorization=f"Basic {TOKEN}") == 401
    assert status(rules, method, authorization=f"bearer {TOKEN}") is None


@pytest.mark.parametrize("path", ["/api/live", "/api/tags", "/metrics", "/api/buffer/health"])
def test_reading_is_free_unless_everything_is_protected(path: str) -> None:
    assert status(access(token=TOKEN), path=path) is None
    everything = access(token=TOKEN, protect=Protect.EVERYTHING)
    assert status(everything, path=path) == 401
    assert status(everything, path=path, authorization=f"Bearer {TOKEN}") is None


@pytest.mark.parametrize("path", ["/", "/assets/dashboard.js", "/healthz", "/readyz", "/api/access"])
def test_the_page_and_the_probes_hold_no_data_and_stay_open(path: str) -> None:
    assert status(access(token=TOKEN, protect=Protect.EVERYTHING), path=path) is None


def test_a_socket_brings_its_token_as_a_subprotocol() -> None:
    rules = access(token=TOKEN, protect=Protect.EVERYTHING)

    def asked(*subprotocols: str) -> int | None:
        refusal = rules.refusal(AccessRequest("GET", "/ws/polling", {"host": HOST}, subprotocols, websocket=True))
        return None if refusal is None else refusal.status

    assert asked() == 401
    assert asked("agent-live") == 401
    assert asked("agent-live", to_protocol("wrong")) == 401
    assert asked("agent-live", "bearer.nothex") == 401
    assert asked("agent-live", to_protocol(TOKEN)) is None


def test_a_token_that_cannot_be_read_any_more_opens_nothing() -> None:
    def gone() -> str:
        raise ConfigError("the file is gone")

    rules = AccessPolicy(ListenAddress.parse(HOST), Secret(gone), Protect.CHANGES, ())
    assert status(rules, "POST", authorization="Bearer anything") == 401


def test_a_changed_token_counts_from_the_next_call_on() -> None:
    current = ["first-token"]
    rules = AccessPolicy(ListenAddress.parse(HOST), Secret(lambda: current[0]), Protect.CHANGES, ())
    assert status(rules, "POST", authorization="Bearer first-token") is None
    current[0] = "second-token"
    assert status(rules, "POST", authorization="Bearer first-token") == 401
    assert status(rules, "POST", authorization="Bearer second-token") is None


@given(st.text(max_size=30))
def test_only_the_token_itself_is_accepted(offered: str) -> None:
    assert access(token=TOKEN).accepts(offered) == (offered == TOKEN)
    assert not access(token="").accepts(offered)


@given(st.text(min_size=1, max_size=60))
def test_a_token_survives_the_way_through_a_subprotocol(token: str) -> None:
    try:
        token.encode()
    except UnicodeEncodeError:
        return
    request = AccessRequest("GET", "/ws/polling", {}, ("agent-live", to_protocol(token)), websocket=True)
    assert access().offered_token(request) == token
