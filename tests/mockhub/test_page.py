"""The page and the administration interface (Design, "mock hub")."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree, html

from edoc_connector.mockhub import MockHubConfig, create_app
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]
E = {"e": "http://www.mic.gov.vn/TBT/QCVN_102_2016"}


def press(client: httpx.Client, url: str, action: str, reason: str = "", **changes: str) -> str:
    """Load the page, press a button of the first form, and give back the page that follows."""
    form = html.fromstring(client.get(url).content).forms[0]
    fields = {**dict(form.fields), "action": action, "reason": reason, **changes}
    response = client.post(f"{url}/mock/act", data=fields, headers={"origin": url}, follow_redirects=True)
    assert response.status_code == 200
    return response.text


def codes(caller: Any) -> list[tuple[str | None, str | None]]:
    """Status code and description of every status packet that waits."""
    found = []
    for row in caller.waiting("status"):
        root = etree.fromstring(caller.download(row["docId"]))
        found.append((root.findtext(".//e:StatusCode", namespaces=E), root.findtext(".//e:Description", namespaces=E)))
    return found


def test_a_person_accepts(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client) -> None:
    """Business rules, "Status codes": the page's agency sends 01 and 03, and the packet is done."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    assert "Tiếp nhận (03)" in press(client, mock_hub.url, "accept")
    assert codes(sender) == [("01", "Đã đến"), ("03", "Đã tiếp nhận")]
    root = etree.fromstring(sender.download(sender.waiting("status")[0]["docId"]))
    answered = {etree.QName(node).localname: node.text for node in root.find(".//e:ResponseFor", E)}
    assert answered == {
        "OrganId": "H29.05",
        "Code": "7816/SNV-VP",
        "DocumentId": "H29.05,2026/11/20,7816/SNV-VP",
        "PromulgationDate": "2026/11/20",
    }
    assert receiver.waiting() == []
    (first, *_) = mock_hub.packets()
    assert [(event.actor, event.what) for event in first.events] == [("H29.05", "sent"), ("G22 (page)", "done")]


ADMIN = [
    ("GET", "/"),
    ("GET", "/mock/style.css"),
    ("POST", "/mock/act"),
    ("GET", "/mock/faults"),
    ("POST", "/mock/faults"),
    ("DELETE", "/mock/faults"),
    ("POST", "/mock/clock"),
    ("POST", "/mock/lock"),
]


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_words_and_screens_the_password_is_asked_for_everywhere(
    method: str, path: str, tmp_path: Path, client: httpx.Client
) -> None:
    """With a password, no part of the page and of /mock/* answers without it ("Words and screens")."""
    right = ("anybody", "mật khẩu: dài")
    with RunningHub(MockHubConfig(data=tmp_path / "h", password=right[1])) as hub:
        wrong = [None, ("anybody", ""), ("anybody", "mật khẩu"), ("mật khẩu: dài", ""), ("a", right[1] + "x")]
        for given in wrong:
            answer = client.request(method, f"{hub.url}{path}", auth=given)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")
        for header in ("Basic", "Basic !!", "Basic /w==", "Bearer x"):
            assert client.request(method, f"{hub.url}{path}", headers={"authorization": header}).status_code == 401
        assert client.request(method, f"{hub.url}{path}", auth=right).status_code not in (401, 403)
    assert right[1] not in repr(MockHubConfig(data=tmp_path, password=right[1]))


@pytest.mark.parametrize(
    ("address", "status"), [("127.0.0.1", 200), ("::1", 200), ("10.0.0.7", 403), ("192.0.2.1", 403)]
)
def test_words_and_screens_strangers_see_no_page_without_a_password(tmp_path: Path, address: str, status: int) -> None:
    """Under another server, which may listen anywhere, an application without a password answers this machine only."""
    app = create_app(MockHubConfig(data=tmp_path / "h"))
    transport = httpx.ASGITransport(app, client=(address, 1))

    async def ask() -> int:
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return (await client.get("/mock/faults")).status_code

    try:
        assert asyncio.run(ask()) == status
    finally:
        app.state.hub.close()


def test_a_person_rejects_with_a_reason(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Business rules, 02: a reason is required; with one it arrives in the status."""
    sender, _ = two
    sender.send(packet(), "H29.05")
    assert "A reason is needed" in press(client, mock_hub.url, "reject")
    assert codes(sender) == []
    press(client, mock_hub.url, "reject", "Sai <đơn vị> & ngày\x01")
    assert codes(sender)[1] == ("02", "Sai <đơn vị> & ngày")


@pytest.mark.parametrize(("action", "code"), [("agree", "15"), ("refuse", "16")])
def test_a_person_answers_a_change(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, status: Make, client: httpx.Client, action: str, code: str
) -> None:
    """Business rules, 15 and 16: they answer packets of type 1, 2, 3 and the take-back 13."""
    sender, receiver = two
    sender.send(packet(business="1"), "H29.05")
    press(client, mock_hub.url, action, "lý do")
    sender.send(status(sender="H29.05", to="G22", code="13"), "H29.05", kind="status")
    press(client, mock_hub.url, action, "lý do nữa")
    assert codes(sender) == [(code, "lý do"), (code, "lý do nữa")]
    assert receiver.waiting() == receiver.waiting("status") == []


def test_a_button_works_once(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client) -> None:
    """Business rules, "Status codes": what no longer waits, or was never asked, is not answered."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    assert "does not wait" in press(client, mock_hub.url, "agree")
    assert "does not wait" in press(client, mock_hub.url, "accept", doc="x")
    form = dict(html.fromstring(client.get(mock_hub.url).content).forms[0].fields)
    receiver.confirm(receiver.waiting()[0]["docId"])
    client.post(f"{mock_hub.url}/mock/act", data={**form, "action": "accept"})
    assert codes(sender) == []


def test_what_packets_say_is_escaped(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Design, "mock hub": a page over foreign text: escaped, without script, nothing from elsewhere."""
    two[0].send(packet(subject="<script>alert(1)</script>"), "H29.05")
    two[0].ask("registerAgency", b'{"code":"<b>\\u0000","name":"<i>x</i>"}')
    response = client.get(mock_hub.url, params={"message": "<img src=x>"})
    assert "<script" not in response.text
    assert "<img" not in response.text
    assert "<b>\ufffd" not in response.text
    assert "&lt;script&gt;alert(1)" in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"(src|href)=\"(?!/)", response.text)
    assert client.get(f"{mock_hub.url}/mock/style.css").headers["content-type"].startswith("text/css")


def test_an_empty_hub_has_a_page(mock_hub: RunningHub, client: httpx.Client) -> None:
    """Design, "mock hub": the page says in both languages that nothing came yet."""
    text = client.get(mock_hub.url).text
    assert "Chưa có gói tin nào" in text
    assert "No packets yet" in text


def test_other_sites_cannot_press_buttons(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Design, "mock hub": a form without the page's token, of another origin or host name, does nothing."""
    sender, _ = two
    sender.send(packet(), "H29.05")
    assert "load the page again" in press(client, mock_hub.url, "accept", token="x")
    form = dict(html.fromstring(client.get(mock_hub.url).content).forms[0].fields) | {"action": "accept"}
    for headers in ({"origin": "http://elsewhere.example"}, {"origin": "null"}, {"host": "elsewhere.example"}):
        assert client.post(f"{mock_hub.url}/mock/act", data=form, headers=headers).status_code == 403
    assert codes(sender) == []
    assert client.get(mock_hub.url, headers={"host": "elsewhere.example"}).status_code == 403
    assert client.post(f"{mock_hub.url}/mock/faults", content='{"kind":"html"}').status_code == 415
    assert client.post(f"{mock_hub.url}/mock/act", content=b"x" * 100_000).status_code == 413


def test_clock_and_locks_over_http(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Design, "mock hub": the clock can be set and receivers locked from outside the process."""
    assert client.post(f"{mock_hub.url}/mock/clock", json={"offset_seconds": 3600}).status_code == 201
    assert (mock_hub.clock_offset, mock_hub.clock_tolerance) == (timedelta(hours=1), None)
    strict = {"offset_seconds": 3600, "tolerance_seconds": 300}
    assert client.post(f"{mock_hub.url}/mock/clock", json=strict).status_code == 201
    assert two[0].post("getAgenciesList", two[0].headers({})).json()["ErrorCode"] == "16"
    assert client.post(f"{mock_hub.url}/mock/clock", json={"offset_seconds": 0}).status_code == 201
    assert client.post(f"{mock_hub.url}/mock/clock", json={"offset_seconds": "x"}).status_code == 422
    client.post(f"{mock_hub.url}/mock/lock", json={"code": "G22", "locked": True})
    assert two[0].send(packet(), "H29.05")["ErrorCode"] == "23"
