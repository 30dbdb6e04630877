"""Faults as clients meet them: which request meets one, and what comes over."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from edoc_connector.mockhub import Fault, FaultPlan
from edoc_connector.mockhub.dialects.wrong_bodies import GARBAGE
from edoc_connector.testing.hub import RunningHub

Make = Callable[..., Any]


def test_a_fault_waits_for_its_agency_and_its_turn() -> None:
    """A fault meets the calls of its agency alone, from the nth on, as often as its count says."""
    plan = FaultPlan()
    plan.add(Fault(kind="html", path="/getEdoc", agency="G22", nth=2, count=2))
    asked = [plan.take("/getEdoc", callers=frozenset({code})) for code in ("G22", "H29", "G22", "H29", "G22", "G22")]
    assert [fault is not None for fault in asked] == [False, False, True, False, True, False]


def test_chance_is_the_seeds() -> None:
    """The same seed gives the same faults, another seed others; about as many as the probability says."""

    def throw(seed: int) -> list[bool]:
        plan = FaultPlan(seed)
        plan.add(Fault(kind="html", probability=0.3, count=None))
        return [plan.take("/x") is not None for _ in range(300)]

    assert throw(1) == throw(1) != throw(2)
    assert 60 < sum(throw(1)) < 120


@pytest.mark.parametrize("wrong", [{"nth": 0}, {"probability": 0.0}, {"probability": 1.5}])
def test_what_could_not_happen_is_no_fault(wrong: dict[str, Any]) -> None:
    """A plan that never happens is refused where it is made."""
    with pytest.raises(ValueError, match="nth is 1 or more"):
        Fault(kind="html", **wrong)


def test_an_answer_drips(mock_hub: RunningHub, two: tuple[Any, Any]) -> None:
    """A slow drip brings the whole answer, in pieces over the time that it says."""
    mock_hub.faults.add(Fault(kind="drip", path="/getAgenciesList", seconds=0.4))
    begun = time.monotonic()
    assert len(two[0].ask("getAgenciesList")["data"]) == 2
    assert time.monotonic() - begun >= 0.4


def test_an_answer_names_another_doc_id(mock_hub: RunningHub, two: tuple[Any, Any], packet: Make) -> None:
    """With wrong-doc-id the packet is taken, and the docId that is told is nobody's."""
    mock_hub.faults.add(Fault(kind="wrong-doc-id", path="/sendEdoc"))
    told = two[0].send(packet(), "H29.05")["DocId"]
    (taken,) = mock_hub.packets()
    assert told != taken.packet.id
    assert two[0].ask("getSentEdocList", servicetype="eDoc", messagetype="edoc", docId=told)["data"] == []


@pytest.mark.parametrize(
    ("path", "headers", "status", "words"),
    [
        ("/getAgenciesList", {}, 200, '"ErrorCode": "15"'),
        ("/v1/getAgenciesList", {}, 401, "licenseInfo:invalid"),
        ("/EdocService/getPendingDocIds", {"organId": "G22"}, 401, "Invalid Credentials"),
    ],
)
def test_credentials_end_in_the_dialects_words(
    mock_hub: RunningHub, client: httpx.Client, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    """An expired token is told as the dialect of the call tells it."""
    mock_hub.faults.add(Fault(kind="expired-token", path=path))
    answer = client.request("POST" if path == "/getAgenciesList" else "GET", f"{mock_hub.url}{path}", headers=headers)
    assert (answer.status_code, words in answer.text) == (status, True)


def test_the_hubs_clock_is_ahead_for_one_call(mock_hub: RunningHub, two: tuple[Any, Any]) -> None:
    """Clock skew refuses the time stamp, shows the wrong date, and is over with the call."""
    mock_hub.faults.add(Fault(kind="clock-skew", path="/getAgenciesList", offset=7200))
    answer = two[0].post("getAgenciesList", two[0].headers({}))
    assert answer.json()["ErrorCode"] == "16"
    after = two[0].post("getAgenciesList", two[0].headers({}))
    assert after.json()["ErrorCode"] == "0"
    assert answer.headers["date"] != after.headers["date"]


def test_a_proxy_wants_a_password(mock_hub: RunningHub, two: tuple[Any, Any]) -> None:
    """A proxy's 407 comes with its challenge, and the hub does nothing."""
    mock_hub.faults.add(Fault(kind="proxy-407"))
    answer = two[0].post("getAgenciesList", two[0].headers({}))
    assert (answer.status_code, answer.headers["proxy-authenticate"]) == (407, 'Basic realm="proxy"')


def test_bytes_that_are_no_answer(mock_hub: RunningHub, two: tuple[Any, Any]) -> None:
    """With tls-failure the client reads what is none of the protocol."""
    mock_hub.faults.add(Fault(kind="tls-failure"))
    with pytest.raises(httpx.TransportError):
        two[0].ask("getAgenciesList")


@pytest.mark.parametrize("kind", ["duplicate", "out-of-order"])
def test_lists_of_every_dialect_go_wrong(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client, kind: str
) -> None:
    """Rows come twice, or backwards, in the list of an eDoc hub too."""
    for number in ("1", "2"):
        two[0].send(packet(document_id=number), "H29.05")
    mock_hub.faults.add(Fault(kind=kind, path="/EdocService/getPendingDocIds"))
    headers = {"organId": "G22", "Authorization": "G22-key", "type": "EDOC"}
    rows = client.get(f"{mock_hub.url}/EdocService/getPendingDocIds", headers=headers).json()["docIDs"]
    assert rows == ([1, 1, 2, 2] if kind == "duplicate" else [2, 1])


@pytest.mark.parametrize(("kind", "expected"), [("garbage", GARBAGE), ("wrong-body", b">second<")])
@pytest.mark.parametrize("dialect", ["lgsp", "edocservice"])
def test_packets_of_every_dialect_go_wrong(
    mock_hub: RunningHub,
    two: tuple[Any, Any],
    packet: Make,
    client: httpx.Client,
    dialect: str,
    kind: str,
    expected: bytes,
) -> None:
    """Nonsense, or another document's bytes, come from the other dialects too; the next fetch is good."""
    for name in ("first", "second"):
        two[0].send(packet(document_id=name), "H29.05")
    doc_id = two[1].waiting()[0]["docId"]
    mock_hub.faults.add(Fault(kind=kind))

    def fetch() -> bytes:
        if dialect == "lgsp":
            headers = {"X-SystemId": "G22", "X-SecretKey": "G22-key"}
            told = client.get(f"{mock_hub.url}/v1/getEdoc", params={"docId": doc_id}, headers=headers).json()["data"]
        else:
            headers = {"organId": "G22", "Authorization": "G22-key", "type": "EDOC", "docId": "1"}
            told = client.post(f"{mock_hub.url}/EdocService/getDocument", headers=headers).json()
        return base64.b64decode(told["data"])

    assert expected in fetch()
    assert b">first<" in fetch()


def test_every_request_is_recorded(
    mock_hub: RunningHub, two: tuple[Any, Any], packet: Make, client: httpx.Client
) -> None:
    """Who asked what, how it was answered, and the fault that it met; over HTTP too, and never a secret."""
    mock_hub.faults.add(Fault(kind="error", path="/getAgenciesList", status=503))
    data = packet()
    two[0].send(data, "H29.05", exact=True)
    two[1].post("getAgenciesList", two[1].headers({}))
    sent, asked = mock_hub.requests()
    assert (sent.path, sent.kind, sent.size, sent.status) == ("/sendEdoc", "edoc", len(data), 200)
    assert (asked.callers, asked.status, asked.fault) == (frozenset({"G22"}), 503, "error")
    assert mock_hub.requests("/sendEdoc") == [sent]
    assert mock_hub.requests(agency="G22") == [asked]
    told = client.get(f"{mock_hub.url}/mock/requests", params={"agency": "G22"}).json()["requests"]
    assert [one["path"] for one in told] == ["/getAgenciesList"]
    assert "-key" not in json.dumps(told)
    client.delete(f"{mock_hub.url}/mock/requests")
    assert mock_hub.requests() == []
