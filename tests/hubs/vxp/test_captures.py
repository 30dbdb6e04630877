"""Captured requests, those of the vendor's own client too, made again from the same inputs and the same time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edoc_connector.client.bodies import Upload
from edoc_connector.hubs import FileBody, MessageType, Outcome, Vxp, WireRequest
from edoc_connector.hubs.fields import VIETNAM
from edoc_connector.hubs.wire import Flow

SECRET = "c2VjcmV0LWZvci10ZXN0cw=="

Make = Callable[[Vxp, Path], Flow[Any]]

CAPTURES: dict[str, Make] = {
    "01-sendEdoc.http": lambda v, d: v.send(d / "status.edxml", message_type=MessageType.EDOC, sender="000.00.00.H29"),
    "02-getReceivedEdocList.http": lambda v, d: v.list_waiting(),
    "03-getEdoc.http": lambda v, d: v.get_edoc("d-1", d / "x", file_path="/var/edoc/inbox"),
    "04-downloadEdoc.http": lambda v, d: v.download_edoc("d-2", d / "x", file_path="/var/edoc/inbox"),
    "05-updateStatus.http": lambda v, d: v.confirm("d-1", Outcome.DONE),
    "06-getSentEdocList.http": lambda v, d: v.sent_state(doc_id="s-1"),
    "07-getAgenciesList.http": lambda v, d: v.agencies(),
    "08-getAgenciesListQD20.http": lambda v, d: v.agencies_qd20(level=1),
    "09-getSynchronizeUnit.http": lambda v, d: v.agency_changes(),
    "10-registerAgency.http": lambda v, d: v.register_agency(
        parent_code="H29", code="H29.01", name="Văn phòng", mail="a@b.vn"
    ),
    "11-deleteAgency.http": lambda v, d: v.delete_agency("H29.01"),
    "12-countReceiveEdoc.http": lambda v, d: v.count_received_edoc(),
    "13-sendEdoc.http": lambda v, d: v.send(
        d / "status.edxml", message_type=MessageType.STATUS, sender="000.00.00.H29", recipients=["G22", "H13"]
    ),
}


def test_every_capture_is_made_again(collection: Path) -> None:
    """No captured request is left out of this module (VXP interface, captures)."""
    assert {path.name for path in (collection / "captures" / "vxp").glob("*.http")} == set(CAPTURES)


@pytest.mark.parametrize("name", CAPTURES)
def test_capture(
    name: str, capture: Any, collection: Path, tmp_path: Path, ask: Callable[[Flow[Any]], WireRequest]
) -> None:
    """Signed header, key list, HMAC, hash and body equal the captured ones (VXP interface, headers)."""
    theirs = capture(name)
    (tmp_path / "status.edxml").write_bytes((collection / "samples" / "status.edxml").read_bytes())
    vxp = Vxp(endpoint="http://h", system_id="H29.TEST", secret=SECRET, now=lambda: at(theirs.parameter("timestamp")))
    request = ask(CAPTURES[name](vxp, tmp_path))
    assert (request.method, request.url) == (theirs.method, f"http://h{theirs.path}")
    assert request.headers["Content-Type"] == theirs.headers["Content-Type"]
    assert {k: v for k, v in request.headers.items() if k.startswith("XroadVnpt-")} == theirs.signed()
    assert body_of(request) == theirs.body


HASHES = {  # of status.edxml, as the vendor's client writes it: without the noughts that begin a byte
    "data": "32781dde2273d8521cb2c94c2fe854481a36218cc0c2c57d6bc7b3a23ff5",
    "shared": "cc7bdd662415e725c750bf6ce64c36a87ad21bf38d0a593f9f10203572747f",
}


def test_exact_mode(collection: Path, vxp: Vxp, ask: Callable[[Flow[Any]], WireRequest]) -> None:
    """Without the switch the hash is padded hex and nothing follows the packet (VXP interface, compatibility)."""
    source = collection / "samples" / "status.edxml"
    exact = replace(vxp, sdk_compatible=False)
    request = ask(exact.send(source, message_type=MessageType.EDOC, sender="H29"))
    digest = request.headers["XroadVnpt-hash-file"]
    assert len(digest) == 64
    assert digest.replace("0", "") == HASHES[collection.name].replace("0", "")
    assert body_of(request) == source.read_bytes()


def at(stamp: str) -> datetime:
    """Parse the moment of a captured time stamp, which is Vietnam time."""
    clock, milliseconds = stamp.split("+")
    return datetime.strptime(clock, "%d%m%YT%H%M%S").replace(tzinfo=VIETNAM) + timedelta(milliseconds=int(milliseconds))


def body_of(request: WireRequest) -> bytes:
    """Read the bytes that a client would send."""
    with Upload(request) as upload:
        data = b"".join(upload) if isinstance(request.body, FileBody) else request.body
        assert len(data) == upload.length
        return data
