"""The dialect as an object: its settings, and the requests of its calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import AttachmentError, ConfigError
from edoc_connector.hubs import FileBody, Flow, Lgsp, MessageType, WireRequest

GOOD: dict[str, Any] = {"endpoint": "https://lgsp.gov.vn/api", "system_id": "000.00.05.H29", "secret": "s3cret"}
NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)  # the 23rd in Vietnam


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "lgsp.gov.vn"}, {"endpoint": "https://h?x=1"}, {"endpoint": "https://u:p@h"}, {"system_id": ""},
        {"system_id": "Hà Nội"}, {"secret": ""}, {"secret": "a\nb"}, {"secret": " s"}, {"username": "u"},
        {"password": "p"}, {"window_days": 1}, {"window_days": 8}, {"first_days": 0}, {"max_attachment": 0},
        {"max_packet": -1}, {"token_lifetime": 0}, {"user_agent": "điện tử"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work(change: dict[str, Any]) -> None:
    """Wrong settings fail when the dialect is made, in both languages and without the secret."""
    with pytest.raises(ConfigError) as caught:
        Lgsp(**{**GOOD, **change})
    assert caught.value.vi != caught.value.message
    assert "s3cret" not in f"{caught.value.message}{caught.value.vi}"


@pytest.fixture
def lgsp() -> Lgsp:
    """A dialect whose clock stands still."""
    return Lgsp(**GOOD, now=lambda: NOW)


def test_a_platform_without_login(lgsp: Lgsp) -> None:
    """Login is optional: without a name there is no authenticator (Signing in 2)."""
    assert lgsp.authenticator is None


def test_the_login_as_the_platform_wants_it() -> None:
    """The login's JSON has every member that the platform asks for (Signing in 1)."""
    made = Lgsp(**GOOD, username="qlvb", password="p4ss", application_code="QLVB").authenticator
    assert made is not None
    request = next(made.log_in())
    assert isinstance(request.body, bytes)
    assert json.loads(request.body) == {
        "username": "qlvb", "password": "p4ss", "applicationCode": "QLVB", "otp": None, "twoFactorProvider": None,
        "typeObjs": [0, 1],
    }  # fmt: skip
    assert request.url == "https://lgsp.gov.vn/api/v1/auth/login?allow_anonymous=true"
    assert "p4ss" not in repr(made) + repr(request.headers)


def test_the_requests(lgsp: Lgsp, tmp_path: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """Method, path and query of each call (Calls)."""
    requests = [
        ask(lgsp.list_waiting(MessageType.STATUS)),
        ask(lgsp.fetch("a b/c", tmp_path / "x")),
        ask(lgsp.confirm("d1")),
        ask(lgsp.agencies()),
    ]
    told = [(one.method, one.url.removeprefix("https://lgsp.gov.vn/api/v1/")) for one in requests]
    assert told == [
        ("GET", "syncReceivedEdocList?messageType=status&fromDate=2026%2F11%2F15&toDate=2026%2F11%2F21"),
        ("GET", "getEdoc?docId=a+b%2Fc"),
        ("POST", "updateStatus"),
        ("GET", "getAgenciesList"),
    ]
    assert requests[2].body == b'{"docId": "d1", "status": "done"}'
    assert all(one.headers["X-SystemId"] == GOOD["system_id"] for one in requests)
    assert not any(one.sends for one in requests)
    assert "s3cret" not in repr(lgsp) + repr(requests)


def test_the_form_of_a_send(lgsp: Lgsp, packet: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """A multipart form: edocFile with a name in .edxml and its type, and messageType (send)."""
    request = ask(lgsp.send(packet, message_type=MessageType.STATUS, sender="H29"))
    body = request.body
    assert isinstance(body, FileBody)
    assert request.sends
    boundary = request.headers["Content-Type"].partition("boundary=")[2].encode()
    assert body.head.count(b"--" + boundary) == 2
    assert body.tail == b"\r\n--" + boundary + b"--\r\n"
    assert b'name="messageType"\r\n\r\nstatus\r\n' in body.head
    assert b'name="edocFile"; filename="packet.edxml"\r\nContent-Type: application/xml\r\n\r\n' in body.head


def test_a_packet_larger_than_the_limit(lgsp: Lgsp, packet: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """A packet over max_packet is refused before anything leaves."""
    small = Lgsp(**GOOD, max_packet=3)
    with pytest.raises(AttachmentError, match="max_packet"):
        ask(small.send(packet, message_type=MessageType.EDOC, sender="H29"))


def test_the_name_of_a_file_is_harmless(lgsp: Lgsp, tmp_path: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """A file's name cannot break the form."""
    path = tmp_path / 'a"\r\nX: văn bản.edxml'
    path.write_bytes(b"<a/>")
    body = ask(lgsp.send(path, message_type=MessageType.EDOC, sender="H29")).body
    assert isinstance(body, FileBody)
    assert b'filename="a-X-v-n-b-n.edxml"' in body.head
