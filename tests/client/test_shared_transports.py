"""Connections that the clients of several agencies share, and what of an agency they do not carry to another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from edoc_connector.client import ClientSettings, HubClient, SharedTransports, transport
from edoc_connector.errors import NotSent
from edoc_connector.hubs import Vxp
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys
from edoc_connector.testing.scripted_hub import ScriptedAnswer, ScriptedHub, SeenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTHING = ScriptedAnswer(b'{"status":"OK","ErrorCode":"0","ErrorDesc":"","data":[]}')
CODES = tuple(f"H29.{number:02}" for number in range(30))


class CookieHub(ScriptedHub):
    """A hub that counts its connections, each of which gives whoever asks a session to remember."""

    def __init__(self, answer: Callable[[SeenRequest], ScriptedAnswer]) -> None:
        super().__init__(answer)
        self.connections = 0
        inner = self._server.RequestHandlerClass
        hub = self

        class Handler(inner):  # type: ignore[misc, valid-type]
            def setup(self) -> None:
                hub.connections += 1
                super().setup()

            def end_headers(self) -> None:
                self.send_header("Set-Cookie", f"session={self.headers['XroadVnpt-systemId']}; Path=/")
                super().end_headers()

        self._server.RequestHandlerClass = Handler


@pytest.fixture
def hub() -> Iterator[CookieHub]:
    """A hub with nothing for anybody."""
    with CookieHub(lambda _: NOTHING) as hub:
        yield hub


@pytest.fixture
def transports() -> SharedTransports:
    """What the clients share."""
    return SharedTransports()


@pytest.fixture
def client(hub: CookieHub, transports: SharedTransports) -> Iterator[Callable[..., HubClient]]:
    """Opens the client of an agency."""
    with ExitStack() as stack:

        def make(code: str, **settings: Any) -> HubClient:
            dialect = Vxp(endpoint=hub.url, system_id=code, secret=f"secret-{code}")
            quick = {"attempts": 1, "keep_alive": 60.0, "total": 20.0} | settings
            return stack.enter_context(HubClient(dialect, ClientSettings(**quick), transports=transports))

        yield make


def test_many_agencies_keep_one_connection(hub: CookieHub, client: Callable[..., HubClient]) -> None:
    """Thirty agencies that ask one after another do so over one connection."""
    for code in CODES:
        client(code).list_waiting()
    assert hub.connections == 1
    assert len(hub.seen) == len(CODES)


def test_idle_connections_are_bounded_however_many_agencies_ask_at_once(
    hub: CookieHub, client: Callable[..., HubClient], transports: SharedTransports
) -> None:
    """Each may have its own while it asks; of those that are idle afterwards as many are kept as one agency keeps."""
    all_there = threading.Barrier(len(CODES))

    def answer(_: SeenRequest) -> ScriptedAnswer:
        all_there.wait(60)
        return NOTHING

    hub.answer = answer
    clients = [client(code, connections=2) for code in CODES]
    with ThreadPoolExecutor(len(CODES)) as pool:
        list(pool.map(lambda one: one.list_waiting(), clients))
    assert hub.connections == len(CODES)
    (shared,) = transports._open.values()
    assert sum(len(pool.connections) for pool in shared.transport._pools.values()) <= 2


def test_nothing_of_an_agency_goes_out_for_another(hub: CookieHub, client: Callable[..., HubClient]) -> None:
    """Over one connection each request has its own agency's id and headers, and no cookie that the hub gave."""
    first = client("G22", headers=(("X-Login", "of G22"),))
    second = client("H30", headers=(("X-Login", "of H30"),))
    for one in (first, second, first):
        one.list_waiting()
    assert hub.connections == 1
    assert [one.headers["xroadvnpt-systemid"] for one in hub.seen] == ["G22", "H30", "G22"]
    assert [one.headers["x-login"] for one in hub.seen] == ["of G22", "of H30", "of G22"]
    assert not any("cookie" in one.headers for one in hub.seen)
    hashes = [one.headers["xroadvnpt-hash-header"] for one in hub.seen]
    assert len(set(hashes)) == 3


def test_an_agency_whose_exchanges_hang_takes_no_other_agencys_place(
    hub: CookieHub, client: Callable[..., HubClient]
) -> None:
    """Its own next exchange waits in vain for a place; another agency's goes out at once."""
    may_end = threading.Event()

    def answer(request: SeenRequest) -> ScriptedAnswer:
        if request.headers["xroadvnpt-systemid"] == "G22":
            may_end.wait(60)
        return NOTHING

    hub.answer = answer
    hanging, other = client("G22", connections=1, pool=0.2), client("H30", connections=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(hanging.list_waiting)
        while not hub.seen:
            assert not first.done()
        with pytest.raises(NotSent):
            hanging.list_waiting()
        assert other.list_waiting() == ()
        may_end.set()
        assert first.result(60) == ()
    assert hanging.list_waiting() == ()


def test_a_failed_exchange_gives_its_place_back(hub: CookieHub, client: Callable[..., HubClient]) -> None:
    """A hub that hangs up is tried again as often as one likes."""
    hub.answer = lambda _: ScriptedAnswer(closes=True)
    one = client("G22", connections=1, pool=0.2)
    for _ in range(3):
        with pytest.raises(NotSent):
            one.list_waiting()
    hub.answer = lambda _: NOTHING
    assert one.list_waiting() == ()


def test_connections_end_with_the_last_client(
    hub: CookieHub, client: Callable[..., HubClient], transports: SharedTransports
) -> None:
    """A client that is closed, twice even, closes nothing that another one uses."""
    first, second = client("G22"), client("H30")
    first.close()
    first.close()
    assert second.list_waiting() == ()
    (shared,) = transports._open.values()
    second.close()
    assert not transports._open
    assert not any(pool.connections for pool in shared.transport._pools.values())
    assert client("G22").list_waiting() == ()


def test_agencies_with_other_ways_to_the_hub_share_nothing(
    client: Callable[..., HubClient], transports: SharedTransports, tmp_path: Path
) -> None:
    """A proxy with its login, and how TLS is spoken, are part of a connection: who has others has other ones."""
    ways: list[dict[str, Any]] = [
        {},
        {"proxy": "http://a:b@127.0.0.1:9"},
        {"proxy": "http://a:c@127.0.0.1:9"},
        {"tls": "legacy"},
        {"keep_alive": 1.0},
    ]
    for code in ("G22", "H30"):
        for way in ways:
            client(code, **way)
    assert [shared.users for shared in transports._open.values()] == [2] * len(ways)


def test_a_file_that_was_renewed_counts_for_who_comes_after_that(transports: SharedTransports, tmp_path: Path) -> None:
    """Also while others go on with the authorities that they read; who reads the same ones shares with its like."""
    authorities = agency_keys("Ai đó", organ_id="G22", kind="p256").write_root(tmp_path / "ca.pem")
    with ExitStack() as stack:
        hub = stack.enter_context(RunningHub(MockHubConfig(data=tmp_path / "hub"), tls=True))
        hub.add_agency("G22", "secret")

        def open_client() -> HubClient:
            dialect = Vxp(endpoint=hub.url, system_id="G22", secret="secret")
            settings = ClientSettings(attempts=1, ca_bundle=authorities)
            return stack.enter_context(HubClient(dialect, settings, transports=transports))

        before = open_client()
        with pytest.raises(NotSent):
            before.list_waiting()
        authorities.write_bytes(hub.authority.read_bytes())
        assert [open_client().list_waiting() for _ in range(2)] == [(), ()]
        with pytest.raises(NotSent):
            before.list_waiting()
        assert sorted(shared.users for shared in transports._open.values()) == [1, 2]


def test_plain_http_reads_no_authorities(client: Callable[..., HubClient], monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of a hub on plain HTTP builds no TLS context, alone or with others."""

    def refuse(_: ClientSettings) -> None:
        raise AssertionError("a TLS context was built")

    monkeypatch.setattr(transport, "build_tls_context", refuse)
    shared = client("G22")
    assert shared.list_waiting() == ()
    with HubClient(shared.dialect, ClientSettings(attempts=1)) as alone:
        assert alone.list_waiting() == ()
