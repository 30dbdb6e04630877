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

from edoc_connector import edxml
from edoc_connector.mockhub import Fault, MockHubConfig, create_app
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]
E = {"e": "http://www.mic.gov.vn/TBT/QCVN_102_2016"}


ENGLISH = {"cookie": "lang=en"}


def find_form(client: httpx.Client, url: str, ending: str) -> dict[str, Any]:
    """The fields of a page's form, as a browser fills them, by the end of its action."""
    forms = html.fromstring(client.get(url).content).forms
    return dict(next(form for form in forms if form.action.endswith(ending)).fields)


def press(
    client: httpx.Client, hub: RunningHub, action: str, reason: str = "", number: int = -1, **changes: str
) -> str:
    """Open the page of the newest packet, press a button of its form, and give back the page that follows."""
    page = f"{hub.url}/page/packets/{hub.packets()[-1].packet.id}"
    fields = {**find_form(client, page, "/answer"), "action": action, "reason": reason, **changes}
    headers = {"origin": hub.url, **ENGLISH}
    answer = client.post(f"{page}/answer", data=fields, headers=headers)
    assert answer.status_code == 303
    message = answer.headers["set-cookie"].partition(";")[0]
    return client.get(page, headers={"cookie": f"lang=en; {message}"}).text


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
    assert "G22: status 03 Accepted was sent." in press(client, mock_hub, "accept")
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
    ("GET", "/page/static/kit.css"),
    ("GET", "/page/look?lang=en"),
    ("GET", "/page/compose"),
    ("POST", "/page/compose"),
    ("GET", "/page/packets/1"),
    ("GET", "/page/packets/1/packet.edxml"),
    ("GET", "/page/packets/1/files/0"),
    ("POST", "/page/packets/1/answer"),
    ("POST", "/page/packets/1/recall"),
    ("GET", "/page/agencies"),
    ("POST", "/page/agencies"),
    ("GET", "/page/faults"),
    ("POST", "/page/faults"),
    ("POST", "/page/faults/remove"),
    ("GET", "/page/requests"),
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
    assert "A reason is needed" in press(client, mock_hub, "reject")
    assert codes(sender) == []
    press(client, mock_hub, "reject", "Sai <đơn vị> & ngày\x01")
    assert codes(sender)[1] == ("02", "Sai <đơn vị> & ngày")


@pytest.mark.parametrize(("action", "code"), [("agree", "15"), ("refuse", "16")])
def test_a_person_answers_a_change(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, status: Make, client: httpx.Client, action: str, code: str
) -> None:
    """Business rules, 15 and 16: they answer packets of type 1, 2, 3 and the take-back 13."""
    sender, receiver = two
    sender.send(packet(business="1"), "H29.05")
    press(client, mock_hub, action, "lý do")
    sender.send(status(sender="H29.05", to="G22", code="13"), "H29.05", kind="status")
    press(client, mock_hub, action, "lý do nữa")
    assert codes(sender) == [(code, "lý do"), (code, "lý do nữa")]
    assert receiver.waiting() == receiver.waiting("status") == []


def test_a_button_works_once(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client) -> None:
    """Business rules, "Status codes": what no longer waits, or was never asked, is not answered."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    assert "does not wait" in press(client, mock_hub, "agree")
    assert "Choose an agency" in press(client, mock_hub, "accept", agency="x")
    assert "does not wait" in press(client, mock_hub, "no button", code="99")
    receiver.confirm(receiver.waiting()[0]["docId"])
    assert "does not wait" in press(client, mock_hub, "accept")
    assert codes(sender) == []
    press(client, mock_hub, "accept", force="1")
    assert [code for code, _ in codes(sender)] == ["01", "03"]


def test_what_packets_say_is_escaped(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Design, "mock hub": a page over foreign text: escaped, without script, nothing from elsewhere."""
    two[0].send(packet(subject="<script>alert(1)</script>"), "H29.05")
    two[0].ask("registerAgency", b'{"code":"<b>\\u0000","name":"<i>x</i>"}')
    response = client.get(mock_hub.url, params={"message": "<img src=x>"})
    assert not re.search(r"<script(?! src)", response.text)
    assert "<img" not in response.text
    assert "<b>\ufffd" not in response.text
    assert "&lt;script&gt;alert(1)" in response.text
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"(src|href)=\"(?!/)", response.text)
    page = client.get(f"{mock_hub.url}/page/packets/{mock_hub.packets()[0].packet.id}").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert client.get(f"{mock_hub.url}/page/static/kit.css").headers["content-type"].startswith("text/css")


def test_an_empty_hub_has_a_page(mock_hub: RunningHub, client: httpx.Client) -> None:
    """Design, "mock hub": the page says in both languages that nothing came yet."""
    assert "Chưa có gói tin nào" in client.get(mock_hub.url).text
    assert "No packets yet" in client.get(mock_hub.url, headers=ENGLISH).text


def test_other_sites_cannot_press_buttons(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Design, "mock hub": a form without the page's token, of another origin or host name, does nothing."""
    sender, _ = two
    sender.send(packet(), "H29.05")
    assert "load the page again" in press(client, mock_hub, "accept", token="x")
    page = f"{mock_hub.url}/page/packets/{mock_hub.packets()[0].packet.id}"
    form = find_form(client, page, "/answer") | {"action": "accept"}
    for headers in ({"origin": "http://elsewhere.example"}, {"origin": "null"}, {"host": "elsewhere.example"}):
        assert client.post(f"{page}/answer", data=form, headers=headers).status_code == 403
    assert codes(sender) == []
    assert client.get(mock_hub.url, headers={"host": "elsewhere.example"}).status_code == 403
    assert client.post(f"{mock_hub.url}/mock/faults", content='{"kind":"html"}').status_code == 415
    client.post(f"{page}/answer", data={**form, "reason": "x" * 100_000})
    assert codes(sender) == []
    assert client.post(f"{mock_hub.url}/mock/faults", json={"kind": "x" * 100_000}).status_code == 413


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


COMPOSED = {
    "sender": "H29.05", "to": ["G22"], "number": "12", "notation": "SNV-VP", "date": "2026-11-20",
    "subject": "Kế hoạch <năm> 2027", "priority": "2", "signer": "Nguyễn Văn A",
}  # fmt: skip


def compose(client: httpx.Client, hub: RunningHub, files: dict[str, bytes], **changes: Any) -> httpx.Response:
    """Fill the form of a document in, and send it."""
    page = f"{hub.url}/page/compose"
    token = find_form(client, page, "/compose")["token"]
    given = [("files", (name, content)) for name, content in files.items()] or [("files", ("", b""))]
    return client.post(page, data={**COMPOSED, "token": token, **changes}, files=given, headers=ENGLISH)


def test_a_person_composes_a_document(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """The page composes and sends a document as any agency, with uploaded files; its recipient's system gets it."""
    answer = compose(client, mock_hub, {"công văn.pdf": b"%PDF-1.4 x", "bảng.xlsx": b"PK x"})
    assert answer.status_code == 303
    (row,) = two[1].waiting()
    read = edxml.read(two[1].download(row["docId"]))
    document = read.message
    assert isinstance(document, edxml.Document)
    assert (document.subject, document.priority, document.signer.full_name) == (
        "Kế hoạch <năm> 2027", edxml.Priority.VERY_URGENT, "Nguyễn Văn A",
    )  # fmt: skip
    assert [one.name for one in read.attachments] == ["công văn.pdf", "bảng.xlsx"]
    page = f"{mock_hub.url}{answer.headers['location']}"
    file = client.get(f"{page}/files/0")
    assert (file.content, file.headers["content-type"]) == (b"%PDF-1.4 x", "application/pdf")
    other = client.get(f"{page}/files/1")
    assert other.headers["content-disposition"].startswith("attachment;")
    assert other.headers["content-type"] == "application/octet-stream"
    assert client.get(f"{page}/files/2").status_code == 404
    assert client.get(f"{page}/packet.edxml").content == mock_hub.packets()[0].path.read_bytes()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sender": "x"}, "sender"), ({"to": []}, "to"), ({"to": ["x"]}, "to"), ({"number": " "}, "number"),
        ({"subject": ""}, "subject"), ({"date": "20/11/2026"}, "date"),
    ],
)  # fmt: skip
def test_a_wrong_form_says_what_is_wrong(
    mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client, changes: dict[str, Any], field: str
) -> None:
    """A form with errors sends nothing, keeps what was written, and marks the field for eyes and screen readers."""
    answer = compose(client, mock_hub, {}, **changes)
    assert answer.status_code == 422
    assert mock_hub.packets() == []
    page = html.fromstring(answer.content)
    (marked,) = page.xpath("//*[@aria-invalid]")
    assert field in (marked.get("id"), *marked.xpath(".//input/@name"))
    assert page.xpath("//input[@id='notation']/@value") == ["SNV-VP"]


def test_what_the_hub_refuses_is_told(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """A document that the hub does not take, here a second time, leads back to the form with the hub's own reason."""
    compose(client, mock_hub, {})
    assert "ExistDoc" in compose(client, mock_hub, {}).text
    assert "load the page again" in compose(client, mock_hub, {}, token="x").text
    assert len(mock_hub.packets()) == 1


def test_a_person_recalls(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """A recall of a document goes to its recipients as a packet of type 1, with the reason."""
    page = f"{mock_hub.url}{compose(client, mock_hub, {}).headers['location']}"
    fields = find_form(client, page, "/recall")
    client.post(f"{page}/recall", data=fields)
    assert len(two[1].waiting()) == 1
    client.post(f"{page}/recall", data={**fields, "reason": "Ban hành nhầm"})
    document = edxml.read(two[1].download(two[1].waiting()[1]["docId"])).message
    assert isinstance(document, edxml.Document)
    assert (document.business.type, document.business.reason) == (edxml.BusinessType.RECALL, "Ban hành nhầm")
    assert (document.business.document_id, document.number) == ("H29.05,2026/11/20,12/SNV-VP", "12")


def test_a_page_shows_what_is_in_a_packet(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """Fields, findings and the verdict on the signature, as the library that is lent to the hub sees them."""
    page = f"{mock_hub.url}{compose(client, mock_hub, {'a.pdf': b'%PDF-1.4'}).headers['location']}"
    text = client.get(page, headers=ENGLISH).text
    assert "PromulgationDate" in text
    assert "UNSIGNED" in text
    assert "EDX-CID" in text


def test_lists_are_filtered_and_paged(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """A list shows twenty rows a page, and those that a filter names, whatever the case and the diacritics."""
    for number in range(21):
        two[0].send(packet(document_id=str(number), subject=f"Kế hoạch số {number}."), "H29.05")

    def rows(**query: str) -> int:
        return len(html.fromstring(client.get(mock_hub.url, params=query).content).xpath("//tbody/tr"))

    assert (rows(), rows(page="2"), rows(page="99"), rows(page="x")) == (20, 1, 1, 20)
    assert (rows(text="ke hoach SO 7."), rows(text="không có"), rows(agency="G22"), rows(agency="H30")) == (1, 0, 20, 0)
    assert (rows(kind="document"), rows(kind="status"), rows(state="initial"), rows(state="done")) == (20, 0, 20, 0)


def test_a_part_is_sent_again_only_where_it_changed(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Live refresh: what the page asks for every two seconds is 204 while nothing happened, and then the part alone."""
    page = html.fromstring(client.get(mock_hub.url).content)
    (again,) = page.xpath("//*[@id='live']/@hx-get")
    assert client.get(f"{mock_hub.url}{again}", headers={"hx-request": "true"}).status_code == 204
    two[0].send(packet(subject="Mới đến"), "H29.05")
    part = client.get(f"{mock_hub.url}{again}", headers={"hx-request": "true"})
    assert "Mới đến" in part.text
    assert "<html" not in part.text


def test_a_fault_for_some_calls_on_the_page(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """Agency, number of the call and probability are in the form and the list (issue, "fault switches")."""
    page = f"{mock_hub.url}/page/faults"
    fields = find_form(client, page, "/faults")
    client.post(page, data={**fields, "kind": "html", "agency": "G22", "nth": "3", "probability": "0.5"})
    ((_, fault, _),) = mock_hub.faults.list_pending()
    assert (fault.agency, fault.nth, fault.probability) == ("G22", 3, 0.5)
    shown = client.get(page).text
    assert all(words in shown for words in ("G22", "từ lần 3", "p = 0.5"))


def test_the_record_of_requests_on_the_page(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """The calls that came last, the newest first, by call and by agency, with the fault that each met."""
    page = f"{mock_hub.url}/page/requests"
    assert "Chưa có lệnh gọi nào" in client.get(page).text
    mock_hub.faults.add(Fault(kind="delay", path="/sendEdoc"))
    two[0].send(packet(), "H29.05")
    rows = html.fromstring(client.get(page).content).xpath("//tbody/tr")
    assert len(rows) == len(mock_hub.requests())
    (row,) = html.fromstring(client.get(page, params={"path": "/sendEdoc"}).content).xpath("//tbody/tr")
    assert {"POST /sendEdoc", "200", "delay"} <= {" ".join(cell.itertext()).strip() for cell in row}
    assert client.get(page, params={"agency": "nobody"}).text.count("<tr") == 0


def test_switches_on_the_page(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """Faults are planned and removed, and agencies locked, by forms."""
    page = f"{mock_hub.url}/page/faults"
    fields = find_form(client, page, "/faults")
    client.post(page, data={**fields, "kind": "error", "path": "/sendEdoc", "count": "0", "status": "503"})
    client.post(page, data={**fields, "kind": "error", "status": "9"})
    client.post(page, data={**fields, "kind": "nonsense"})
    client.post(page, data={**fields, "kind": "html", "probability": "often"})
    ((number, fault, left),) = mock_hub.faults.list_pending()
    assert (fault.kind, fault.path, fault.status, left) == ("error", "/sendEdoc", 503, None)
    client.post(f"{page}/remove", data={"token": fields["token"], "number": str(number)})
    assert mock_hub.faults.list_pending() == []
    agencies = f"{mock_hub.url}/page/agencies"
    client.post(agencies, data={"token": fields["token"], "code": "G22"})
    assert "locked" in compose(client, mock_hub, {}).text
