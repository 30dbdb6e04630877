"""The provincial eDoc hub served to clients that are not ours: raw HTTP by the description alone, recorded requests."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.conftest import COLLECTIONS

from edoc_connector import edxml
from edoc_connector.edxml import PacketForm, ResponseFor, StatusMessage
from edoc_connector.mockhub import EdocserviceTraps, MockHubConfig
from edoc_connector.mockhub.dialects import edocservice
from edoc_connector.testing import RECIPIENT, sample_document
from edoc_connector.testing.hub import RunningHub

CAPTURES = COLLECTIONS["shared"] / "captures" / "edocservice"
RECORDED = sorted(CAPTURES.glob("*.http"))
FORM = PacketForm(
    needed_elements=("To/OrganAdd", "To/OrganName", "Content", "OtherInfo", "StaffInfo"), status_header="Status"
)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    """A hub with three agencies, one below another."""
    with RunningHub(MockHubConfig(data=tmp_path / "hub")) as running:
        running.add_agency("H29.05", "token-H29.05", "Sở Nội vụ")
        running.add_agency("H29.05.01", "token-H29.05.01", "Phòng", parent="H29.05")
        running.add_agency("G22", "token-G22", "Văn phòng Chính phủ")
        yield running


def _write(message: Any, folder: Path, form: PacketForm | None = FORM) -> bytes:
    path = folder / "packet.edxml"
    edxml.write(message, path, at=datetime.now(UTC), form=form)
    return path.read_bytes()


@pytest.fixture
def packet(tmp_path: Path) -> bytes:
    """A document as the hub wants it."""
    return _write(sample_document(), tmp_path)


@pytest.fixture
def status(tmp_path: Path) -> bytes:
    """A status about that document."""
    document = sample_document()
    answered = ResponseFor(organ_id="H29.05", code=document.code, document_id=document.id, issued_on=document.issued_on)
    message = StatusMessage(sender=RECIPIENT, response_for=answered, code="01", timestamp=datetime.now(UTC))
    return _write(message, tmp_path)


def _call(hub: RunningHub, agency: str, name: str, *, body: bytes = b"", method: str = "POST", **headers: str) -> Any:
    given = {"ORGANID": agency, "authorization": f"token-{agency}", "user_agent": "EdocClient/Bkav", **headers}
    given = {"Content-Type": "application/json", **{key.replace("_type", "-Type"): one for key, one in given.items()}}
    with httpx.Client(trust_env=False) as client:
        return client.request(method, f"{hub.url}/x/EdocService/{name}", content=body, headers=given)


def _send(hub: RunningHub, agency: str, body: bytes, kind: str = "EDOC", **headers: str) -> Any:
    headers = {"Content_type": "application/octet-stream", "hash-edoc": "", "type": kind, **headers}
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    url = f"{hub.url}/EdocService/sendDocument"
    given |= {"organId": agency, "Authorization": f"token-{agency}"}
    return httpx.post(url, content=body, headers=given, trust_env=False)


def test_a_document_by_raw_requests(hub: RunningHub, packet: bytes, status: bytes) -> None:
    """Every call as the description has it: send, list, fetch, confirm, a status back, the directory, a question."""
    sent = _send(hub, "H29.05", packet).json()
    assert sent == {"docId": 1, "status": "Success", "code": "0", "errors": []}
    listed = _call(hub, "G22", "getPendingDocIds", method="GET", type="EDOC").json()
    assert (listed["docIDs"], [row["docId"] for row in listed["data"]]) == ([1], [1])  # both forms
    fetched = _call(hub, "G22", "getDocument", type="EDOC", docId="1").json()
    assert base64.b64decode(fetched["data"]) == packet
    assert _call(hub, "G22", "getDocument", type="STATUS", docId="1").json() == {}
    for _ in range(2):  # repeated and unknown ids succeed too
        assert _call(hub, "G22", "confirmReceived", docId="1").json()["status"] == "Success"
    assert _call(hub, "G22", "confirmReceived", docId="77").json()["status"] == "Success"
    assert _call(hub, "G22", "getPendingDocIds", method="GET", type="EDOC").json()["data"] == []
    assert _send(hub, "G22", status, "STATUS").json()["docId"] == 1  # numbered apart
    back = _call(hub, "H29.05", "getDocument", type="STATUS", docId="1").json()
    assert b"edXML:Status>" in base64.b64decode(back["data"])
    tree = _call(hub, "H29.05", "getOrganizations?organId=H29.05", method="GET").json()
    assert [row["organId"] for row in tree["organizations"]] == ["H29.05", "H29.05.01"]
    question = b'{"fromOrgan":"H29.05","toOrgan":"G22","docCode":"%s"}' % sample_document().code.encode()
    assert _call(hub, "H29.05", "checkExistDocument", body=question).json()["isExist"] is True
    assert _call(hub, "H29.05", "checkExistDocument", body=b"odd").json()["isExist"] is False


def test_the_vendors_line_end(hub: RunningHub, packet: bytes) -> None:
    """The vendor's client sends CRLF behind the packet, and the hash without it."""
    sent = _send(hub, "H29.05", packet + b"\r\n", **{"hash-edoc": hashlib.sha256(packet).hexdigest()})
    assert sent.json()["docId"] == 1
    fetched = _call(hub, "G22", "getDocument", type="EDOC", docId="1").json()
    assert base64.b64decode(fetched["data"]) == packet


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_headers_of_an_earlier_call_are_ignored(
    hub: RunningHub, packet: bytes, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's client keeps the headers of its first call: a docId on a send means nothing (6)."""
    if not counter:
        real = edocservice._read_type

        def read_strictly(request: Any) -> str:
            if "docid" in request.headers:
                raise edocservice._HubError("BadRequest", "docId is not for this call")
            return real(request)

        monkeypatch.setattr(edocservice, "_read_type", read_strictly)
    sent = _send(hub, "H29.05", packet, docId="5").json()
    listed = _call(hub, "G22", "getPendingDocIds", method="GET", type="EDOC", docId="5").json()
    assert (sent["docId"] == 1 and listed.get("docIDs") == [1]) is counter


@pytest.mark.parametrize("counter", [True, False], ids=["in place", "taken out"])
def test_trap_the_vendors_client_repeats_a_send(
    hub: RunningHub, packet: bytes, counter: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to four repeats on any I/O error: the document is taken once, and the others are ``ExistDoc`` (6)."""
    if not counter:
        monkeypatch.setattr("edoc_connector.mockhub.hub._compute_identity", lambda *_: str(uuid.uuid4()))
    said = [_send(hub, "H29.05", packet).json()["status"] for _ in range(4)]
    assert (said == ["Success", "Fail", "Fail", "Fail"]) is counter
    assert len(hub.packets()) == (1 if counter else 4)


def test_by_curl(hub: RunningHub, packet: bytes, tmp_path: Path, run_curl: Callable[..., bytes]) -> None:
    """curl by the description alone."""
    path = tmp_path / "sent.edxml"
    path.write_bytes(packet)
    headers = ["organId: H29.05", "Authorization: token-H29.05", "type: EDOC", "Content-Type: application/octet-stream"]
    options = [part for header in headers for part in ("-H", header)] + ["--data-binary", f"@{path}"]
    answer = run_curl(*options, f"{hub.url}/EdocService/sendDocument")
    assert b'"docId": 1' in answer


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((b"<edXML:OrganAdd/>", b""), "N.OrganAdd"),
        ((rb"<edXML:Content/>|<edXML:Content>[^<]*</edXML:Content>", b""), "N.Content"),
        ((rb"(<edXML:Type>)\d+", rb"\g<1>18"), "R.DocumentType"),
        ((rb"<edXML:Paper>\d</edXML:Paper>", b""), "N.Bussiness"),
        ((rb"(To>\s*<edXML:OrganId>)G22", rb"\g<1>1.2.3.4.G22"), "R.OrganId"),
        ((rb"(<edXML:To>.*?</edXML:To>)", rb"\1\1"), "MessageHeader.To.OrganId"),
    ],
)
def test_what_the_hub_demands(hub: RunningHub, packet: bytes, change: tuple[bytes, bytes], code: str) -> None:
    """Each demand beyond the standard is refused by its code (packet profile)."""
    odd = re.sub(change[0], change[1], packet, flags=re.DOTALL)
    assert odd != packet
    answer = _send(hub, "H29.05", odd).json()
    assert (answer["docId"], answer["status"], answer["code"]) == (0, "Fail", "9999")
    assert answer["errors"][0]["code"] == code


def test_refusals(hub: RunningHub, packet: bytes, status: bytes, tmp_path: Path) -> None:
    """The hub's other refusals, each in its form."""
    assert _send(hub, "H29.05", packet, Content_type="text/xml").status_code == 415
    assert _send(hub, "H29.05", packet, "edoc").json()["errors"][0]["code"] == "BadRequest"
    assert _send(hub, "H29.05", b"<no packet/>").json() == {"docId": 0, "status": "Error", "code": "9999"}
    missing = _send(hub, "G22", status, "STATUS").json()
    assert (missing["status"], missing["code"]) == ("Error", "0")
    assert missing["errors"][0]["code"] == "M.UpdateStatusDoc"
    assert _send(hub, "H29.05", packet).json()["docId"] == 1
    assert _send(hub, "H29.05", packet).json()["errors"][0]["code"] == "ExistDoc"
    assert _send(hub, "G22", status, "STATUS").json()["docId"] == 1
    assert _send(hub, "G22", status, "STATUS").json()["errors"] == [
        {"code": "M.UpdateTraces", "description": "Exist trace"}
    ]
    plain = _send(hub, "G22", status.replace(b"edXML:Status>", b"edXML:MessageHeader>"), "STATUS").json()
    assert plain == {"docId": 0, "status": "Error", "code": "9999"}
    stranger = _send(hub, "G22", _write(sample_document(number="2"), tmp_path)).json()
    assert stranger["errors"][0]["code"] == "SendDocument"
    assert _call(hub, "G22", "getDocument", type="EDOC").json()["errors"][0]["code"] == "DocID"


@pytest.mark.parametrize(
    ("headers", "code"),
    [({}, "Unauthorized"), ({"organId": "G22", "Authorization": "wrong"}, "Invalid Credentials"),
     ({"organId": "H99", "Authorization": "token-G22"}, "Invalid Credentials"), ({"organId": "G22"}, "Unauthorized")],
)  # fmt: skip
def test_who_is_not_let_in(hub: RunningHub, headers: dict[str, str], code: str) -> None:
    """Missing or wrong credentials are HTTP 401 in the hub's form."""
    answer = httpx.get(f"{hub.url}/EdocService/getPendingDocIds", headers=headers, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == code
    assert (answer.json()["status"], answer.json()["code"]) == ("False", "9999")
    assert set(answer.json()) == {"status", "code", "errors"}  # docId is for refusals of a send


def test_a_later_hub_takes_post(hub: RunningHub) -> None:
    """By a switch the list wants POST and answers 405 to GET."""
    hub.edocservice = EdocserviceTraps(list_method="POST")
    assert _call(hub, "G22", "getPendingDocIds", method="GET", type="EDOC").status_code == 405
    assert _call(hub, "G22", "getPendingDocIds", type="EDOC").json()["data"] == []


def test_a_document_without_an_attachment_is_lost(hub: RunningHub, tmp_path: Path) -> None:
    """Without an attachment a document is taken, never forwarded, and cannot be fetched; nobody says so."""
    assert _send(hub, "H29.05", _write(sample_document(attachments=()), tmp_path)).json()["docId"] == 1
    assert _call(hub, "G22", "getPendingDocIds", method="GET", type="EDOC").json()["data"] == []
    assert _call(hub, "G22", "getDocument", type="EDOC", docId="1").json() == {}


def test_one_row_per_document_and_recipient(hub: RunningHub, tmp_path: Path) -> None:
    """The list has a row for each recipient of a document."""
    hub.add_agency("H30", "token-H30", "UBND tỉnh")
    others = (RECIPIENT, RECIPIENT.model_copy(update={"id": "H30"}))
    _send(hub, "H29.05", _write(sample_document(recipients=others), tmp_path))
    listed = _call(hub, "G22", "getPendingDocIds", method="GET", type="EDOC").json()
    assert [(row["docId"], row["organId"]) for row in listed["data"]] == [(1, "G22"), (1, "H30")]


def test_any_confirmation_confirms_every_status(hub: RunningHub, packet: bytes, status: bytes) -> None:
    """By default the trap is on; by the switch a hub without it is had."""
    _send(hub, "H29.05", packet)
    _send(hub, "G22", status, "STATUS")
    hub.edocservice = EdocserviceTraps(confirms_all_statuses=False)
    _call(hub, "H29.05", "confirmReceived", docId="77")
    assert _call(hub, "H29.05", "getPendingDocIds", method="GET", type="STATUS").json()["docIDs"] == [1]
    hub.edocservice = EdocserviceTraps()
    _call(hub, "H29.05", "confirmReceived", docId="77")
    assert _call(hub, "H29.05", "getPendingDocIds", method="GET", type="STATUS").json()["docIDs"] == []


def test_a_document_built_anew(hub: RunningHub, packet: bytes) -> None:
    """Without its cache the hub gives its own number for the DocumentId, and names of its directory."""
    hub.edocservice = EdocserviceTraps(keeps_packets=False, first_number=57)
    assert _send(hub, "H29.05", packet).json()["docId"] == 57
    rebuilt = base64.b64decode(_call(hub, "G22", "getDocument", type="EDOC", docId="57").json()["data"])
    assert b"DocumentId>57<" in rebuilt
    assert b"SteeringType" not in rebuilt
    assert b"TypeDetail" not in rebuilt


@pytest.mark.parametrize("capture", RECORDED or [None], ids=lambda one: "none" if one is None else one.stem)
def test_recorded_requests(capture: Path | None, tmp_path: Path) -> None:
    """The requests of the vendor's client, byte for byte, each get an answer in the hub's form."""
    if capture is None:
        pytest.skip("the recorded requests are not beside this checkout")
    with RunningHub(MockHubConfig(data=tmp_path / "hub")) as hub:
        _register_recorded(hub)
        head, body = _exchange(hub, capture.read_bytes())
    assert head.startswith(b"HTTP/1.1 200")
    answer = httpx.Response(200, content=body).json()
    assert (answer["status"], answer.get("errors", []) == []) == _EXPECTED[capture.stem[:2]]


_SUCCESS, _REFUSED = ("Success", True), ("Fail", False)
_EXPECTED = {
    "01": _SUCCESS, "02": _REFUSED, "03": _REFUSED, "04": ("Error", True), "05": _REFUSED, "06": _SUCCESS,
    "07": _SUCCESS, "08": _SUCCESS, "09": _SUCCESS,
}  # fmt: skip
"""Whether each succeeds: two are without docId, 04 has another header than Status, 05 has no Bussiness."""


def _register_recorded(hub: RunningHub) -> None:
    """Register whom the requests name; a document waits for the one that asks, under number 5."""
    hub.edocservice = EdocserviceTraps(first_number=5)
    hub.add_agency("000.00.23.H53", "tok-test", "Đơn vị")
    hub.add_agency("002.00.20.H13", "tok-test", "Văn phòng Chính phủ", system_id="000.00.23.H53")
    for code in ("000.00.15.H51", "001.00.20.JB2", "01.02.G22", "000.00.00.G22"):
        hub.add_agency(code, f"token-{code}", code)
    hub.offer(b"<edXML/>", sender="000.00.15.H51", to="000.00.23.H53")


def _exchange(hub: RunningHub, request: bytes) -> tuple[bytes, bytes]:
    """Send bytes as they were recorded, and read the answer to its end."""
    address = urlsplit(hub.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as line:
        line.sendall(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += line.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        while length is not None and len(body) < int(length[1]):
            body += line.recv(65536)
    return head, body
