"""A client written by others against the real hub works here unchanged: its recorded requests, replayed."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import socket
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing.hub import RunningHub

SECRET = "c2VjcmV0LWZvci10ZXN0cw=="
NAMES = (
    "01-sendEdoc",
    "02-getReceivedEdocList",
    "03-getEdoc",
    "04-downloadEdoc",
    "05-updateStatus",
    "06-getSentEdocList",
    "07-getAgenciesList",
    "08-getAgenciesListQD20",
    "09-getSynchronizeUnit",
    "10-registerAgency",
    "11-deleteAgency",
    "12-countReceiveEdoc",
    "13-sendEdoc",
)


def freshen(head: bytes) -> bytes:
    """The same header lines in the same order, with the time of now and the HMAC that goes with it."""
    now = datetime.now(UTC).astimezone(timezone(timedelta(hours=7)))
    stamp = now.strftime("%d%m%YT%H%M%S") + f"+{now.microsecond // 1000:04d}"
    old = re.search(rb"^XroadVnpt-timestamp: (.+)\r$", head, re.MULTILINE)
    assert old is not None
    head = head.replace(old[1], stamp.encode())
    text = re.search(rb"^XroadVnpt-sign-header: (.+)\r$", head, re.MULTILINE)
    assert text is not None
    digest = hmac.new(SECRET.encode(), text[1], hashlib.sha256).hexdigest()
    return re.sub(rb"(?m)^(XroadVnpt-hash-header: ).+\r$", rb"\g<1>" + digest.encode() + b"\r", head)


def exchange(url: str, head: bytes, body: bytes) -> tuple[int, bytes]:
    """Send as that client does, waiting for 100 Continue where it asks for it; status and body of the answer."""
    address = urlsplit(url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=20) as connection,
        connection.makefile("rb") as reader,
    ):
        connection.sendall(head + b"\r\n\r\n")
        if b"\nExpect: 100-continue" in head:
            assert reader.readline().startswith(b"HTTP/1.1 100")
            assert reader.readline() == b"\r\n"
        connection.sendall(body)
        status = int(reader.readline().split()[1])
        length = 0
        while (line := reader.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return status, reader.read(length)


@pytest.fixture
def hub(mock_hub: RunningHub, packet: Any) -> RunningHub:
    """A hub with the agencies and docIds that the recorded requests name."""
    mock_hub.add_agency("000.00.00.H29", SECRET, system_id="H29.TEST")
    mock_hub.add_agency("H29.01", SECRET, system_id="H29.TEST")
    for code in ("G22", "H13", "000.00.00.G22"):
        mock_hub.add_agency(code, "another")
    mock_hub.offer(packet(), sender="G22", to="000.00.00.H29", doc_id="d-1")
    mock_hub.offer(packet(), sender="G22", to="000.00.00.H29", doc_id="d-2")
    return mock_hub


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_request_is_accepted(hub: RunningHub, collection: Path, name: str) -> None:
    """VXP interface, "Headers" and "Calls": recorded header order and body, a fresh timestamp and HMAC."""
    head, _, body = (collection / f"captures/vxp/{name}.http").read_bytes().partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    status, answer = exchange(hub.url, freshen(head), body[: int(length[1])] if length else b"")
    assert status == 200
    if name == "04-downloadEdoc":
        assert answer.startswith(b"<?xml")
    else:
        assert json.loads(answer)["ErrorCode"] == "0"


def test_all_of_them_one_after_another(hub: RunningHub, collection: Path) -> None:
    """VXP interface: the two sends carry the same bytes as different types to different agencies: no duplicates."""
    for name in ("01-sendEdoc", "13-sendEdoc"):
        head, _, body = (collection / f"captures/vxp/{name}.http").read_bytes().partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        _, answer = exchange(hub.url, freshen(head), body[: int(length[1])])
        assert json.loads(answer)["ErrorCode"] == "0"
    sent = [held for held in hub.packets() if held.packet.system_id]
    assert [[receipt.recipient for receipt in held.receipts] for held in sent] == [["000.00.00.G22"], ["G22", "H13"]]


def test_the_body_is_kept_without_its_tail(tmp_path: Path, collection: Path) -> None:
    """VXP interface, "Compatibility": passed through, a packet is the file's bytes, without the CRLF after them."""
    with RunningHub(MockHubConfig(data=tmp_path / "h", pass_through=True)) as hub:
        hub.add_agency("000.00.00.H29", SECRET, system_id="H29.TEST")
        hub.add_agency("000.00.00.G22", "another")
        head, _, body = (collection / "captures/vxp/01-sendEdoc.http").read_bytes().partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        assert length is not None
        exchange(hub.url, freshen(head), body[: int(length[1])])
        (held,) = hub.packets()
        assert held.path.read_bytes() == (collection / "samples/status.edxml").read_bytes()
