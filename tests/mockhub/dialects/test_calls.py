"""The calls over real HTTP (VXP interface, "Calls")."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from edoc_connector.mockhub import AgencySpec, Fault, MockHubConfig
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]
TYPED = {"servicetype": "eDoc", "messagetype": "edoc"}


def test_a_packet_goes_from_one_agency_to_the_other(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface, "Calls": sent, offered to its recipient, fetched both ways alike, confirmed, offered no more."""
    sender, receiver = two
    answer = sender.send(packet(), "H29.05")
    assert answer["status"] == "OK"
    assert answer["DocId"]
    (row,) = receiver.waiting()
    assert row["docId"] != answer["DocId"]
    assert {key: row[key] for key in ("serviceType", "messageType", "from", "to", "status", "status_desc")} == {
        "serviceType": "eDoc", "messageType": "edoc", "from": "H29.05", "to": "G22",
        "status": "initial", "status_desc": "Chờ nhận",
    }  # fmt: skip
    wrapped = receiver.ask("getEdoc", b"{}", docId=row["docId"], filePath="/anywhere")
    assert base64.b64decode(wrapped["data"]) == receiver.download(row["docId"])
    assert receiver.confirm(row["docId"])["status"] == "OK"
    assert receiver.waiting() == []


SIGN = """
text='{"XroadVnpt-systemid":"H29.05","XroadVnpt-from":"H29.05","XroadVnpt-servicetype":"eDoc"'
text="$text"',"XroadVnpt-messagetype":"edoc","XroadVnpt-hash-file":"'"$(sha256sum < "$PACKET" | cut -d' ' -f1)"'"'
text="$text"',"XroadVnpt-timestamp":"'"$(TZ=Asia/Ho_Chi_Minh date +%d%m%YT%H%M%S+0000)"'"'
text="$text"',"XroadVnpt-Content-Type":"application/octet-stream"}'
echo "$text"
printf %s "$text" | openssl dgst -sha256 -hmac "$SECRET" | sed 's/.*= //'
"""


def test_by_curl(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, tmp_path: Path, run_curl: Callable[..., bytes]
) -> None:
    """A shell, openssl and curl by the description alone: the headers, their HMAC, and a packet as octets."""
    path = tmp_path / "sent.edxml"
    path.write_bytes(packet())
    variables = {"PATH": os.environ["PATH"], "PACKET": str(path), "SECRET": two[0].secret}
    script = subprocess.run(["sh", "-ec", SIGN], env=variables, capture_output=True, check=True, text=True, timeout=30)
    text, mac = script.stdout.split("\n")[:2]
    signed: dict[str, str] = json.loads(text)
    keys = ";".join(name.removeprefix("XroadVnpt-") for name in signed)
    headers = {**signed, "Content-Type": "application/octet-stream", "XroadVnpt-sign-header": text}
    headers |= {"XroadVnpt-sign-header-key": keys, "XroadVnpt-hash-header": mac, "XroadVnpt-version": "3.0.201608"}
    options = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    answer = json.loads(run_curl(*options, "--data-binary", f"@{path}", f"{mock_hub.url}/sendEdoc"))
    assert answer["ErrorCode"] == "0"
    assert [row["docId"] for row in two[1].waiting()] == [one.id for one in mock_hub.packets()[0].receipts]


def test_an_unconfirmed_packet_is_offered_again(two: tuple[Any, Any], packet: Make) -> None:
    """Business rules, "Hub-side state": what is not confirmed is offered again, also while it is being fetched."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    (first,) = receiver.waiting()
    receiver.download(first["docId"])
    receiver.confirm(first["docId"], "processing")
    (again,) = receiver.waiting()
    assert (again["docId"], again["status"]) == (first["docId"], "processing")


def test_each_recipient_has_its_own_docid_and_state(two: tuple[Any, Any], caller: Make, packet: Make) -> None:
    """VXP interface, getSentEdocList: one row per receiver, each with its own receiverDocId and receiveStatus."""
    sender, receiver = two
    third = caller("H13")
    doc_id = sender.send(packet(to=("G22", "H13")), "H29.05")["DocId"]
    receiver.confirm(receiver.waiting()[0]["docId"])
    assert len(third.waiting()) == 1
    rows = sender.ask("getSentEdocList", docId=doc_id, **TYPED)["data"]
    assert [(row["toCode"], row["receiveStatus"]) for row in rows] == [("G22", "done"), ("H13", "initial")]
    assert len({row["receiverDocId"] for row in rows}) == 2
    assert {row["senderDocId"] for row in rows} == {doc_id}
    assert {(row["title"], row["notation"], row["fromCode"]) for row in rows} == {("V/v thử", "7816/SNV-VP", "H29.05")}
    assert ["receivedTime" in row for row in rows] == [True, False]


def test_without_docid_the_last_thirty_days_are_answered(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make
) -> None:
    """VXP interface, "Settling a send whose answer was lost": the caller's own packets of the last 30 days."""
    sender, receiver = two
    sender.send(packet(document_id="new"), "H29.05")
    assert [row["notation"] for row in sender.ask("getSentEdocList", **TYPED)["data"]] == ["7816/SNV-VP"]
    assert receiver.ask("getSentEdocList", **TYPED)["data"] == []
    mock_hub.clock_offset = timedelta(days=31)
    later = datetime.now(UTC) + timedelta(days=31)
    response = sender.post("getSentEdocList", sender.headers(TYPED, at=later))
    assert response.json()["data"] == []


def test_the_list_of_sent_packets_can_be_told_to_refuse(tmp_path: Path, caller: Make, packet: Make) -> None:
    """VXP interface, "Settling a send": the mock hub can be told to refuse the call without docId."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", recent_sent=False, sender_doc_id="document")) as hub:
        sender = caller("H29.05", hub=hub)
        caller("G22", hub=hub)
        doc_id = sender.send(packet(), "H29.05")["DocId"]
        assert sender.ask("getSentEdocList", **TYPED)["ErrorCode"] == "28"
        (row,) = sender.ask("getSentEdocList", docId=doc_id, **TYPED)["data"]
        assert row["senderDocId"] == "H29.05,2026/11/20,7816/SNV-VP"


def test_a_call_can_be_refused_by_configuration(tmp_path: Path, caller: Make) -> None:
    """VXP interface, "Calls": an answer with status FAIL is an error whatever the HTTP status, which is 200 here."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", refuse=frozenset({"getAgenciesList"}))) as hub:
        answer = caller("G22", hub=hub).ask("getAgenciesList")
        assert (answer["status"], answer["ErrorCode"]) == ("FAIL", "28")


def test_the_to_header_goes_before_the_packets_to(two: tuple[Any, Any], caller: Make, packet: Make) -> None:
    """VXP interface, sendEdoc: the optional `to` (JSON array text) names the recipients."""
    sender, receiver = two
    third = caller("H13")
    sender.send(packet(), "H29.05", to=["H13"])
    assert receiver.waiting() == []
    assert len(third.waiting()) == 1
    exact = hashlib.sha256(b"").hexdigest()
    for wrong in ("H13", "[]", "[1]", '{"a":1}', "[" * 5000):
        parameters = {"from": "H29.05", "hash-file": exact, "to": wrong, **TYPED}
        response = sender.post("sendEdoc", sender.headers(parameters, content_type="application/octet-stream"))
        assert response.json()["ErrorCode"] == "27"


def test_an_agency_is_found_by_its_old_code_too(two: tuple[Any, Any], caller: Make, packet: Make) -> None:
    """edXML packet, "OrganId": the hub's directory maps one form of a code to the other."""
    sender, _ = two
    third = caller("H13", old_code="000.00.00.H13")
    assert sender.send(packet(to=("000.00.00.H13",)), "H29.05")["status"] == "OK"
    assert third.waiting()[0]["to"] == "H13"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": ("X99",)}, "18"),
        ({"to": ()}, "22"),
        ({"to": ("G22", "G22")}, "22"),
        ({"sender": ""}, "22"),
        ({"document_id": ""}, "22"),
    ],
)
def test_a_packet_that_breaks_a_rule_is_refused(
    two: tuple[Any, Any], packet: Make, change: dict[str, Any], code: str
) -> None:
    """VXP interface: unknown receivers are 18, edXML that is not as the standard asks is 22; nothing is kept."""
    sender, receiver = two
    answer = sender.send(packet(**change), "H29.05")
    assert (answer["status"], answer["ErrorCode"]) == ("FAIL", code)
    assert receiver.waiting() == []
    assert sender.hub.packets() == []
    assert list(sender.hub.hub.incoming_folder.iterdir()) == []


def test_what_is_not_xml_is_refused(two: tuple[Any, Any], packet: Make) -> None:
    """edXML packet, "Seen in the wild": bytes before the XML declaration are not XML."""
    assert two[0].send(b"1212" + packet(), "H29.05")["ErrorCode"] == "22"


def test_a_sender_must_be_registered_for_its_system(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface, sendEdoc `from`: a code nobody has, or another system's, is 19."""
    sender, _ = two
    assert sender.send(packet(), "H99")["ErrorCode"] == "19"
    assert sender.send(packet(), "G22")["ErrorCode"] == "19"


def test_a_locked_receiver_takes_nothing(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface: a locked receiver is 23; unlocked, the same packet is taken."""
    mock_hub.lock("G22")
    assert two[0].send(packet(), "H29.05")["ErrorCode"] == "23"
    mock_hub.lock("G22", locked=False)
    assert two[0].send(packet(), "H29.05")["ErrorCode"] == "0"


def test_the_same_document_twice_is_a_duplicate(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface: a DocumentId that the system sent before is 25, ExistDoc, also with other bytes."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    again = sender.send(packet(subject="khác"), "H29.05")
    assert again["ErrorCode"] == "25"
    assert "ExistDoc" in again["ErrorDesc"]
    assert len(receiver.waiting()) == 1


def test_a_recall_that_reuses_the_documents_id_is_none(two: tuple[Any, Any], packet: Make) -> None:
    """edXML packet, TraceHeaderList: another kind of business about the same document is another packet."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    assert sender.send(packet(business="1"), "H29.05")["ErrorCode"] == "0"
    assert sender.send(packet(business="1"), "H29.05")["ErrorCode"] == "25"
    assert len(receiver.waiting()) == 2


def test_two_systems_may_use_one_documentid(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface: duplicates are those of one sending system."""
    sender, receiver = two
    assert sender.send(packet(), "H29.05")["ErrorCode"] == "0"
    assert receiver.send(packet(sender="G22", to=("H29.05",)), "G22")["ErrorCode"] == "0"


def test_statuses_are_duplicates_only_as_the_same_bytes(two: tuple[Any, Any], status: Make) -> None:
    """Business rules, "Status codes": 04 and 05 may repeat, a status has no id of its own."""
    sender, receiver = two
    assert receiver.send(status(code="04"), "G22", kind="status")["ErrorCode"] == "0"
    assert receiver.send(status(code="04"), "G22", kind="status")["ErrorCode"] == "25"
    assert receiver.send(status(code="04", description="lần hai"), "G22", kind="status")["ErrorCode"] == "0"
    assert len(sender.waiting("status")) == 2
    assert sender.waiting("edoc") == []


def test_confirming_again_succeeds_and_changing_ones_mind_does_not(two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 18: "already done" is success; a packet that is done cannot become failed."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    doc_id = receiver.waiting()[0]["docId"]
    assert receiver.confirm(doc_id)["ErrorCode"] == "0"
    assert receiver.confirm(doc_id)["ErrorCode"] == "0"
    assert receiver.confirm(doc_id, "fail")["ErrorCode"] == "26"
    assert receiver.confirm(doc_id, "perhaps")["ErrorCode"] == "27"


def test_nobody_gets_another_agencys_packet(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface, getEdoc, downloadEdoc, updateStatus, getSentEdocList: a foreign docId is as unknown as any."""
    sender, receiver = two
    sent = sender.send(packet(), "H29.05")["DocId"]
    doc_id = receiver.waiting()[0]["docId"]
    assert sender.ask("getEdoc", b"{}", docId=doc_id)["ErrorCode"] == "26"
    assert sender.post("downloadEdoc", sender.headers({"docId": doc_id})).json()["ErrorCode"] == "26"
    assert sender.confirm(doc_id)["ErrorCode"] == "26"
    assert receiver.ask("getEdoc", b"{}", docId=sent)["ErrorCode"] == "26"
    assert receiver.ask("getSentEdocList", docId=sent, **TYPED)["data"] == []


def test_counts(two: tuple[Any, Any], packet: Make, status: Make) -> None:
    """VXP interface, countReceiveEdoc and countReceiveStatus: how many wait."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    receiver.send(status(), "G22", kind="status")
    assert receiver.ask("countReceiveEdoc", b"{}", **TYPED)["count"] == 1
    assert receiver.ask("countReceiveStatus", b"{}", servicetype="eDoc", messagetype="status")["count"] == 0
    assert sender.ask("countReceiveStatus", b"{}", servicetype="eDoc", messagetype="status")["count"] == 1


def test_agencies_register_change_and_go(two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface, registerAgency, deleteAgency, getAgenciesList, getSynchronizeUnit: changes have versions."""
    sender, receiver = two
    body = {
        "id": "",
        "pcode": "H29.05",
        "code": "H29.05.01",
        "name": "Văn phòng",
        "mail": "a@b.vn",
        "mobile": "",
        "fax": 1,
    }
    sender.hub.add_agency("H13", "H13-key", old_code="000.00.00.H13", mail="c@d.vn", parent="G22")
    assert sender.ask("registerAgency", json.dumps(body).encode())["ErrorCode"] == "0"
    rows = {row["code"]: row for row in receiver.ask("getAgenciesList")["data"]}
    assert set(rows["H13"]) == {"id", "pid", "code", "name", "mail", "oldCode"}
    assert set(rows["H29.05.01"]) == {"id", "pid", "code", "name", "mail"}
    assert rows["H29.05.01"]["pid"] == rows["H29.05"]["id"]
    assert rows["H29.05.01"]["name"] == "Văn phòng"
    assert receiver.send(packet(sender="G22", to=("H29.05.01",)), "G22")["ErrorCode"] == "0"
    assert sender.waiting()[0]["to"] == "H29.05.01"
    assert receiver.ask("deleteAgency", b"{}", AgencyCode="H29.05.01")["ErrorCode"] == "18"
    assert sender.ask("deleteAgency", b"{}", AgencyCode="H29.05.01")["ErrorCode"] == "0"
    assert sender.send(packet(), "H29.05.01")["ErrorCode"] == "19"
    changes = receiver.ask("getSynchronizeUnit")["data"]
    assert [row["code"] for row in changes] == ["H29.05", "G22", "H13", "H29.05.01"]
    assert [row["deleted"] for row in changes] == [False, False, False, True]
    assert [row["version"] for row in changes] == sorted(row["version"] for row in changes)
    assert {"centerCode", "modifyDate", "isAgency"} <= set(changes[0])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("getAgenciesList", {}), ("getAgenciesListQD20", {"level": "0"}), ("getSynchronizeUnit", {})],
)
def test_a_directory_of_30000_codes(
    mock_hub: RunningHub, two: tuple[Any, Any], name: str, parameters: dict[str, str]
) -> None:
    """A whole country's directory comes over in processor time that grows with its size, not with its square."""
    mock_hub.add_agencies(
        [
            AgencySpec(code=f"X{number}", secret="x", system_id="X", parent=f"X{number // 10}" if number > 9 else "")
            for number in range(30_000)
        ]
    )
    begun = time.process_time()
    rows = two[0].ask(name, **parameters)["data"]
    assert time.process_time() - begun < 5  # once it was minutes
    assert len(rows) == 30_002
    ids = {row["code"]: row["id"] for row in rows}
    assert {row["code"]: row.get("pid", "") for row in rows}["X29999"] == (ids["X2999"] if "QD20" not in name else "")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"code":5}', b"[" * 100_000, b"\xff"])
def test_registering_needs_a_code(two: tuple[Any, Any], body: bytes) -> None:
    """VXP interface, registerAgency: a body that is not JSON with a code is refused."""
    assert two[0].ask("registerAgency", body)["ErrorCode"] == "27"


def test_an_agency_cannot_be_taken_over(two: tuple[Any, Any]) -> None:
    """VXP interface, registerAgency: another system's agency cannot be registered."""
    assert two[0].ask("registerAgency", b'{"code":"G22"}')["ErrorCode"] == "28"


def test_the_directory_in_decision_20_codes(two: tuple[Any, Any], caller: Make) -> None:
    """VXP interface, getAgenciesListQD20: id, code, name, mail, code102, of one level."""
    caller("H13", old_code="000.00.00.H13", mail="c@d.vn")
    rows = two[0].ask("getAgenciesListQD20", level="1")["data"]
    assert [(row["code"], row.get("code102")) for row in rows] == [("G22", None), ("H13", "000.00.00.H13")]
    assert set(rows[1]) == {"id", "code", "name", "mail", "code102"}
    assert len(two[0].ask("getAgenciesListQD20", level="0")["data"]) == 3
    assert two[0].ask("getAgenciesListQD20", level="x")["ErrorCode"] == "27"


def test_a_body_that_is_no_packet_is_bounded(two: tuple[Any, Any]) -> None:
    """Building blocks, "httpx": what comes over the network is bounded; here the body of a call that needs none."""
    assert two[0].ask("getAgenciesList", b" " * 2_000_000)["ErrorCode"] == "27"


def test_a_packet_over_the_limit_is_refused(tmp_path: Path, caller: Make, packet: Make) -> None:
    """VXP interface: a packet that is too large is an error while processing the file, 21."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", max_packet=1000)) as hub:
        sender = caller("H29.05", hub=hub)
        assert sender.send(packet(), "H29.05")["ErrorCode"] == "21"
        assert list(hub.hub.incoming_folder.iterdir()) == []


def test_packets_can_be_tampered_with_on_the_way(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """The seal, "Checking": a test changes a field in transit; undone, the receiver gets what was sent."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    doc_id = receiver.waiting()[0]["docId"]
    mock_hub.tamper = lambda data: data.replace("V/v thử".encode(), b"V/v X")
    assert b"V/v X" in receiver.download(doc_id)
    assert b"V/v X" in base64.b64decode(receiver.ask("getEdoc", b"{}", docId=doc_id)["data"])
    assert mock_hub.tamper is not None
    mock_hub.tamper = None
    assert b"V/v X" not in receiver.download(doc_id)


def test_poison_can_be_offered(mock_hub: RunningHub, two: tuple[Any, Any]) -> None:
    """Faults, 20 and 21: a hub that passes on what is no packet, under a docId of the test's choice."""
    _, receiver = two
    assert mock_hub.offer(b"\x00 no packet", sender="H29.05", to="G22", doc_id="d-1") == "d-1"
    assert [row["docId"] for row in receiver.waiting()] == ["d-1"]
    assert receiver.download("d-1") == b"\x00 no packet"


def test_a_failure_inside_is_a_system_error(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """VXP interface, "Calls": a hub that fails inside answers FAIL with a code; here its file is gone."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    for held in mock_hub.packets():
        held.path.unlink()
    assert receiver.ask("getEdoc", b"{}", docId=receiver.waiting()[0]["docId"])["ErrorCode"] == "20"


def test_every_answer_is_json_with_status_and_code(two: tuple[Any, Any], client: httpx.Client) -> None:
    """VXP interface, "Calls": status, ErrorCode, ErrorDesc in every answer, and HTTP 200 with a refusal."""
    response = client.post(f"{two[0].hub.url}/sendEdoc", content=b"x" * 100_000)
    assert response.status_code == 200
    assert response.json()["status"] == "FAIL"
    assert response.json()["ErrorCode"] == "27"


@pytest.mark.parametrize(("kind", "order"), [("duplicate", [0, 0, 1, 1]), ("out-of-order", [1, 0])])
def test_lists_can_be_wrong(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, kind: str, order: list[int]
) -> None:
    """Faults, 19: the same docId twice, and lists out of order, in both lists."""
    sender, receiver = two
    for name in ("a", "b"):
        sender.send(packet(document_id=name), "H29.05")
    right = [row["docId"] for row in receiver.waiting()]
    mock_hub.faults.add(Fault(kind=kind, count=2))
    assert [row["docId"] for row in receiver.waiting()] == [right[index] for index in order]
    rows = sender.ask("getSentEdocList", **TYPED)["data"]
    assert [row["receiverDocId"] for row in rows] == [right[index] for index in order]
    assert [row["docId"] for row in receiver.waiting()] == right
