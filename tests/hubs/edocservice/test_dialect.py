"""The dialect as an object: its settings, the requests of its calls, and its docIds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.errors import AttachmentError, ConfigError, HubError
from edoc_connector.hubs import (
    AccessToken,
    Edocservice,
    FileBody,
    Flow,
    MessageType,
    Outcome,
    TokenLogin,
    WireRequest,
    list_setting_fields,
    run,
)
from edoc_connector.hubs.edocservice.doc_ids import build_doc_id, parse_number, split_doc_id

GOOD: dict[str, Any] = {"endpoint": "https://h.vn/x/EdocService", "system_id": "000.00.05.H29", "secret": "s3cret"}


@pytest.mark.parametrize(
    "change",
    [
        {"endpoint": "h.vn"}, {"endpoint": "https://h?x=1"}, {"endpoint": "https://u:p@h"}, {"system_id": ""},
        {"system_id": "Hà Nội"}, {"secret": "a\nb"}, {"secret": " s"}, {"directory_root": "a b\n"},
        {"min_code_length": -1}, {"min_code_length": 65}, {"max_packet": 0}, {"max_answer": -1},
        {"user_agent": "điện tử"},
    ],
)  # fmt: skip
def test_settings_that_cannot_work(change: dict[str, Any]) -> None:
    """Wrong settings fail when the dialect is made, in both languages and without the secret."""
    with pytest.raises(ConfigError) as caught:
        Edocservice(**{**GOOD, **change})
    assert caught.value.vi != caught.value.message
    assert "s3cret" not in f"{caught.value.message}{caught.value.vi}"


def test_what_a_hub_taught_is_no_setting() -> None:
    """No configuration sets the memory of a dialect."""
    assert "_learnt" not in {field.name for field in list_setting_fields(Edocservice)}


@pytest.fixture
def edocservice() -> Edocservice:
    """A dialect with a token."""
    return Edocservice(**GOOD)


def test_the_requests(edocservice: Edocservice, tmp_path: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """Method, path and headers of each call: type on all but confirm, directory and exists (table of headers)."""
    requests = [
        ask(edocservice.list_waiting(MessageType.STATUS)),
        ask(edocservice.fetch("status-57", tmp_path / "x")),
        ask(edocservice.fetch("57", tmp_path / "x")),
        ask(edocservice.confirm("status-57")),
        ask(edocservice.agencies()),
        ask(edocservice.has_document(sender="H29", recipients=["G22", "H30"], code="12/SNV#2")),
    ]
    told = [
        (
            one.method,
            one.url.removeprefix("https://h.vn/x/EdocService/"),
            one.headers.get("type", ""),
            one.headers.get("docId", ""),
        )
        for one in requests
    ]
    assert told == [
        ("GET", "getPendingDocIds", "STATUS", ""),
        ("POST", "getDocument", "STATUS", "57"),
        ("POST", "getDocument", "EDOC", "57"),
        ("POST", "confirmReceived", "", "57"),
        ("GET", "getOrganizations?organId=000.00.05.H29", "", ""),
        ("POST", "checkExistDocument", "", ""),
    ]
    assert all(one.headers["organId"] == GOOD["system_id"] for one in requests)
    assert all(one.headers["Authorization"] == "s3cret" for one in requests)  # bare, no Bearer
    assert all(one.headers["user_agent"] == "EdocClient/Bkav" for one in requests)
    assert all(one.headers["Content-Type"] == "application/json" for one in requests)
    assert not any(one.sends for one in requests)
    assert isinstance(requests[-1].body, bytes)
    assert json.loads(requests[-1].body) == {"fromOrgan": "H29", "toOrgan": "G22#H30", "docCode": "12/SNV"}
    assert "s3cret" not in repr(edocservice) + repr(requests)


def test_a_send(edocservice: Edocservice, packet: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """The packet as octets, with its own hash in proper hex and nothing behind it."""
    request = ask(edocservice.send(packet, message_type=MessageType.EDOC, sender="H29"))
    assert isinstance(request.body, FileBody)
    assert (request.body.head, request.body.tail) == (b"", b"")
    assert request.headers["hash-edoc"] == hashlib.sha256(packet.read_bytes()).hexdigest()
    assert request.headers["Content-Type"] == "application/octet-stream"
    assert (request.headers["type"], request.sends) == ("EDOC", True)
    assert "docId" not in request.headers


def test_a_packet_larger_than_the_limit(packet: Path, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """A packet over max_packet is refused before anything leaves."""
    with pytest.raises(AttachmentError, match="max_packet"):
        ask(Edocservice(**GOOD, max_packet=3).send(packet, message_type=MessageType.EDOC, sender="H29"))


def test_a_token_from_elsewhere(ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """Without a token of its own the dialect leaves the header to the authenticator."""
    assert "Authorization" not in ask(Edocservice(**{**GOOD, "secret": ""}).list_waiting()).headers


def test_the_directory_of_another_root(ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """The directory begins where the settings say."""
    assert ask(Edocservice(**GOOD, directory_root="H29").agencies()).url.endswith("?organId=H29")


def test_confirmations_that_are_none(edocservice: Edocservice) -> None:
    """The hub takes one word only: that a packet is being processed is not told."""
    assert run(edocservice.confirm("57", Outcome.PROCESSING), _refuse_to_perform) is None


def _refuse_to_perform(request: WireRequest) -> Any:
    raise AssertionError(f"{request.method} {request.url} was sent")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (57, "57"), ("57", "57"), ("0057", "57"), (10**18, str(10**18)), (0, None), ("0", None), (-1, None),
        (True, None), (1.5, None), ("1.5", None), ("", None), (" 5", None), ("٥", None), (None, None), ([5], None),
        (10**30, None), ("null", None),
    ],
)  # fmt: skip
def test_numbers_of_the_hub(value: Any, number: str | None) -> None:
    """A docId is a decimal integer above 0."""
    assert parse_number(value) == number


def test_doc_ids_name_the_kind() -> None:
    """Documents and statuses are numbered apart: the kind is part of the docId."""
    for kind in MessageType:
        assert split_doc_id(build_doc_id("57", kind)) == (kind, "57")


@pytest.mark.parametrize("doc_id", ["", "status-", "status-x", "abc", "1\r\nX: y", "007", "status-status-1"])
def test_doc_ids_of_another_hub(edocservice: Edocservice, doc_id: str, tmp_path: Path) -> None:
    """A docId that is none of this hub's is an error before anything is sent."""
    for flow in (edocservice.confirm(doc_id), edocservice.fetch(doc_id, tmp_path / "x")):
        with pytest.raises(HubError) as caught:
            run(flow, _refuse_to_perform)
        assert caught.value.vi != caught.value.message


@pytest.mark.parametrize(
    ("least", "good", "bad"),
    [(0, ["H29", "H29.05.01.02", "000.00.05.H29"], ["1.2.3.4.5", "", "a..b"]), (11, ["000.00.05.H29"], ["H29.05"])],
)
def test_the_form_of_codes(least: int, good: list[str], bad: list[str]) -> None:
    """At most four parts between dots, and on some hubs at least 11 characters; the form is told in words."""
    import re

    profile = Edocservice(**GOOD, min_code_length=least).capabilities.packet
    assert [code for code in (*good, *bad) if re.fullmatch(profile.code_pattern, code)] == good
    assert ("11" in profile.code_form) == (least == 11)


def test_types_that_are_not_checked() -> None:
    """A hub that takes every document type is told by a setting."""
    assert Edocservice(**GOOD).capabilities.packet.document_types == (1, 2)
    assert Edocservice(**GOOD, checks_types=False).capabilities.packet.document_types == ()


def test_a_bare_token() -> None:
    """A login's token is carried as Bearer, or bare as such hubs want it; a scheme no header carries is refused."""
    values: dict[str, Any] = {"login_url": "https://h.vn/login", "username": "u", "password": "p"}
    token = AccessToken(value="t0ken", lifetime=60)
    assert TokenLogin(**values).build_headers(token) == {"Authorization": "Bearer t0ken"}
    assert TokenLogin(**values, scheme="").build_headers(token) == {"Authorization": "t0ken"}
    with pytest.raises(ConfigError, match="scheme"):
        TokenLogin(**values, scheme="Mã ")
