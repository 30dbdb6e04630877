"""The traps of a provincial platform, each with its counter-measure in place and taken out, over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import edxml
from edoc_connector.client import ClientSettings, HubClient, client, sessions, transport
from edoc_connector.errors import (
    AuthenticationRejected,
    EdocError,
    HubUnavailable,
    IntermediaryAnswer,
    PacketRefused,
    ProtocolError,
)
from edoc_connector.hubs import FileBody, Lgsp, MessageType, WireRequest, WireResponse, refusals
from edoc_connector.hubs.auth import answers as login_answers
from edoc_connector.hubs.lgsp import answers, packets, windows
from edoc_connector.hubs.lgsp import dialect as lgsp_dialect
from edoc_connector.mockhub import Fault, LgspTraps, MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

LOGIN = LgspTraps(username="qlvb", password="pass-of-qlvb")
QUICK = ClientSettings(attempts=1, backoff=0.0, connect=5, read=10, total=20)

in_place_or_taken_out = pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])


def holds(counter: bool, check: Callable[[], object]) -> None:
    """A check holds with its counter-measure, and does not without: a trap that catches nobody is none."""
    if counter:
        check()
        return
    with pytest.raises((AssertionError, EdocError, pytest.fail.Exception)):
        check()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[RunningHub]:
    """A platform with a login, and two agencies of one application."""
    with RunningHub(MockHubConfig(data=tmp_path / "hub", lgsp=LOGIN)) as hub:
        for code in ("H29.05", "H29.06", "G22"):
            hub.add_agency(code, f"key-{code}", code)
        yield hub


def dialect(platform: RunningHub, code: str = "H29.05", **changes: Any) -> Lgsp:
    """The dialect of an agency, under a base path as platforms have it."""
    values = {"endpoint": f"{platform.url}/apithunghiem", "system_id": code, "secret": f"key-{code}"}
    return Lgsp(**{**values, "username": LOGIN.username, "password": LOGIN.password, **changes})


@pytest.fixture
def packet(tmp_path: Path) -> Path:
    """A packet with an attachment."""
    path = tmp_path / "7816.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC))
    return path


def send(platform: RunningHub, packet: Path, **changes: Any) -> str:
    """Send a packet as its sender."""
    with HubClient(dialect(platform, **changes), QUICK) as hub:
        return hub.send(packet, message_type=MessageType.EDOC, sender="H29.05").doc_id


@in_place_or_taken_out
def test_trap_the_base_path_is_kept(platform: RunningHub, counter: bool) -> None:
    """A base URL with a path keeps it: ``urljoin`` would drop it (base URL per province and environment)."""
    made = dialect(platform)
    if not counter:
        object.__setattr__(made, "endpoint", platform.url)

    def check() -> None:
        request = next(made.list_waiting())
        assert request.url.startswith(f"{platform.url}/apithunghiem/v1/syncReceivedEdocList?")
        assert made.authenticator is not None
        assert made.authenticator.login_url.startswith(f"{platform.url}/apithunghiem/v1/auth/login")

    holds(counter, check)


@in_place_or_taken_out
@pytest.mark.parametrize("header", ["Authorization", "X-SystemId", "X-SecretKey"])
def test_trap_every_call_carries_three_headers(
    platform: RunningHub, header: str, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide names two headers; without Bearer the gateway answers 401 (Signing in 2)."""
    if not counter:
        real = transport.build_request_headers

        def without(*args: Any) -> Any:
            return [(name, value) for name, value in real(*args) if name != header.encode()]

        monkeypatch.setattr(client, "build_request_headers", without)

    def check() -> None:
        with HubClient(dialect(platform), QUICK) as hub:
            assert hub.list_waiting() == ()
            assert len(hub.agencies()) == 3

    holds(counter, check)


@in_place_or_taken_out
def test_trap_a_token_is_rotated_early(platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token may end before its half hour: one login, and the call once more (Signing in 3)."""
    if not counter:
        monkeypatch.setattr(sessions.TokenSession, "_may_renew", lambda *_: False)

    def check() -> None:
        with HubClient(dialect(platform), QUICK) as hub:
            hub.list_waiting()
            platform.hub.lgsp.rotate_tokens()
            assert hub.list_waiting() == ()
        assert platform.hub.lgsp.logins == 2

    holds(counter, check)


@in_place_or_taken_out
def test_trap_parallel_logins_are_throttled(
    platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All agencies of one application share one login; two at a time would be answered 429 (Signing in 3)."""
    platform.lgsp = replace(LOGIN, login_seconds=0.3)
    if not counter:
        monkeypatch.setattr(client, "open_session", lambda made, _: sessions.TokenSession(made.authenticator))

    def ask(code: str) -> object:
        with HubClient(dialect(platform, code), QUICK) as hub:
            return hub.list_waiting()

    def check() -> None:
        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(ask, ["H29.05", "H29.06", "G22"] * 2)) == [()] * 6
        assert (platform.hub.lgsp.logins, platform.hub.lgsp.refused_logins) == (1, 0)

    holds(counter, check)


@in_place_or_taken_out
@pytest.mark.parametrize("change", [{"secret": "rotated"}, {"system_id": "H99"}, {"password": "rotated"}])
def test_trap_wrong_credentials_are_plain_text(
    platform: RunningHub, packet: Path, change: dict[str, str], counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong, a gateway answers 401 ``Unauthorized``, no JSON and no errorCode 15: the queue is kept (4)."""
    if not counter:
        monkeypatch.setattr(refusals, "STATUS_RULES", refusals.STATUS_RULES[1:])
        monkeypatch.setattr(login_answers, "build_refused_login_error", lambda *_, **__: ProtocolError("x", vi="y"))

    def check() -> None:
        with pytest.raises(AuthenticationRejected) as caught:
            send(platform, packet, **change)
        assert "rotated" not in caught.value.message

    holds(counter, check)


_ERROR = {"status": "error", "errorCode": "22", "errorDesc": "not edXML"}
_ENVELOPES: list[tuple[Any, type[EdocError] | None]] = [
    ({"code": 200, "data": None}, None),
    ({"code": 0, "message": "", "data": {"status": "ok"}}, None),
    ({"code": "200", "data": {"status": "Success"}, "errorDetail": []}, None),
    ({"code": 200, "data": {"status": ""}, "errorDetail": None}, None),
    ({"success": True, "message": "OK"}, None),
    ({"success": "true"}, None),
    ({"success": True, "code": 200}, None),
    ({"code": 200, "data": {"status": "error"}}, PacketRefused),
    ({"code": 200, "errorDetail": [{"exception": "There is an error in XML document (1, 40)"}]}, PacketRefused),
    ({"code": 500, "message": "no", "data": None}, PacketRefused),
    ({"code": 200, "data": _ERROR}, PacketRefused),
    ({"code": 200, "success": False}, PacketRefused),
    ({"success": True, "code": 500}, PacketRefused),
    ({"success": False, "data": _ERROR | {"errorCode": "15"}}, AuthenticationRejected),
    ({"success": False, "data": _ERROR | {"errorCode": 20}}, HubUnavailable),
    ({"success": False, "message": "x", "data": _ERROR | {"errorCode": "0"}}, PacketRefused),
    ({"code": 401, "message": "expired"}, AuthenticationRejected),
    ({"code": 503, "message": "later"}, HubUnavailable),
    ({"message": "OK"}, ProtocolError),
    ({"code": True}, ProtocolError),
    ({"code": None}, ProtocolError),
    ({"code": [200]}, ProtocolError),
    ({"success": 1}, ProtocolError),
    ({"success": None, "data": {"docId": "1"}}, ProtocolError),
]


def _send_by_hand(packet: Path, answer: WireResponse) -> Any:
    flow = Lgsp(endpoint="http://h", system_id="s", secret="k").send(
        packet, message_type=MessageType.EDOC, sender="H29"
    )
    next(flow)
    try:
        flow.send(answer)
    except StopIteration as end:
        return end.value.doc_id
    raise AssertionError("another request")


@pytest.mark.parametrize(("envelope", "error"), _ENVELOPES)
def test_the_meaning_of_an_envelope(envelope: Any, error: type[EdocError] | None, packet: Path) -> None:
    """Both shapes are read; a refusal without errorCode is final, and what says neither yes nor no a protocol error."""
    _require_meaning(packet, envelope, error)


def _require_meaning(packet: Path, envelope: Any, error: type[EdocError] | None) -> None:
    answer = WireResponse(200, {}, json.dumps({"docId": "id-1", **envelope}).encode())
    if error is None:
        assert _send_by_hand(packet, answer) == "id-1"
        return
    with pytest.raises(error) as caught:
        _send_by_hand(packet, answer)
    assert type(caught.value) is error


@in_place_or_taken_out
@pytest.mark.parametrize("shape", ["_judge_code", "_parse_success"])
def test_trap_two_shapes_of_the_envelope(
    packet: Path, shape: str, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guide's ``success`` and the real ``code`` are both read: who knows one of them takes nothing for a yes."""
    if not counter:
        monkeypatch.setattr(answers, shape, lambda _: None)

    def check() -> None:
        _require_meaning(packet, {"code": 200, "data": {"status": "OK"}}, None)
        _require_meaning(packet, {"success": True, "message": "OK"}, None)

    holds(counter, check)


@in_place_or_taken_out
def test_trap_an_answer_that_says_neither(packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON answer with neither ``code`` nor ``success`` is a protocol error, not a success (envelope)."""
    if not counter:
        monkeypatch.setattr(answers, "_parse_success", lambda _: True)
    holds(counter, lambda: _require_meaning(packet, {"message": "OK"}, ProtocolError))


@in_place_or_taken_out
def test_trap_a_refusal_without_error_code_is_final(
    packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform decided, though it names no errorCode: the packet is not sent again and again (envelope)."""
    if not counter:
        monkeypatch.setattr(refusals, "select_unnamed_meaning", lambda _: refusals.MEANING_BY_CODE["20"])
    exceptions = [{"exception": "There is an error in XML document (1, 40)"}]
    envelope = {"code": 500, "message": "", "data": None, "errorDetail": exceptions}
    holds(counter, lambda: _require_meaning(packet, envelope, PacketRefused))


@in_place_or_taken_out
def test_trap_a_success_with_a_refusal_inside(packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``code`` 200 beside ``data.status`` error is a refusal: the outer code alone says nothing (envelope)."""
    if not counter:
        monkeypatch.setattr(answers, "_GOOD_STATES", frozenset({"", "OK", "SUCCESS", "ERROR"}))
    answer = WireResponse(200, {}, b'{"code":200,"docId":"1","data":{"status":"error"}}')

    def check() -> None:
        with pytest.raises(PacketRefused):
            _send_by_hand(packet, answer)

    holds(counter, check)


_TEXTS: list[tuple[bytes, int, type[EdocError]]] = [
    (b"Unauthorized", 200, AuthenticationRejected),
    (b"Unauthorized", 401, AuthenticationRejected),
    (b"IncorrectInput: Failed to read the request form. Unexpected end of Stream", 200, ProtocolError),
    (b"IncorrectInput: Failed to read the request form. Unexpected end of Stream", 400, IntermediaryAnswer),
    (b"<html>portal</html>", 404, ProtocolError),
    (b'{"code":"900901","message":"Invalid Credentials"}', 404, ProtocolError),
]


@in_place_or_taken_out
@pytest.mark.parametrize(("body", "status", "error"), _TEXTS)
def test_trap_text_is_never_the_platforms_verdict(
    body: bytes, status: int, error: type[EdocError], packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Text that is no JSON, and a gateway's own JSON, are no refusal of the packet (envelope)."""
    if not counter:
        refuses = refusals.StatusRule(range(400, 500), frozenset(refusals.BodyKind), refusals.MEANING_BY_CODE["22"])
        monkeypatch.setattr(refusals, "STATUS_RULES", (refuses, *refusals.STATUS_RULES))
        monkeypatch.setattr(answers, "is_denied_text", lambda _: False)
        monkeypatch.setattr(answers, "parse_object", lambda *_, **__: {"code": 500, "data": None})

    def check() -> None:
        with pytest.raises(error) as caught:
            _send_by_hand(packet, WireResponse(status, {}, body))
        assert not isinstance(caught.value, PacketRefused)

    holds(counter, check)


@pytest.mark.parametrize(
    ("form", "counter"),
    [("base64", True), ("text", True), ("split", True), ("text", False), ("split", False)],
)
def test_trap_attachments_in_the_packet_the_list_or_both(
    platform: RunningHub, packet: Path, tmp_path: Path, form: Any, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever way a packet and its files are given, the packet that is stored has each file once (fetch)."""
    platform.lgsp = replace(LOGIN, packets=form)
    if not counter:
        monkeypatch.setattr(packets, "add_listed_attachments", lambda *_: None)
        if form == "text":
            monkeypatch.setattr(packets, "_TEXT_MEMBERS", ("data",))

    def check() -> None:
        send(platform, packet)
        with HubClient(dialect(platform, "G22"), QUICK) as hub:
            (row,) = hub.list_waiting()
            fetched = edxml.read(hub.fetch(row.doc_id, tmp_path / "got.edxml").path)
        assert [one.sha256 for one in fetched.attachments] == [one.sha256 for one in edxml.read(packet).attachments]

    holds(counter, check)


@in_place_or_taken_out
def test_trap_whose_midnight_counts_is_unknown(
    platform: RunningHub, packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vietnam dates, a day of overlap on both sides: what came last night is listed, whoever's midnight it is."""
    late = datetime(2026, 11, 20, 17, 30, tzinfo=UTC)  # half past midnight in Vietnam, the 21st
    if not counter:
        monkeypatch.setattr(windows, "OVERLAP", timedelta(0))

    def check() -> None:
        first, *_, last = [day for pair in windows.split_windows(late, late, days=7) for day in pair]
        assert [windows.format_day(day) for day in (first, last)] == ["2026/11/20", "2026/11/22"]

    holds(counter, check)


@pytest.mark.parametrize("days", [2, 3, 7])
@pytest.mark.parametrize("gap", [0, 1, 5, 6, 7, 8, 40, 400])
def test_windows_are_seven_days_at_most(gap: int, days: int) -> None:
    """Every day of a gap is in a window, no window is longer than allowed, and neighbours share a day (Listing)."""
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    found = list(windows.split_windows(now - timedelta(days=gap), now, days=days))
    assert all(0 <= (last - first).days < days for first, last in found)
    assert all(one[1] == next_one[0] for one, next_one in pairwise(found))
    assert (found[0][0], found[-1][1]) == ((now - timedelta(days=gap + 1)).date(), (now + timedelta(days=1)).date())


@in_place_or_taken_out
def test_trap_a_form_in_chunks_is_cut(
    platform: RunningHub, packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form has a Content-Length; in chunks it would be ``IncorrectInput`` (Sending)."""
    if not counter:
        real = transport.build_request_headers

        def chunked(request: WireRequest, *args: Any) -> Any:
            headers = real(request, *args)
            if not isinstance(request.body, FileBody):
                return headers
            return [one for one in headers if one[0] != b"Content-Length"] + [(b"Transfer-Encoding", b"chunked")]

        monkeypatch.setattr(client, "build_request_headers", chunked)

    def check() -> None:
        assert send(platform, packet)

    holds(counter, check)


@in_place_or_taken_out
def test_trap_sixty_seconds_are_too_short(counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large packet and its answer have more than 60 s by default, and more with each byte (Sending)."""
    settings = ClientSettings() if counter else ClientSettings(read=60, total=60, slowest=10**9)

    def check() -> None:
        assert settings.read > 60
        assert settings.total + settings.compute_transfer_seconds(50 * 1024**2) > 30 * 60

    holds(counter, check)


@in_place_or_taken_out
def test_trap_the_platform_as_its_guide_says(
    platform: RunningHub, packet: Path, tmp_path: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a login, with the guide's envelope and text packets, the same dialect works (Signing in 2)."""
    platform.lgsp = LgspTraps(answers="guide", packets="text")
    if not counter:
        monkeypatch.setattr(answers, "_parse_success", lambda _: None)
    holds(counter, lambda: _require_a_whole_life(platform, packet, tmp_path))


def _require_a_whole_life(platform: RunningHub, packet: Path, tmp_path: Path) -> None:
    plain = {"username": "", "password": ""}
    doc_id = send(platform, packet, **plain)
    assert doc_id
    with HubClient(dialect(platform, "G22", **plain), QUICK) as hub:
        (row,) = hub.list_waiting()
        assert hub.fetch(row.doc_id, tmp_path / "got.edxml").size > 0
        hub.confirm(row.doc_id)
        (again,) = hub.list_waiting()
        assert (row.is_waiting, again.is_waiting, again.status) == (True, False, "done")


@in_place_or_taken_out
def test_trap_a_wider_window_is_refused(platform: RunningHub, counter: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform refuses a window of more than 7 days, and ours never is (Listing)."""
    if not counter:
        real = windows.split_windows
        monkeypatch.setattr(lgsp_dialect, "split_windows", lambda since, now, days: real(since, now, days=400))

    def check() -> None:
        with HubClient(dialect(platform), QUICK) as hub:
            assert hub.call(hub.dialect.list_waiting, since=datetime.now(UTC) - timedelta(days=60)) == ()  # type: ignore[call-arg]
        assert platform.hub.lgsp.requests.count("syncReceivedEdocList") > 8

    holds(counter, check)


@in_place_or_taken_out
def test_trap_a_second_401_pauses(
    platform: RunningHub, packet: Path, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one more login and one repeat a 401 is AuthenticationRejected, which keeps the queue (Signing in 3)."""
    platform.faults.add(Fault(kind="expired-token", path="/v1/sendEdoc", count=None))
    if not counter:
        monkeypatch.setattr(refusals, "STATUS_RULES", refusals.STATUS_RULES[1:])

    def check() -> None:
        with pytest.raises(AuthenticationRejected):
            send(platform, packet)
        assert platform.hub.lgsp.logins <= 2
        assert len(platform.requests("/v1/sendEdoc")) <= 2

    holds(counter, check)


def test_logins_wait_in_threads(platform: RunningHub) -> None:
    """The agencies of one application in many threads need one login in all."""
    barrier = threading.Barrier(4)

    def ask(code: str) -> int:
        with HubClient(dialect(platform, code), QUICK) as hub:
            barrier.wait(10)
            return len(hub.agencies())

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, ["H29.05", "H29.06", "G22", "H29.05"])) == {3}
    assert platform.hub.lgsp.logins == 1
