"""Faults on demand (Faults, the table)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from edoc_connector.mockhub import Fault, FaultPlan
from edoc_connector.mockhub.dialects import GARBAGE
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]


@pytest.mark.parametrize(("kind", "kept"), [("drop-before-accepting", 0), ("drop-after-accepting", 1)])
def test_a_dropped_connection_gives_no_answer(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, kind: str, kept: int
) -> None:
    """Faults, 3 and 4: the connection closes without one byte of answer, before or after the packet was stored."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind=kind, path="/sendEdoc"))
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        sender.send(packet(), "H29.05")
    assert len(receiver.waiting()) == kept
    assert sender.send(packet(), "H29.05")["ErrorCode"] == ("25" if kept else "0")
    assert mock_hub.faults.list_pending() == []


def test_an_upload_can_be_cut_off(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 3: the connection breaks during the upload; the hub keeps nothing."""
    sender, receiver = two
    large = packet(attachments=(("cid:1", "a.pdf", "application/pdf", b"\0" * 30_000_000),))
    mock_hub.faults.add(Fault(kind="drop-before-accepting", path="/sendEdoc", after_bytes=100_000))
    with pytest.raises(httpx.TransportError):
        sender.send(large, "H29.05")
    assert receiver.waiting() == []
    assert list(mock_hub.hub.incoming_folder.iterdir()) == []


@pytest.mark.parametrize(("accepted", "kept"), [(None, 0), (True, 1)])
def test_errors_of_http(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, accepted: bool | None, kept: int
) -> None:
    """Faults, 5 and 8: a 503 with Retry-After, and one that comes after the packet was taken."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind="error", path="/sendEdoc", status=503, retry_after="7", accepted=accepted))
    response = sender.send_response(packet(), "H29.05")
    assert (response.status_code, response.headers["retry-after"]) == (503, "7")
    assert len(receiver.waiting()) == kept


def test_a_proxys_page(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 11: HTML with status 200; neither sent nor received."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind="html"))
    response = sender.send_response(packet(), "H29.05")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert receiver.waiting() == []


def test_a_truncated_answer(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 12 and 15: Content-Length is longer than the body, of a send's answer and of a packet fetched."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind="truncated", path="/sendEdoc"))
    mock_hub.faults.add(Fault(kind="truncated", path="/downloadEdoc"))
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        sender.send(packet(), "H29.05")
    (row,) = receiver.waiting()
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        receiver.download(row["docId"])
    assert b"edXML" in receiver.download(row["docId"])


def test_an_empty_answer(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 12: the packet is taken and the answer empty."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind="empty", path="/sendEdoc"))
    response = sender.send_response(packet(), "H29.05")
    assert (response.status_code, response.content) == (200, b"")
    assert len(receiver.waiting()) == 1


@pytest.mark.parametrize("accepted", [None, False])
def test_a_late_answer(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, accepted: bool | None) -> None:
    """Faults, 5: the answer comes later than the client waits; in between the hub has the packet, or not yet."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind="delay", path="/sendEdoc", seconds=0.3, accepted=accepted))
    started = time.monotonic()
    assert sender.send(packet(), "H29.05")["ErrorCode"] == "0"
    assert time.monotonic() - started >= 0.3
    assert len(receiver.waiting()) == 1


def test_a_client_that_will_not_wait(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 5: a client that hangs up while the hub holds the answer back finds the packet taken."""
    sender, receiver = two
    mock_hub.faults.add(Fault(kind="delay", path="/sendEdoc", seconds=0.5))
    sender.client.timeout = httpx.Timeout(0.2)
    with pytest.raises(httpx.ReadTimeout):
        sender.send(packet(), "H29.05")
    sender.client.timeout = httpx.Timeout(20)
    assert len(receiver.waiting()) == 1


def test_garbage_and_another_packets_bytes(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 16 and 21: nonsense for a packet, another document's body, and one made up where there is no other."""
    sender, receiver = two
    sender.send(packet(document_id="first"), "H29.05")
    doc_id = receiver.waiting()[0]["docId"]
    mock_hub.faults.add(Fault(kind="garbage", path="/downloadEdoc"))
    mock_hub.faults.add(Fault(kind="wrong-body", path="/downloadEdoc", count=2))
    assert receiver.download(doc_id) == GARBAGE
    assert b"another document" in receiver.download(doc_id)
    sender.send(packet(document_id="second"), "H29.05")
    assert b">second<" in receiver.download(doc_id)
    assert b">first<" in receiver.download(doc_id)


def test_a_plan_is_met_in_order_and_used_up() -> None:
    """Faults on demand: the first that fits a path, as many times as planned, or until removed."""
    plan = FaultPlan()
    plan.add(Fault(kind="html", path="/a", count=2))
    forever = plan.add(Fault(kind="empty", count=None))
    taken = [plan.take(path) for path in ("/b", "/a", "/a", "/a", "/a")]
    assert [fault.kind for fault in taken if fault] == ["empty", "html", "html", "empty", "empty"]
    assert plan.remove(forever)
    assert not plan.remove(forever)
    assert plan.take("/a") is None
    plan.add(Fault(kind="html"))
    plan.clear()
    assert plan.list_pending() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fire"},
        {"kind": "html", "count": 0},
        {"kind": "error", "status": 200},
        {"kind": "delay", "seconds": -1},
    ],
)
def test_an_impossible_fault_is_refused(wrong: dict[str, Any]) -> None:
    """Faults on demand: a plan that could not happen is an error at once, not a test that passes for nothing."""
    with pytest.raises(ValueError, match=r"fault|count|seconds"):
        Fault(**wrong)


def test_faults_over_http(mock_hub: RunningHub, two: tuple[Any, Any], client: httpx.Client) -> None:
    """Design, "mock hub": the fault plan over the administration interface: planned, listed, met, forgotten."""
    url = f"{mock_hub.url}/mock/faults"
    assert client.post(url, json={"kind": "html", "path": "/getAgenciesList", "count": 2}).json() == {"id": 1}
    assert two[0].post("getAgenciesList", two[0].headers({})).text.startswith("<!DOCTYPE html>")
    (row,) = client.get(url).json()["faults"]
    assert (row["kind"], row["left"], row["count"]) == ("html", 1, 2)
    assert client.delete(url).json() == {"faults": []}
    assert two[0].ask("getAgenciesList")["ErrorCode"] == "0"


@pytest.mark.parametrize("body", ['{"kind":"fire"}', '{"kind":"html","x":1}', "[1]", "no", "{}"])
def test_a_wrong_fault_over_http(mock_hub: RunningHub, client: httpx.Client, body: str) -> None:
    """Design, "mock hub": a plan that cannot be read is refused and says why."""
    response = client.post(f"{mock_hub.url}/mock/faults", content=body, headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert response.json()["error"]


def test_an_answer_in_place_of_the_hubs(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """Faults, 26: whatever status, type and bytes are planned come, and the hub is not asked."""
    sender, receiver = two
    mock_hub.faults.add(
        Fault(kind="answer", path="/sendEdoc", status=407, media_type="text/plain", body="\xff\0", retry_after="3")
    )
    response = sender.send_response(packet(), "H29.05")
    assert (response.status_code, response.content) == (407, b"\xff\0")
    assert (response.headers["content-type"], response.headers["retry-after"]) == ("text/plain", "3")
    assert receiver.waiting() == []


@pytest.mark.parametrize(("values", "problem"), [({"body": "Đ"}, "one byte"), ({"status": 100}, "200 to 599")])
def test_an_answer_that_cannot_be_given(values: dict[str, Any], problem: str) -> None:
    """Faults, the table: a plan that could not happen is refused."""
    with pytest.raises(ValueError, match=problem):
        Fault(kind="answer", **values)


def test_a_fault_of_one_packet(mock_hub: RunningHub) -> None:
    """Faults, 27: a fault with a docId meets calls about that packet alone, whatever the case of the header."""
    mock_hub.faults.add(Fault(kind="error", path="/downloadEdoc", doc_id="d-1", count=None))
    assert mock_hub.faults.take("/downloadEdoc") is None
    assert mock_hub.faults.take("/downloadEdoc", "d-2") is None
    assert mock_hub.faults.take("/downloadEdoc", "d-1") is not None
