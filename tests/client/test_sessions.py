"""Tokens over real sockets: one login in flight for all clients, one repeat of a call, and no login loop."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.client import AsyncHubClient, ClientSettings, HubClient
from edoc_connector.client.sessions import FIRST_PAUSE, TokenSession, drive
from edoc_connector.errors import AuthenticationRejected, EdocError, HubUnavailable, IntermediaryAnswer, NotSent
from edoc_connector.hubs import (
    ClientCredentials,
    FileBody,
    Flow,
    LgspAccessToken,
    MessageType,
    TokenLogin,
    Vxp,
    WireRequest,
    WireResponse,
)

if TYPE_CHECKING:
    from .conftest import Answer, Hub

PASSWORD = "pass-word-of-the-application"
LIST = json.dumps({"status": "OK", "ErrorCode": "0", "ErrorDesc": "", "data": []}).encode()
SENT = json.dumps({"status": "OK", "ErrorCode": "0", "ErrorDesc": "", "DocId": "7"}).encode()


@dataclass
class Gateway:
    """A gateway that wants a token, with what it was asked."""

    logins: int = 0
    calls: list[tuple[str, str, bytes]] = field(default_factory=list)
    good_tokens: set[str] = field(default_factory=set)
    keeps_tokens: bool = True
    login_status: int = 200
    login_seconds: float = 0.0
    refusal: tuple[int, bytes] = (401, b"licenseInfo:invalid")
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def log_in(self) -> tuple[int, bytes]:
        with self.lock:
            self.logins += 1
            token = f"token-number-{self.logins}"
        time.sleep(self.login_seconds)
        if self.login_status != 200:
            return self.login_status, b"busy"
        with self.lock:
            self.good_tokens = {token} if self.keeps_tokens else set()
        return 200, json.dumps({"code": 200, "data": {"token": token}, "access_token": token}).encode()

    def answer(self, path: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        if path.startswith("/login"):
            return self.log_in()
        with self.lock:
            self.calls.append((path, authorization, body))
            is_in = authorization.removeprefix("Bearer ") in self.good_tokens
        if not is_in:
            return self.refusal
        return 200, SENT if path.endswith("sendEdoc") else LIST

    def rotate(self) -> None:
        with self.lock:
            self.good_tokens = set()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway on loopback, whose answers keep their connections."""
    state = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # a body would wait 40 ms for the word that the headers arrived

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            status, answer = state.answer(self.path, self.headers.get("Authorization", ""), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


def _login(gateway: Gateway, **changes: Any) -> TokenLogin:
    values = {"login_url": f"{gateway.url}/login", "username": "qlvb", "password": PASSWORD, **changes}
    return TokenLogin(**values)


def _vxp(gateway: Gateway) -> Vxp:
    return Vxp(endpoint=f"{gateway.url}/vxp", system_id="H29", secret="hub-secret")


def _client(gateway: Gateway, **changes: Any) -> HubClient:
    return HubClient(_vxp(gateway), ClientSettings(attempts=1), authenticator=_login(gateway, **changes))


def test_one_login_for_threads_and_event_loops(gateway: Gateway) -> None:
    """Blocking and awaited calls of many clients make one login; the others wait for it (lgsp, Signing in 3)."""
    gateway.login_seconds = 0.3

    def ask() -> object:
        with _client(gateway) as client:
            return client.list_waiting()

    async def ask_awaited() -> list[object]:
        async with AsyncHubClient(_vxp(gateway), authenticator=_login(gateway)) as client:
            return list(await asyncio.gather(*(client.list_waiting() for _ in range(8))))

    with _client(gateway), ThreadPoolExecutor(12) as pool:  # one holds the session all the while
        blocking = [pool.submit(ask) for _ in range(8)]
        awaited = [pool.submit(asyncio.run, ask_awaited()) for _ in range(2)]
        assert [one.result() for one in blocking] == [()] * 8
        assert [one.result() for one in awaited] == [[()] * 8] * 2
    assert gateway.logins == 1


def test_a_token_that_ends_in_a_poll_costs_one_login(gateway: Gateway) -> None:
    """A token that is rotated between two calls is replaced by one login, and the call is repeated once."""
    with _client(gateway) as client:
        assert client.list_waiting() == ()
        gateway.rotate()
        assert client.list_waiting() == ()
    assert gateway.logins == 2
    assert [authorization for _, authorization, _ in gateway.calls] == [
        "Bearer token-number-1", "Bearer token-number-1", "Bearer token-number-2",
    ]  # fmt: skip


def test_many_calls_with_one_dead_token_cost_one_login(gateway: Gateway) -> None:
    """Threads that find the same token dead share one new login (lgsp, Signing in 3)."""
    gateway.login_seconds = 0.2
    with _client(gateway) as client, ThreadPoolExecutor(10) as pool:
        client.list_waiting()
        gateway.rotate()
        assert list(pool.map(lambda _: client.list_waiting(), range(10))) == [()] * 10
    assert gateway.logins == 2


def test_a_storm_of_401_makes_no_login_loop(gateway: Gateway) -> None:
    """A gateway that refuses each new token gets one login in a pause, and each call is AuthenticationRejected."""
    gateway.keeps_tokens = False
    with _client(gateway) as client, ThreadPoolExecutor(8) as pool:

        def ask(_: int) -> type[BaseException]:
            with pytest.raises(AuthenticationRejected) as caught:
                client.list_waiting()
            return caught.type

        assert set(pool.map(ask, range(60))) == {AuthenticationRejected}
    assert gateway.logins == 1
    assert len(gateway.calls) == 60


def test_a_login_that_is_down_is_asked_seldom(gateway: Gateway) -> None:
    """While the login fails no call goes out and no other login is made before the pause (counted)."""
    gateway.login_status = 503
    with HubClient(_vxp(gateway), ClientSettings(backoff=0.0), authenticator=_login(gateway)) as client:
        for _ in range(20):
            with pytest.raises(HubUnavailable):
                client.list_waiting()
    assert gateway.logins == 1
    assert gateway.calls == []


def test_a_login_that_failed_is_told_to_each_who_asks(gateway: Gateway) -> None:
    """Each gets an error of its own: none grows by the tracebacks of others, nor keeps alive who met it."""
    gateway.login_status = 503
    told: list[tuple[str, int]] = []
    with HubClient(_vxp(gateway), ClientSettings(attempts=1), authenticator=_login(gateway)) as client:
        for _ in range(4):
            with pytest.raises(HubUnavailable) as caught:
                client.list_waiting()
            told.append((str(caught.value), len(list(traceback.walk_tb(caught.value.__traceback__)))))
    assert told[1] == told[2] == told[3]
    assert told[0][0] == told[1][0]


def _credentials(gateway: Gateway) -> ClientCredentials:
    return ClientCredentials(token_url=f"{gateway.url}/login", key="key", secret=PASSWORD)


def _application(gateway: Gateway) -> LgspAccessToken:
    return LgspAccessToken(token_url=f"{gateway.url}/login", access_key="ak", secret_key=PASSWORD)


each_authenticator = pytest.mark.parametrize("make", [_login, _credentials, _application])
each_client = pytest.mark.parametrize("is_awaited", [False, True], ids=["blocking", "awaited"])


def _poll(gateway: Gateway, authenticator: Any, times: int, *, is_awaited: bool, meanwhile: Any = None) -> list[Any]:
    """List so many times with one client: what came, or the class of the error."""

    async def poll_awaited() -> list[Any]:
        async with AsyncHubClient(_vxp(gateway), ClientSettings(attempts=1), authenticator=authenticator) as client:
            return [await _catch(client.list_waiting, meanwhile) for _ in range(times)]

    async def poll() -> list[Any]:
        with HubClient(_vxp(gateway), ClientSettings(attempts=1), authenticator=authenticator) as client:
            return [await _catch(client.list_waiting, meanwhile) for _ in range(times)]

    return asyncio.run(poll_awaited() if is_awaited else poll())


async def _catch(call: Callable[[], Any], meanwhile: Any) -> Any:
    try:
        found = call()
        return await found if asyncio.iscoroutine(found) else found
    except EdocError as error:
        return type(error)
    finally:
        if meanwhile is not None:
            meanwhile()


@each_authenticator
@each_client
def test_tokens_of_each_authenticator_that_end_in_a_poll(gateway: Gateway, make: Any, is_awaited: bool) -> None:
    """Each token is rotated after one call: every call succeeds, with one login for each (counted)."""
    found = _poll(gateway, make(gateway), 5, is_awaited=is_awaited, meanwhile=gateway.rotate)
    assert found == [()] * 5
    assert (gateway.logins, len(gateway.calls)) == (5, 9)


@each_authenticator
@each_client
def test_a_storm_of_401_at_each_authenticator(gateway: Gateway, make: Any, is_awaited: bool) -> None:
    """Where every token is refused, one login is made in a pause, and every call is AuthenticationRejected."""
    gateway.keeps_tokens = False
    found = _poll(gateway, make(gateway), 30, is_awaited=is_awaited)
    assert found == [AuthenticationRejected] * 30
    assert gateway.logins <= 2


@each_authenticator
@each_client
@pytest.mark.parametrize(("status", "error"), [(503, HubUnavailable), (401, AuthenticationRejected)])
def test_the_login_of_each_authenticator_is_down(
    gateway: Gateway, make: Any, is_awaited: bool, status: int, error: type[EdocError]
) -> None:
    """While the login fails no call leaves, and one login is tried in a pause (counted)."""
    gateway.login_status = status
    found = _poll(gateway, make(gateway), 20, is_awaited=is_awaited)
    assert found == [error] * 20
    assert (gateway.logins, gateway.calls) == (1, [])


def test_the_pause_doubles_and_ends(gateway: Gateway) -> None:
    """Logins in vain follow each other at 5, 10, 20… seconds, and one that is good ends that."""
    now = [0.0]
    session = TokenSession(_login(gateway), clock=lambda: now[0])
    refused = WireResponse(503, {}, b"")
    outcomes = []

    def perform(request: WireRequest) -> WireResponse:
        outcomes.append((now[0], request.is_login))
        return refused if now[0] < 60 else WireResponse(200, {}, b'{"data": {"token": "good"}}')

    for second in range(0, 100, 1):
        now[0] = float(second)
        try:
            drive(session.exchange(WireRequest("GET", "http://hub.test/", {})), perform, longest_wait=1)
        except HubUnavailable:
            continue
    logins = [moment for moment, is_login in outcomes if is_login]
    assert logins == [0.0, FIRST_PAUSE, 3 * FIRST_PAUSE, 7 * FIRST_PAUSE, 15 * FIRST_PAUSE]
    assert sum(not is_login for _, is_login in outcomes) == 100 - 75


def test_a_login_that_cannot_be_reached_sends_nothing(gateway: Gateway) -> None:
    """Where nobody listens at the login, a send is NotSent, not unknown: the packet did not leave."""
    closed = _login(gateway, login_url="http://127.0.0.1:9/login")
    with (
        HubClient(_vxp(gateway), ClientSettings(attempts=1), authenticator=closed) as client,
        pytest.raises(NotSent),
    ):
        client.send(Path(__file__), message_type=MessageType.EDOC, sender="H29")
    assert gateway.calls == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (WireResponse(200, {}, b"<html>portal</html>"), IntermediaryAnswer),
        (WireResponse(200, {}, b""), IntermediaryAnswer),
        (WireResponse(200, {}, b"Unauthorized"), AuthenticationRejected),
        (WireResponse(401, {}, b"Unauthorized"), AuthenticationRejected),
        (WireResponse(400, {}, b'{"error":"invalid_client"}'), AuthenticationRejected),
        (WireResponse(200, {}, b'{"code":500,"message":"wrong password","data":null}'), AuthenticationRejected),
        (WireResponse(200, {}, b'{"data":{"token":"a b"}}'), IntermediaryAnswer),
        (WireResponse(200, {}, b'{"data":{"token":["a"]}}'), IntermediaryAnswer),
        (WireResponse(302, {"location": "https://sso.test"}, b""), IntermediaryAnswer),
        (WireResponse(422, {}, b"no"), AuthenticationRejected),
        (WireResponse(500, {}, b'{"data":{"token":"t"}}'), HubUnavailable),
        (WireResponse(407, {}, b""), IntermediaryAnswer),
    ],
)
def test_what_a_login_answers_keeps_the_packet(
    gateway: Gateway, answer: WireResponse, error: type[EdocError], packet: Path
) -> None:
    """No answer to a login is taken for a verdict on the packet that waits for it, nor its outcome for unknown."""
    session = TokenSession(_login(gateway))
    request = WireRequest("POST", "http://hub.test/sendEdoc", {}, FileBody(packet), sends=True)
    with pytest.raises(error) as caught:
        drive(session.exchange(request), lambda _: answer, longest_wait=1)
    assert PASSWORD not in caught.value.message + caught.value.vi
    assert caught.value.vi != caught.value.message


def test_a_packet_is_sent_again_with_the_new_token(gateway: Gateway, packet: Path) -> None:
    """A send that met a dead token is repeated once, with the same bytes."""
    with _client(gateway) as client:
        client.list_waiting()
        gateway.rotate()
        assert client.send(packet, message_type=MessageType.EDOC, sender="H29").doc_id == "7"
    bodies = [body for path, _, body in gateway.calls if path.endswith("sendEdoc")]
    assert bodies == [packet.read_bytes() + b"\r\n"] * 2


def test_plain_unauthorized_with_200_logs_in_anew(gateway: Gateway) -> None:
    """The gateway's text ``Unauthorized`` means a dead token whatever its status (lgsp, The answer's envelope)."""
    gateway.refusal = (200, b"Unauthorized")
    with _client(gateway) as client:
        client.list_waiting()
        gateway.rotate()
        assert client.list_waiting() == ()
    assert gateway.logins == 2


def test_a_token_is_renewed_before_it_ends(gateway: Gateway) -> None:
    """A token whose time is over is not tried: the login comes first (lgsp, Signing in 3)."""
    with _client(gateway, lifetime=0.05) as client:
        client.list_waiting()
        time.sleep(0.1)
        client.list_waiting()
    assert gateway.logins == 2
    assert len(gateway.calls) == 2


def test_a_cancelled_login_is_made_by_who_waits(gateway: Gateway) -> None:
    """Where the call that logs in is cancelled, one of those that wait logs in; none hangs."""
    gateway.login_seconds = 0.3

    async def ask() -> tuple[Any, ...]:
        async with AsyncHubClient(_vxp(gateway), authenticator=_login(gateway)) as client:
            first = asyncio.create_task(client.list_waiting())
            await asyncio.sleep(0.05)
            second = asyncio.create_task(client.list_waiting())
            await asyncio.sleep(0.05)
            first.cancel()
            return await second

    assert asyncio.run(asyncio.wait_for(ask(), 10)) == ()
    assert gateway.logins == 2


def test_who_waits_for_a_login_can_be_cancelled(gateway: Gateway) -> None:
    """A call that waits for another's login ends at once where it is cancelled."""
    gateway.login_seconds = 2.0

    async def ask() -> float:
        async with AsyncHubClient(_vxp(gateway), authenticator=_login(gateway)) as client:
            first = asyncio.create_task(client.list_waiting())
            await asyncio.sleep(0.1)
            second = asyncio.create_task(client.list_waiting())
            await asyncio.sleep(0.1)
            start = time.monotonic()
            second.cancel()
            with pytest.raises(asyncio.CancelledError):
                await second
            waited = time.monotonic() - start
            await first
            return waited

    assert asyncio.run(ask()) < 1.0


def test_a_login_is_not_waited_for_without_end(gateway: Gateway) -> None:
    """Who waits for a login of another call that never ends is NotSent after the time of an exchange."""
    session = TokenSession(_login(gateway))
    leader = session.exchange(WireRequest("GET", "http://hub.test/", {}))
    next(leader)
    with pytest.raises(NotSent, match="takes too long"):
        drive(
            session.exchange(WireRequest("GET", "http://hub.test/", {})),
            lambda _: WireResponse(200, {}),
            longest_wait=0.05,
        )
    leader.close()


def test_after_a_fork_the_login_of_the_parent_is_nobodys(gateway: Gateway) -> None:
    """A child makes its own login where the parent was at one."""
    session = TokenSession(_login(gateway))
    leader = session.exchange(WireRequest("GET", "http://hub.test/", {}))
    assert isinstance(next(leader), WireRequest)
    session.renew_after_fork()
    assert isinstance(next(session.exchange(WireRequest("GET", "http://hub.test/", {}))), WireRequest)
    leader.close()


def test_other_credentials_have_another_token(gateway: Gateway) -> None:
    """Clients share a token only where address and credentials are the same."""
    with _client(gateway) as one, _client(gateway) as same, _client(gateway, username="other") as other:
        one.list_waiting()
        same.list_waiting()
        assert gateway.logins == 1
        other.list_waiting()
    assert gateway.logins == 2


def test_no_secret_in_reprs_logs_and_errors(gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
    """Neither passwords nor tokens nor Authorization are seen in reprs, logs or errors."""
    gateway.refusal = (401, b"no")
    with caplog.at_level(logging.DEBUG), _client(gateway) as client:
        client.list_waiting()
        gateway.keeps_tokens = False
        gateway.rotate()
        with pytest.raises(AuthenticationRejected) as caught:
            client.list_waiting()
    requests: list[WireRequest] = []
    flow: Flow[Any] = _login(gateway).log_in()
    requests.append(next(flow))
    flow.close()
    authenticators = (
        _login(gateway),
        ClientCredentials(token_url=gateway.url, key="k", secret=PASSWORD),
        LgspAccessToken(token_url=gateway.url, access_key="a", secret_key=PASSWORD),
    )
    shown = f"{caplog.text} {caught.value!r} {caught.value.vi} {authenticators!r} {requests[0].headers!r}"
    assert PASSWORD not in shown
    assert "token-number" not in shown
    assert "logging in at" in caplog.text


def test_further_headers_on_every_request(hub: Hub, reply: Callable[..., Answer]) -> None:
    """Headers of the settings go with logins and calls, and never instead of a header of the call."""
    hub.script = [reply(b'{"data":{"token":"t1"}}'), reply(LIST)]
    login = TokenLogin(login_url=f"{hub.url}/login", username="u", password="p")
    settings = ClientSettings(headers=(("X-Api-Key", "key-1"), ("user-agent", "mine")), attempts=1)
    with HubClient(Vxp(endpoint=hub.url, system_id="H29", secret="s"), settings, authenticator=login) as client:
        client.list_waiting()
    assert [seen.headers["x-api-key"] for seen in hub.seen] == ["key-1", "key-1"]
    assert hub.seen[1].headers["user-agent"].startswith("edoc-connector/")
    assert "key-1" not in repr(settings)


def test_logins_and_calls_go_through_a_proxy_with_its_password(hub: Hub, reply: Callable[..., Answer]) -> None:
    """A forward proxy with authentication carries the login and the call, and gets its own header."""
    hub.script = [reply(b'{"data":{"token":"t1"}}'), reply(LIST)]
    login = TokenLogin(login_url="http://gateway.test/login", username="u", password="p")
    proxy = hub.url.removesuffix("/vxp").replace("//", "//user:pr%40xy@")
    vxp = Vxp(endpoint="http://hub.test/vxp", system_id="H29", secret="s")
    with HubClient(vxp, ClientSettings(proxy=proxy, attempts=1), authenticator=login) as client:
        client.list_waiting()
    assert [seen.line.split(" ")[1] for seen in hub.seen] == [
        "http://gateway.test/login", "http://hub.test/vxp/getReceivedEdocList",
    ]  # fmt: skip
    assert {seen.headers["proxy-authorization"] for seen in hub.seen} == {"Basic dXNlcjpwckB4eQ=="}
    assert hub.seen[1].headers["authorization"] == "Bearer t1"


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_oauth2_behind_an_api_manager(
    hub: Hub, reply: Callable[..., Answer], counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Client credentials: Basic key:secret and the form on the token call, then Bearer (vxp behind an API manager)."""
    if not counter:
        monkeypatch.setattr(ClientCredentials, "build_headers", lambda *_: {})
        with pytest.raises((AssertionError, KeyError)):
            _require_oauth2(hub, reply)
        return
    _require_oauth2(hub, reply)


def _require_oauth2(hub: Hub, reply: Callable[..., Answer]) -> None:
    hub.script = [reply(b'{"access_token":"t1","token_type":"Bearer","expires_in":3600}'), reply(LIST)]
    credentials = ClientCredentials(token_url=f"{hub.url}/token", key="key", secret="secret")
    vxp = Vxp(endpoint=f"{hub.url}/vdxp-product/1.0", system_id="H29", secret="s")
    with HubClient(vxp, ClientSettings(attempts=1), authenticator=credentials) as client:
        client.list_waiting()
    token, call = hub.seen
    assert token.headers["authorization"] == "Basic a2V5OnNlY3JldA=="
    assert token.body == b"grant_type=client_credentials"
    assert token.headers["content-type"] == "application/x-www-form-urlencoded"
    assert call.headers["authorization"] == "Bearer t1"
    assert call.line.startswith("POST /vxp/vdxp-product/1.0/getReceivedEdocList ")
    assert "xroadvnpt-hash-header" in call.headers


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_lgspaccesstoken_on_the_token_call_and_on_every_call(
    hub: Hub, reply: Callable[..., Answer], counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header of the application stands on both calls, and Bearer beside it on the second."""
    if not counter:
        monkeypatch.setattr(LgspAccessToken, "build_headers", lambda _, token: {"Authorization": token.value})
        with pytest.raises((AssertionError, KeyError)):
            _require_application_header(hub, reply)
        return
    _require_application_header(hub, reply)


def _require_application_header(hub: Hub, reply: Callable[..., Answer]) -> None:
    hub.script = [reply(b'{"access_token":"t1"}'), reply(LIST)]
    application = LgspAccessToken(
        token_url=f"{hub.url}/token", access_key="ak", secret_key="sk", app_name="qlvb", partner_code="H29"
    )
    vxp = Vxp(endpoint=hub.url, system_id="H29", secret="s")
    with HubClient(vxp, ClientSettings(attempts=1), authenticator=application) as client:
        client.list_waiting()
    token, call = hub.seen
    assert token.headers["lgspaccesstoken"] == call.headers["lgspaccesstoken"]
    assert json.loads(base64.b64decode(call.headers["lgspaccesstoken"])) == {
        "AccessKey": "ak", "SecretKey": "sk", "AppName": "qlvb", "PartnerCode": "H29", "PartnerCodeCus": "",
    }  # fmt: skip
    assert token.body == b"grant_type=client_credentials"
    assert "authorization" not in token.headers
    assert call.headers["authorization"] == "Bearer t1"
