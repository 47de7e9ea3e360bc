"""Who may ask for what."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from http_monitor.config import HttpMonitorConfig, NamedToken, Protect, Role
from http_monitor.door.access_policy import AccessPolicy, AccessRequest, Visitor, to_protocol
from http_monitor.door.listen_address import ListenAddress
from http_monitor.door.proxies import Proxies
from http_monitor.door.refusal import Refusal
from http_monitor.door.tokens import ADDRESSES, GUESSES, SECONDS_PER_GUESS, Tokens, WrongTokens
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import ConfigError, Secret
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

TOKEN = "correct horse battery"
BEARER = {"authorization": f"Bearer {TOKEN}"}
HOST = "127.0.0.1:8080"
OPERATING = NamedToken("kim", Secret(lambda: "kim's own long token"), Role.OPERATE)
READING = NamedToken("wall", Secret(lambda: "the wall's long token"), Role.READ)


class Door:
    """The rules of a monitor, and its proxies."""

    def __init__(self, listen: str = HOST, token: str | None = None, **more: Any) -> None:
        secret = None if token is None else Secret(lambda: token)
        self.config = replace(HttpMonitorConfig(listen, secret, Protect.CHANGES, ()), **more)
        self.clock = ManualClock()
        self.tokens = Tokens(self.config.named_tokens)
        self.policy = AccessPolicy(self.config, ListenAddress.parse(listen), self.tokens, self.clock)
        self.proxies = Proxies(self.config.trusted_proxies, self.config.root_path)

    def judge(
        self,
        method: str = "GET",
        path: str = "/api/live",
        headers: Mapping[str, str] | None = None,
        *,
        peer: str = "127.0.0.1",
        subprotocols: tuple[str, ...] = (),
        websocket: bool = False,
        scheme: str = "http",
    ) -> Visitor | Refusal:
        named = {"host": HOST} | dict(headers or {})
        seen = self.proxies.seen(peer, scheme, named)
        return self.policy.judge(AccessRequest(method, path, named, seen, subprotocols, websocket))

    def status(self, method: str = "GET", path: str = "/api/live", *, peer: str = "127.0.0.1", **headers: str) -> int:
        judged = self.judge(method, path, {name.replace("_", "-"): value for name, value in headers.items()}, peer=peer)
        return judged.status if isinstance(judged, Refusal) else 200


# --- host and origin


@pytest.mark.parametrize("host", [HOST, "localhost:8080", "LOCALHOST:8080", "[::1]:8080", "127.0.0.1"])
def test_on_loopback_the_names_of_this_machine_are_known(host: str) -> None:
    assert Door().status(host=host) == 200
    assert Door().status("POST", host=host) == 200


@pytest.mark.parametrize("host", ["evil.example:8080", "", "192.0.2.1:8080", "127.0.0.1.evil.example", "[::1", "a b"])
def test_on_loopback_any_other_name_is_refused_even_for_reading(host: str) -> None:
    assert Door().status(host=host) == 403
    assert Door(token=TOKEN).status(host=host) == 403


def test_a_further_name_can_be_allowed() -> None:
    door = Door(token=TOKEN, allowed_hosts=("Monitor.plant",))
    assert door.status(host="monitor.plant", **BEARER) == 200
    assert door.status(host="monitor.plant:443", **BEARER) == 200
    assert door.status(host="other.plant", **BEARER) == 403


def test_elsewhere_every_name_is_good_unless_some_are_listed() -> None:
    assert Door("0.0.0.0:8080", TOKEN).status(host="plant-server:8080", **BEARER) == 200
    listed = Door("0.0.0.0:8080", TOKEN, allowed_hosts=("plant-server",))
    assert listed.status(host="plant-server:8080", **BEARER) == 200
    assert listed.status(host="192.0.2.7:8080", **BEARER) == 200
    assert listed.status(host="evil.example:8080", **BEARER) == 403


def test_where_everybody_may_read_no_page_reads_under_a_name_of_its_own() -> None:
    public = Door("0.0.0.0:8080", TOKEN, public_reading=True)
    assert public.status(host="192.0.2.7:8080") == 200
    assert public.status(host="evil.example:8080") == 403
    assert Door("0.0.0.0:8080", public_reading=True, allowed_hosts=("line-1.plant",)).status(host="line-1.plant") == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "", "https://a\nb", "[", "//["]
)
def test_a_page_of_another_site_changes_nothing(origin: str) -> None:
    assert Door().status("POST", origin=origin) == 403
    assert Door(token=TOKEN).status("POST", origin=origin, **BEARER) == 403
    assert Door().status("POST", sec_fetch_site="cross-site") == 403
    assert Door().status("POST", sec_fetch_site="same-site") == 403


def test_the_page_itself_and_programs_may_change() -> None:
    assert Door().status("POST", origin=f"http://{HOST}", sec_fetch_site="same-origin") == 200
    assert Door().status("POST") == 200


def test_no_path_that_changes_something_escapes_the_rules() -> None:
    door, foreign = Door(token=TOKEN, protect=Protect.EVERYTHING), "http://evil.example"
    for path in ("/api/sinks/warehouse/backups/backup_1.csv/replay", "/api/sinks/x/pause", "/assets/../api/x", "/"):
        assert door.status("POST", path) == 401
        assert door.status("POST", path, origin=foreign, **BEARER) == 403
        assert door.status("POST", path, host="evil.example", **BEARER) == 403


def test_a_page_of_another_site_opens_no_socket() -> None:
    assert isinstance(Door().judge(headers={"origin": "http://evil.example"}, websocket=True), Refusal)


# --- tokens


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "ANYTHING"])
def test_a_change_needs_the_token_where_one_is_configured(method: str) -> None:
    door = Door(token=TOKEN)
    assert door.status(method) == 401
    assert door.status(method, authorization="Bearer wrong") == 401
    assert door.status(method, authorization=f"Basic {TOKEN}") == 401
    assert door.status(method, authorization=f"bearer {TOKEN}") == 200


@pytest.mark.parametrize("path", ["/api/live", "/api/tags", "/metrics", "/api/buffer/health"])
def test_reading_on_loopback_is_free_unless_everything_is_protected(path: str) -> None:
    assert Door(token=TOKEN).status(path=path) == 200
    everything = Door(token=TOKEN, protect=Protect.EVERYTHING)
    assert everything.status(path=path) == 401
    assert everything.status(path=path, **BEARER) == 200


@pytest.mark.parametrize("path", ["/", "/assets/dashboard.js", "/healthz", "/readyz", "/api/access"])
def test_the_page_and_the_probes_hold_no_data_and_stay_open(path: str) -> None:
    assert Door(token=TOKEN, protect=Protect.EVERYTHING).status(path=path) == 200
    assert Door("0.0.0.0:8080", TOKEN).status(path=path, peer="192.0.2.7") == 200


def test_a_token_is_good_for_its_role_and_its_name_is_known() -> None:
    door = Door("0.0.0.0:8080", tokens=(OPERATING, READING))
    for named, posting in ((OPERATING, 200), (READING, 403)):
        bearer = f"Bearer {named.token.reveal()}"
        assert door.judge(headers={"authorization": bearer}, peer="192.0.2.7") == Visitor(named.name, "192.0.2.7")
        assert door.status("POST", authorization=bearer) == posting


def test_a_socket_brings_its_token_as_a_subprotocol() -> None:
    door = Door(token=TOKEN, protect=Protect.EVERYTHING)

    def asked(*subprotocols: str) -> int:
        judged = door.judge(path="/ws/polling", subprotocols=subprotocols, websocket=True)
        return judged.status if isinstance(judged, Refusal) else 200

    assert asked() == 401
    assert asked("agent-live") == 401
    assert asked("agent-live", to_protocol("wrong")) == 401
    assert asked("agent-live", "bearer.nothex") == 401
    assert asked("agent-live", to_protocol(TOKEN)) == 200


def test_a_token_that_cannot_be_read_any_more_opens_nothing() -> None:
    texts = ["the token of kim"]

    def read() -> str:
        if not texts:
            raise ConfigError("the file is gone")
        return texts[0]

    door = Door(tokens=(NamedToken("kim", Secret(read), Role.OPERATE),))
    assert door.status("POST", authorization="Bearer the token of kim") == 200
    texts.clear()
    door.tokens.refresh()
    assert door.status("POST", authorization="Bearer the token of kim") == 401
    assert door.status("POST", authorization="Bearer") == 401


def test_a_changed_token_counts_once_it_was_read_again() -> None:
    current = ["first-token-of-kim"]
    door = Door(tokens=(NamedToken("kim", Secret(lambda: current[0]), Role.OPERATE),))
    assert door.status("POST", authorization="Bearer first-token-of-kim") == 200
    current[0] = "second-token-of-kim"
    door.tokens.refresh()
    assert door.status("POST", authorization="Bearer first-token-of-kim") == 401
    assert door.status("POST", authorization="Bearer second-token-of-kim") == 200


def test_a_token_file_that_hangs_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("http_monitor.door.tokens.READ_SECONDS", 0.001)
    hangs, reads = threading.Event(), threading.Semaphore(0)

    def read() -> str:
        reads.release()
        if hangs.is_set():
            assert free.wait(PATIENCE_SECONDS)
        return TOKEN

    async def used() -> None:
        watching = asyncio.ensure_future(tokens.watch())
        for _ in range(2):
            await asyncio.to_thread(reads.acquire, timeout=PATIENCE_SECONDS)
        hangs.set()
        while reads.acquire(blocking=False):
            pass
        await asyncio.to_thread(reads.acquire, timeout=PATIENCE_SECONDS)
        assert tokens.owner(TOKEN) is kim
        free.set()
        watching.cancel()

    free = threading.Event()
    kim = NamedToken("kim", Secret(read), Role.OPERATE)
    tokens = Tokens([kim])
    asyncio.run(used())


@given(st.text(max_size=30))
def test_only_the_token_itself_is_accepted(offered: str) -> None:
    named = NamedToken("kim", Secret(lambda: TOKEN), Role.READ)
    assert (Tokens([named]).owner(offered) is named) == (offered == TOKEN)


@pytest.mark.parametrize("short", ["", "  ", "fifteen-letters"])
def test_a_token_that_became_too_short_opens_nothing(short: str) -> None:
    assert Tokens([NamedToken("kim", Secret(lambda: short), Role.READ)]).owner(short.strip()) is None


@given(st.text(min_size=1, max_size=60))
def test_a_token_survives_the_way_through_a_subprotocol(token: str) -> None:
    try:
        token.encode()
    except UnicodeEncodeError:
        return
    seen = Proxies().seen("127.0.0.1", "http", {})
    request = AccessRequest("GET", "/ws/polling", {}, seen, ("agent-live", to_protocol(token)), websocket=True)
    assert Door().policy.offered_token(request) == token


# --- guessing


def test_an_address_that_guesses_is_not_listened_to_for_a_while_and_nobody_else_notices() -> None:
    door = Door("0.0.0.0:8080", TOKEN)
    guessed = [door.status("POST", peer="192.0.2.7", authorization=f"Bearer {n}") for n in range(GUESSES + 5)]
    assert guessed == [401] * GUESSES + [429] * 5
    assert door.status("POST", peer="192.0.2.7", **BEARER) == 429, "or guessing would go on"
    assert door.status("POST", peer="192.0.2.8", **BEARER) == 200
    assert door.status(path="/healthz", peer="192.0.2.7") == 200
    judged = door.judge("POST", headers=BEARER, peer="192.0.2.7")
    assert isinstance(judged, Refusal)
    assert judged.retry_after_seconds == SECONDS_PER_GUESS
    door.clock.advance(SECONDS_PER_GUESS)
    assert door.status("POST", peer="192.0.2.7", **BEARER) == 200


def test_the_right_token_is_never_counted() -> None:
    door = Door("0.0.0.0:8080", TOKEN)
    assert {door.status("POST", **BEARER) for _ in range(5 * GUESSES)} == {200}


def test_what_is_remembered_of_guessers_is_bounded_and_an_ipv6_network_is_one_of_them() -> None:
    wrong = WrongTokens(ManualClock())
    for number in range(GUESSES):
        wrong.note(f"2001:db8::{number:x}")
    assert wrong.seconds_to_wait("2001:db8::ffff") > 0
    assert wrong.seconds_to_wait("2001:db8:0:1::1") == 0
    for number in range(2 * ADDRESSES):
        wrong.note(f"10.0.{number // 256}.{number % 256}")
    assert len(wrong._spent) == ADDRESSES


# --- where others can reach it


@pytest.mark.parametrize(
    "more",
    [
        {"listen": "0.0.0.0:8080"},
        {"allowed_hosts": ("monitor.plant",)},
        {"trusted_proxies": ("127.0.0.1",)},
        {"root_path": "/line-1"},
    ],
    ids=lambda more: next(iter(more)),
)
def test_where_others_can_reach_it_changing_and_reading_need_a_token(more: dict[str, Any]) -> None:
    door = Door(token=TOKEN, **more)
    assert (door.status(), door.status("POST", "/api/polling/stop-all")) == (401, 401)
    assert (door.status(**BEARER), door.status("POST", **BEARER)) == (200, 200)
    public = Door(token=TOKEN, public_reading=True, **more)
    assert (public.status(), public.status("POST")) == (200, 401)
    without = Door(**more)
    assert (without.status(), without.status("POST"), without.status("POST", **BEARER)) == (403, 403, 403)
    shown_to_all = Door(public_reading=True, **more)
    assert (shown_to_all.status(), shown_to_all.status("POST")) == (200, 403)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_name_of_this_machine_is_not_elsewhere(name: str) -> None:
    assert Door(allowed_hosts=(name,)).status("POST") == 200


@pytest.mark.parametrize(
    "trace", ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "via", "x-real-ip"]
)
def test_a_request_that_a_proxy_passed_on_is_from_elsewhere_though_nobody_said_so(trace: str) -> None:
    door = Door()
    assert door.status("POST") == 200
    assert isinstance(door.judge("POST", headers={trace: "192.0.2.7"}), Refusal)
    assert isinstance(door.judge(headers={trace: "192.0.2.7"}), Refusal)
    assert door.status(path="/healthz", **{trace: "x"}) == 200


# --- proxies

PROXIED = {"host": HOST, "x-forwarded-host": "monitor.plant", "x-forwarded-proto": "https"} | BEARER


def behind_proxy(**more: Any) -> Door:
    return Door(token=TOKEN, allowed_hosts=("monitor.plant",), trusted_proxies=("127.0.0.1", "10.0.0.0/24"), **more)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://monitor.plant", True),
        ("http://monitor.plant", False),
        ("https://monitor.plant:8443", False),
        ("https://evil.example", False),
        (f"http://{HOST}", False),
    ],
)
def test_behind_a_proxy_the_origin_is_compared_with_what_the_browser_sees(origin: str, allowed: bool) -> None:
    judged = behind_proxy().judge("POST", headers=PROXIED | {"origin": origin})
    assert isinstance(judged, Visitor) is allowed


@pytest.mark.parametrize("host", ["monitor.plant:8443", "monitor.plant"])
def test_a_port_counts_unless_it_is_the_usual_one(host: str) -> None:
    headers = PROXIED | {"x-forwarded-host": host, "origin": f"https://{host}"}
    assert isinstance(behind_proxy().judge("POST", headers=headers), Visitor)
    usual = PROXIED | {"x-forwarded-host": "monitor.plant:443", "origin": "https://monitor.plant"}
    assert isinstance(behind_proxy().judge("POST", headers=usual), Visitor)


def test_its_own_tls_is_what_the_browser_sees() -> None:
    def posted(origin: str) -> Visitor | Refusal:
        return Door(token=TOKEN).judge("POST", headers=BEARER | {"origin": origin}, scheme="https")

    assert isinstance(posted(f"https://{HOST}"), Visitor)
    assert isinstance(posted(f"http://{HOST}"), Refusal)


def test_what_a_stranger_says_it_forwarded_is_not_believed() -> None:
    judged = behind_proxy().judge("POST", headers=PROXIED | {"x-forwarded-for": "1.2.3.4"}, peer="192.0.2.7")
    assert judged == Visitor("token", "192.0.2.7")
    foreign = BEARER | {"x-forwarded-host": "monitor.plant", "host": "evil.example"}
    assert isinstance(behind_proxy().judge("POST", headers=foreign, peer="192.0.2.7"), Refusal)


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.0.0.9", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("by=root outcome=done", "127.0.0.1"),
        ("192.0.2.7, garbage", "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_that_no_trusted_proxy_has(forwarded_for: str, client: str) -> None:
    judged = behind_proxy().judge(headers=PROXIED | {"x-forwarded-for": forwarded_for})
    assert judged == Visitor("token", client)


def test_one_guesser_behind_a_proxy_slows_only_itself() -> None:
    door = behind_proxy()
    wrong = {"authorization": "Bearer wrong", "x-forwarded-for": "192.0.2.7"}
    for _ in range(2 * GUESSES):
        door.judge("POST", headers=PROXIED | wrong)
    assert isinstance(door.judge("POST", headers=PROXIED | {"x-forwarded-for": "192.0.2.7"}), Refusal)
    assert isinstance(door.judge("POST", headers=PROXIED | {"x-forwarded-for": "192.0.2.8"}), Visitor)


@pytest.mark.parametrize(
    ("told", "prefix"),
    [
        ("/line-1", "/line-1"),
        ("/a/b/", "/a/b"),
        ("//evil.example", "/default"),
        ("/a/../b", "/default"),
        ("/a b", "/default"),
        ("/" + "a" * 300, "/default"),
        ("https://evil.example", "/default"),
        ("", "/default"),
    ],
)
def test_a_prefix_is_a_plain_path_or_not_believed(told: str, prefix: str) -> None:
    proxies = Proxies(("127.0.0.1",), "/default/")
    assert proxies.seen("127.0.0.1", "http", {"x-forwarded-prefix": told}).prefix == prefix
    assert proxies.seen("192.0.2.7", "http", {"x-forwarded-prefix": told}).prefix == "/default"


def test_an_ipv4_proxy_is_trusted_on_an_ipv6_socket_too() -> None:
    assert Proxies(("10.0.0.0/24",)).trusts("::ffff:10.0.0.5")
    assert not Proxies(("10.0.0.0/24",)).trusts("::ffff:10.0.1.5")
    assert not Proxies(("10.0.0.0/24",)).trusts("?")
