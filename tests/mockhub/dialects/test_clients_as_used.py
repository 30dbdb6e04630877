"""The hub serves clients as they are used (VXP interface, "How real clients behave")."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from edoc_connector.mockhub import Fault
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]
TYPED = {"servicetype": "eDoc", "messagetype": "edoc"}


def send_fields(
    caller: Any, name: str, fields: list[tuple[str, str]], *, left_out: int = -1, body: bytes = b"{}"
) -> Any:
    """Post signed fields, of which the names may differ in case alone; one may be left out of the headers."""
    signed = [("systemid", caller.system_id), ("timestamp", "22112026T105314+0706"), *fields]
    signed.append(("Content-Type", "application/json"))
    text = json.dumps({f"XroadVnpt-{key}": value for key, value in signed}, separators=(",", ":"))
    headers = [(f"XroadVnpt-{key}", value) for index, (key, value) in enumerate(signed) if index != left_out]
    headers += [
        ("Content-Type", "application/json"), ("XroadVnpt-sign-header", text),
        ("XroadVnpt-sign-header-key", ";".join(key for key, _ in signed)), ("XroadVnpt-version", "3.0.201608"),
        ("XroadVnpt-hash-header", hmac.new(caller.secret.encode(), text.encode(), hashlib.sha256).hexdigest()),
    ]  # fmt: skip
    raw = [(key.encode(), value.encode()) for key, value in headers]
    return caller.client.post(f"{caller.hub.url}/{name}", headers=raw, content=b"{}").json()


def test_an_old_time_stamp_is_taken_unless_told(mock_hub: RunningHub, caller: Make) -> None:
    """The time stamp is put in once, when a service object is made; a mock is strict about it only when told."""
    system = caller("G22")
    month_old = system.headers({}, at=datetime.now(UTC) - timedelta(days=30))
    assert system.post("getAgenciesList", month_old).json()["ErrorCode"] == "0"
    mock_hub.clock_tolerance = timedelta(minutes=5)
    assert mock_hub.clock_tolerance == timedelta(minutes=5)
    assert system.post("getAgenciesList", month_old).json()["ErrorCode"] == "16"
    mock_hub.stop()
    mock_hub.start()
    assert system.post("getAgenciesList", month_old).json()["ErrorCode"] == "16"


def test_parameters_of_earlier_calls_are_taken(two: tuple[Any, Any], packet: Make) -> None:
    """Parameters of earlier calls stay: they change no later answer."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    left = {"status": "done", "to": '["H99"]', "docId": "gone", "filePath": "/x", "level": "7", "hash-file": "0"}
    answer = receiver.ask("getReceivedEdocList", **TYPED, **left)
    assert [row["to"] for row in answer["data"]] == ["G22"]


def test_docid_beside_docid(two: tuple[Any, Any], packet: Make) -> None:
    """`docId` and `docid` side by side are two headers of one name; each call takes its own."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    doc_id = receiver.waiting()[0]["docId"]
    both = [("docId", doc_id), ("docid", "another"), ("status", "done")]
    assert send_fields(receiver, "getEdoc", both)["ErrorCode"] == "0"
    both = [("docId", "another"), ("docid", doc_id), ("status", "done")]
    assert send_fields(receiver, "updateStatus", both)["ErrorCode"] == "0"


@pytest.mark.parametrize("name", ["docid", "docId"])
def test_of_two_docids_the_one_that_waits_is_confirmed(two: tuple[Any, Any], packet: Make, name: str) -> None:
    """One of `docid` and `docId` is left from an earlier call, whose packet waits no more."""
    sender, receiver = two
    for document in ("a", "b"):
        sender.send(packet(document_id=document), "H29.05")
    first, second = [row["docId"] for row in receiver.waiting()]
    receiver.confirm(first)
    both = [(name, second), ({"docid": "docId", "docId": "docid"}[name], first), ("status", "done")]
    assert send_fields(receiver, "updateStatus", both)["ErrorCode"] == "0"
    assert receiver.waiting() == []


def test_of_two_names_that_differ_in_case_one_header_may_be_missing(two: tuple[Any, Any]) -> None:
    """sendEdoc sends only the later of the two while the signed JSON has both; one that was not signed is forged."""
    receiver = two[1]
    both = [("docId", "one"), ("docid", "two")]
    assert send_fields(receiver, "getEdoc", both, left_out=2)["ErrorCode"] == "26"
    assert send_fields(receiver, "getEdoc", both[:1], left_out=2)["ErrorCode"] == "15"
    forged = receiver.headers({"docId": "one"})
    raw = [(key.encode(), value.encode()) for key, value in {**forged, "XroadVnpt-docid": "two"}.items()]
    answer = receiver.client.post(f"{receiver.hub.url}/getEdoc", headers=raw, content=b"{}").json()
    assert answer["ErrorCode"] == "15"


def test_a_status_comes_without_servicetype(two: tuple[Any, Any], status: Make) -> None:
    """Another client sends statuses without servicetype and `to`, and adds a description to updateStatus."""
    sender, receiver = two
    data = status()
    parameters = {"from": "G22", "messagetype": "status", "hash-file": hashlib.sha256(data).hexdigest()}
    headers = receiver.headers(parameters, content_type="application/octet-stream")
    assert receiver.post("sendEdoc", headers, data).json()["ErrorCode"] == "0"
    doc_id = sender.waiting("status")[0]["docId"]
    assert sender.ask("updateStatus", b"{}", docId=doc_id, status="fail", description="not read")["ErrorCode"] == "0"


@pytest.mark.parametrize(
    ("change", "code"),
    [({"from": "X99"}, "19"), ({"messagetype": "letter"}, "27"), ({"hash-file": "0"}, "24"), ({"from": ""}, "19")],
)
def test_a_refused_send_has_an_empty_docid(two: tuple[Any, Any], change: dict[str, str], code: str) -> None:
    """`DocId` (empty) also in a refusal of sendEdoc, else the vendor's client throws."""
    exact = hashlib.sha256(b"x").hexdigest()
    parameters = {"from": "H29.05", "hash-file": exact, **TYPED, **change}
    headers = two[0].headers(parameters, content_type="application/octet-stream")
    answer = two[0].post("sendEdoc", headers, b"x").json()
    assert (answer["status"], answer["ErrorCode"], answer["DocId"]) == ("FAIL", code, "")


def test_an_unsigned_and_a_failing_send_have_an_empty_docid(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """`DocId` is there too where the headers are wrong, or the hub fails inside."""
    answer = client.post(f"{mock_hub.url}/sendEdoc", content=b"x").json()
    assert (answer["ErrorCode"], answer["DocId"]) == ("27", "")
    mock_hub.hub.storage.close()
    with pytest.raises(Exception, match="closed"):
        mock_hub.hub.storage.list_agencies()
    answer = two[0].send(packet(), "H29.05")
    assert (answer["ErrorCode"], answer["DocId"]) == ("20", "")


def test_no_answer_has_a_null_or_an_empty_field(two: tuple[Any, Any], packet: Make) -> None:
    """`data` beside `status`, `ErrorCode`, `ErrorDesc` wherever ErrorCode is 0; a field without a value is left out."""
    sender, receiver = two
    sender.send(packet(), "H29.05")
    lists = {
        "getReceivedEdocList": TYPED, "getSentEdocList": TYPED, "getAgenciesList": {}, "getSynchronizeUnit": {},
        "getAgenciesListQD20": {"level": "0"},
    }  # fmt: skip
    for name, parameters in lists.items():
        for system in (sender, receiver):
            answer = system.ask(name, **parameters)
            assert {"status", "ErrorCode", "ErrorDesc", "data"} == set(answer)
            assert not [value for row in answer["data"] for value in row.values() if value in (None, "")]


def test_an_answer_to_send_escapes_what_is_not_ascii(two: tuple[Any, Any], packet: Make) -> None:
    """Non-ASCII in a sendEdoc answer is `\\u`-escaped; in others it is not."""
    response = two[0].send_response(packet(to=("Sở",)), "H29.05")
    assert b"S\\u1edf" in response.content
    assert response.json()["ErrorDesc"] == "the receiver Sở does not exist"
    directory = two[0].post("getAgenciesList", two[0].headers({}))
    assert "Cơ quan".encode() in directory.content


@pytest.fixture
def dated(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> tuple[Any, Any]:
    """Three packets, the last of them three days younger than the first."""
    for day in range(3):
        mock_hub.clock_offset = timedelta(days=day)
        two[0].send(packet(document_id=f"d{day}"), "H29.05")
    return two


def vietnam(day: float) -> str:
    moment = datetime.now(UTC) + timedelta(days=day, hours=7)
    return moment.strftime("%d/%m/%Y %H:%M:%S")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, [0, 1, 2]),
        ({"fromDate": vietnam(0.5)}, [1, 2]),
        ({"toDate": vietnam(0.5)}, [0]),
        ({"fromDate": vietnam(0.5), "toDate": vietnam(1.5)}, [1]),
        ({"fromDate": vietnam(0.5)[:10]}, None),
        ({"fromDate": "2026-11-20", "toDate": "yesterday"}, [0, 1, 2]),
        ({"pageSize": "2", "pageIndex": "1"}, [0, 1]),
        ({"pageSize": "2", "pageIndex": "2"}, [2]),
        ({"pageSize": "2", "pageIndex": "0"}, [0, 1]),
        ({"pageSize": "2"}, [0, 1]),
        ({"pageIndex": "3"}, [0, 1, 2]),
        ({"pageSize": "-1", "pageIndex": "x"}, [0, 1, 2]),
        ({"pageSize": "9" * 5000}, [0, 1, 2]),
        ({"to": "G22"}, [0, 1, 2]),
        ({"to": "H99"}, []),
        ({"to": '["H99"]'}, [0, 1, 2]),
        ({"status": "done"}, [0, 1, 2]),
        ({"status": "initial"}, [0, 1, 2]),
    ],
)
def test_lists_take_windows_and_pages(
    dated: tuple[Any, Any], parameters: dict[str, str], expected: list[int] | None
) -> None:
    """`fromDate`, `toDate`, `pageSize`, `pageIndex`, `to`, `status`: honoured where they make sense, never refused."""
    sender, receiver = dated
    ids = [receipt.id for held in sender.hub.packets() for receipt in held.receipts]
    sent = sender.ask("getSentEdocList", **TYPED, **parameters)
    waiting = receiver.ask("getReceivedEdocList", **TYPED, **parameters)
    for answer, field in ((sent, "receiverDocId"), (waiting, "docId")):
        assert answer["ErrorCode"] == "0"
        numbers = [ids.index(row[field]) for row in answer["data"]]
        assert numbers == expected if expected is not None else 2 in numbers


def test_only_what_nobody_fetched(two: tuple[Any, Any], packet: Make) -> None:
    """`status` ``initial`` is left by no other call, so it selects; ``processing`` may be left by updateStatus."""
    sender, receiver = two
    for name in ("a", "b"):
        sender.send(packet(document_id=name), "H29.05")
    first, second = [row["docId"] for row in receiver.waiting()]
    receiver.confirm(first, "processing")
    for state, expected in (("initial", [second]), ("processing", [first, second])):
        rows = receiver.ask("getReceivedEdocList", **TYPED, status=state)["data"]
        assert [row["docId"] for row in rows] == expected


def test_a_page_can_be_wrong_too(mock_hub: RunningHub, dated: tuple[Any, Any]) -> None:
    """Faults, 19: planned faults of lists happen to the page that is asked for."""
    receiver = dated[1]
    mock_hub.faults.add(Fault(kind="duplicate"))
    rows = receiver.ask("getReceivedEdocList", **TYPED, pageSize="1", pageIndex="2")["data"]
    assert len(rows) == 2
    assert rows[0] == rows[1]


def test_a_packet_without_from_or_documentid_is_taken(two: tuple[Any, Any], packet: Make) -> None:
    """The library rebuilds a packet without From, and invents a DocumentId where there is none: no two are the same."""
    sender, receiver = two
    data = packet()
    for element in (b"<edXML:From><edXML:OrganId>H29.05</edXML:OrganId></edXML:From>",
                    b"<edXML:DocumentId>H29.05,2026/11/20,7816/SNV-VP</edXML:DocumentId>"):  # fmt: skip
        assert element in data
        data = data.replace(element, b"")
    for _ in range(2):
        assert sender.send(data, "H29.05")["ErrorCode"] == "0"
    ids = {held.packet.document_id for held in sender.hub.packets()}
    assert len(ids) == 2
    got = receiver.download(receiver.waiting()[0]["docId"])
    assert any(f"<edXML:DocumentId>{made_up}</edXML:DocumentId>".encode() in got for made_up in ids)
