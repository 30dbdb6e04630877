"""The platform served to a client that is not ours: raw HTTP by the interface's description alone."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from edoc_connector import edxml
from edoc_connector.mockhub import Fault, LgspTraps, MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub

LOGIN = {"username": "qlvb", "password": "p4ss", "applicationCode": "QLVB", "otp": None, "twoFactorProvider": None}


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningHub]:
    """A platform with a login."""
    traps = LgspTraps(username="qlvb", password="p4ss")
    with RunningHub(MockHubConfig(data=tmp_path / "hub", lgsp=traps)) as running:
        for code in ("H29.05", "G22"):
            running.add_agency(code, f"key-{code}", code)
        yield running


@pytest.fixture
def packet(tmp_path: Path) -> bytes:
    """A packet of ours."""
    path = tmp_path / "7816.edxml"
    edxml.write(sample_document(), path, at=datetime.now(UTC))
    return path.read_bytes()


def _log_in(hub: RunningHub) -> str:
    answer = httpx.post(f"{hub.url}/api/v1/auth/login?allow_anonymous=true", json=LOGIN | {"typeObjs": [0, 1]}).json()
    assert answer["code"] == 200
    token: str = answer["data"]["token"]
    return token


def _client(hub: RunningHub, code: str, token: str = "") -> httpx.Client:
    headers = {"X-SystemId": code, "X-SecretKey": f"key-{code}"} | (
        {"Authorization": f"Bearer {token}"} if token else {}
    )
    return httpx.Client(base_url=f"{hub.url}/api/v1", headers=headers, trust_env=False)


def _window(days: int = 2) -> dict[str, str]:
    now = datetime.now(UTC) + timedelta(hours=7)
    return {"fromDate": f"{now - timedelta(days=days - 1):%Y/%m/%d}", "toDate": f"{now + timedelta(days=1):%Y/%m/%d}"}


def test_a_document_by_raw_requests(hub: RunningHub, packet: bytes) -> None:
    """Login, sendEdoc, list, getEdoc, updateStatus and the directory, as the description has them."""
    token = _log_in(hub)
    assert 800 < len(token) < 1100
    with _client(hub, "H29.05", token) as sender, _client(hub, "G22", token) as receiver:
        files = {"edocFile": ("7816.edxml", packet, "application/xml")}
        sent = sender.post("/sendEdoc", data={"messageType": "edoc"}, files=files).json()
        assert sent["code"] == 200
        assert sent["data"]["docId"]
        listed = receiver.get("/syncReceivedEdocList", params={"messageType": "edoc", **_window()}).json()
        assert (listed["count"], listed["data"][0]["status"], listed["data"][0]["from"]) == (1, "initial", "H29.05")
        doc_id = listed["data"][0]["docId"]
        got = receiver.get("/getEdoc", params={"docId": doc_id}).json()["data"]
        assert b"7816" in base64.b64decode(got["data"])
        assert receiver.post("/updateStatus", json={"docId": doc_id, "status": "done"}).json()["code"] == 200
        again = receiver.get("/syncReceivedEdocList", params={"messageType": "edoc", **_window()}).json()
        assert again["data"][0]["status"] == "done"
        assert {row["orgCode"] for row in receiver.get("/getAgenciesList").json()["data"]} == {"H29.05", "G22"}


def test_by_curl(hub: RunningHub, packet: bytes, tmp_path: Path, run_curl: Callable[..., bytes]) -> None:
    """curl by the description alone: login, sendEdoc as a form, the list of the receiver."""
    path = tmp_path / "7816.edxml"
    path.write_bytes(packet)
    url = f"{hub.url}/apithunghiem/v1"
    told = run_curl(
        "-H", "Content-Type: application/json", "-d", json.dumps(LOGIN), f"{url}/auth/login?allow_anonymous=true"
    )  # fmt: skip
    headers = [f"Authorization: Bearer {json.loads(told)['data']['token']}", "X-SystemId: H29.05"]
    options = [part for header in (*headers, "X-SecretKey: key-H29.05") for part in ("-H", header)]
    form = ["-F", f"edocFile=@{path};type=application/xml", "-F", "messageType=edoc"]
    assert json.loads(run_curl(*options, *form, f"{url}/sendEdoc"))["data"]["status"] == "OK"
    options = [part for header in (headers[0], "X-SystemId: G22", "X-SecretKey: key-G22") for part in ("-H", header)]
    query = [part for name, day in _window().items() for part in ("--data-urlencode", f"{name}={day}")]
    listed = run_curl("-G", *options, "-d", "messageType=edoc", *query, f"{url}/syncReceivedEdocList")
    assert [row["status"] for row in json.loads(listed)["data"]] == ["initial"]


def test_what_the_gateway_refuses(hub: RunningHub) -> None:
    """Without Bearer 401 ``licenseInfo:invalid``; wrong keys and passwords 401 ``Unauthorized``, both plain text."""
    with _client(hub, "H29.05") as client:
        answer = client.get("/getAgenciesList")
        assert (answer.status_code, answer.text) == (401, "licenseInfo:invalid")
    with _client(hub, "H29.05", _log_in(hub)) as client:
        answer = client.get("/getAgenciesList", headers={"X-SecretKey": "wrong"})
        assert (answer.status_code, answer.text) == (401, "Unauthorized")
    entries: list[object] = [LOGIN | {"password": "x"}, LOGIN | {"username": None}, []]
    for entry in entries:
        answer = httpx.post(f"{hub.url}/v1/auth/login", json=entry)
        assert (answer.status_code, answer.text) == (401, "Unauthorized")
    assert httpx.post(f"{hub.url}/v1/auth/login", content=b"{").status_code == 401


def test_what_the_platform_refuses(hub: RunningHub, packet: bytes) -> None:
    """Chunks, cut forms, wide windows, odd days, kinds and states are refused, each in its own way."""
    with _client(hub, "H29.05", _log_in(hub)) as client:
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        for content in (iter([b"--x--"]), b"no form", b"--x\r\n\r\n"):
            answer = client.post("/sendEdoc", content=content, headers=form)
            assert answer.text.startswith("IncorrectInput: Failed to read the request form")
        files = {"edocFile": ("a.edxml", packet, "application/xml")}
        refused = [
            client.post("/sendEdoc", data={"messageType": "letter"}, files=files),
            client.post("/sendEdoc", data={"messageType": "edoc"}, files={"edocFile": ("a", b"no XML")}),
            client.get("/syncReceivedEdocList", params={"messageType": "edoc", **_window(9)}),
            client.get("/syncReceivedEdocList", params={"messageType": "edoc", "fromDate": "2026-01-01"}),
            client.get("/syncReceivedEdocList", params={"messageType": "letter", **_window()}),
            client.get("/getEdoc", params={"docId": "nobody's"}),
            client.post("/updateStatus", json={"docId": "1", "status": "maybe"}),
            client.post("/updateStatus", content=b"["),
        ]
    for answer in refused:
        assert (answer.status_code, answer.json()["code"]) == (200, 500)
        assert answer.json()["data"]["status"] == "error"


def test_an_agency_sends_as_nobody_else(hub: RunningHub, packet: bytes) -> None:
    """The sender in the packet must be the system's: errorCode 19."""
    with _client(hub, "G22", _log_in(hub)) as client:
        files = {"edocFile": ("a.edxml", packet, "application/xml")}
        answer = client.post("/sendEdoc", data={"messageType": "edoc"}, files=files).json()
    assert answer["data"]["errorCode"] == "19"


def test_faults_and_refusals_of_its_calls(hub: RunningHub) -> None:
    """Faults name its calls by their path without the base, and find a docId in the query."""
    hub.faults.add(Fault(kind="answer", path="/v1/getEdoc", doc_id="7", status=404, body="gone"))
    with _client(hub, "G22", _log_in(hub)) as client:
        assert client.get("/getEdoc", params={"docId": "8"}).status_code == 200
        assert client.get("/getEdoc", params={"docId": "7"}).text == "gone"


def test_a_token_has_an_end(tmp_path: Path) -> None:
    """A token is good for its time at most, and none is where it was rotated."""
    traps = LgspTraps(username="qlvb", password="p4ss", token_lifetime=timedelta(0))
    with RunningHub(MockHubConfig(data=tmp_path / "hub", lgsp=traps)) as hub:
        hub.add_agency("G22", "key-G22")
        with _client(hub, "G22", _log_in(hub)) as client:
            assert client.get("/getAgenciesList").status_code == 401
