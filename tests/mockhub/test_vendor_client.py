"""The vendor's own client and library, unchanged, against the mock hub.

Runs where Java is and EDOC_TEST_VENDOR_SDK names a folder with the jars of the vendor's SDK and of what it needs;
elsewhere what was recorded of it stands in (`test_captures`, `test_recorded_rebuilds`).
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edoc_connector import HubClient, Vxp, edxml, signing
from edoc_connector.hubs import MessageType, Outcome
from edoc_connector.mockhub import rebuild_packet
from edoc_connector.mockhub.codes import RefusedError
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

SDK = os.environ.get("EDOC_TEST_VENDOR_SDK", "")
pytestmark = pytest.mark.skipif(
    not (SDK and shutil.which("java")), reason="no Java, or EDOC_TEST_VENDOR_SDK names no folder of the vendor's jars"
)
Make = Callable[..., Any]
TYPED = {"servicetype": "eDoc", "messagetype": "edoc"}
CHANGES = {
    0: edxml.Business(),
    1: edxml.Business(type=edxml.BusinessType.RECALL, document_id="H29.05,2026/11/01,1/CV", reason="Ban hành nhầm"),
    2: edxml.Business(
        type=edxml.BusinessType.UPDATE,
        document_id="H29.05,2026/11/01,1/CV",
        reason="Sửa lỗi",
        content_changed=True,
        receivers_changed=True,
        receivers=(edxml.ReceiverChange(organ_id="G22", added=True),),
    ),
    3: edxml.Business(
        type=edxml.BusinessType.REPLACE,
        reason="Thay thế",
        replaces=(edxml.Replacement(document_id="H29.05,2026/11/01,1/CV", organ_ids=("G22",)),),
    ),
}
AT = datetime(2026, 11, 29, tzinfo=UTC)
STATUSES = ("01", "02", "03", "04", "05", "06", "15", "16")  # of the recipient; 13 is the sender's


class VendorThrewError(Exception):
    """The vendor's code threw."""


class Vendor:
    """The vendor's client and library in one process, whose service objects live as long as it."""

    def __init__(self, url: str, folder: Path) -> None:
        self._folder = folder
        program = Path(__file__).parent / "vendor/VendorDriver.java"
        options = ["-Duser.timezone=Asia/Ho_Chi_Minh", "-Dfile.encoding=UTF-8", "-cp", f"{SDK}/*"]
        self._process = subprocess.Popen(
            ["java", *options, str(program), url, str(folder)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8",
        )  # fmt: skip

    def __enter__(self) -> Vendor:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def call(self, system: str, name: str, parameters: dict[str, str], *arguments: str) -> dict[str, Any]:
        """Call a method of a system's service object; the secret is the system's id and ``-key``."""
        given = [json.dumps(parameters, ensure_ascii=False), *arguments]
        answer: dict[str, Any] = self._ask(
            {"system": system, "secret": f"{system}-key", "call": name, "arguments": given}
        )
        return answer

    def send(self, system: str, packet: bytes, kind: str = "edoc") -> dict[str, Any]:
        path = self._folder / "to-send.edxml"
        path.write_bytes(packet)
        return self.call(system, "sendEdoc", {"from": system, "servicetype": "eDoc", "messagetype": kind}, str(path))

    def waiting(self, system: str, kind: str = "edoc") -> list[dict[str, Any]]:
        answer = self.call(system, "getReceivedEdocList", {**TYPED, "messagetype": kind})
        assert (answer["status"], answer["errorCode"]) == ("OK", "0"), answer
        found: list[dict[str, Any]] = answer["knobsticks"]
        return found

    def fetch(self, system: str, doc_id: str) -> Path:
        answer = self.call(system, "getEdoc", {"filePath": str(self._folder / system), "docId": doc_id})
        assert (answer["status"], answer["errorCode"]) == ("OK", "0"), answer
        return Path(answer["filePath"])

    def confirm(self, system: str, doc_id: str, state: str = "done", name: str = "docid") -> dict[str, Any]:
        return self.call(system, "updateStatus", {"status": state, name: doc_id})

    def rebuild(self, source: Path, target: Path, kind: str = "edoc") -> None:
        """Parse a packet and build it again, by the vendor's library."""
        self._ask({"rebuild": str(source), "target": str(target), "kind": kind})

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.startswith("= "):
            raise VendorThrewError(line)
        return json.loads(line[2:])


@pytest.fixture
def vendor(mock_hub: RunningHub, tmp_path: Path) -> Iterator[Vendor]:
    folder = tmp_path / "vendor"
    folder.mkdir()
    for code, name in (("H29.05", "Sở Nội vụ"), ("G22", "Văn phòng Chính phủ")):
        mock_hub.add_agency(code, f"{code}-key", name)
    with Vendor(mock_hub.url, folder) as running:
        yield running


def build(folder: Path, *, number: str, business: int, **changes: Any) -> bytes:
    """A packet of ours, signed and sealed."""
    signer, at = agency_keys("Sở Nội vụ", organ_id="H29.05").signer(), datetime.now(UTC)
    document = sample_document(number=number, business=CHANGES[business], **changes)
    path = folder / "ours.edxml"
    seal = signing.seal_maker(document, signer=signer, at=at)
    edxml.write(document, path, at=at, signature=signing.enveloped(signer), seal=seal)
    return path.read_bytes()


def test_a_day_of_the_vendors_client(vendor: Vendor, tmp_path: Path, status: Make) -> None:
    """Four business types, nine statuses, every call, one service object for each system."""
    for business in CHANGES:
        answer = vendor.send("H29.05", build(tmp_path, number=str(business), business=business))
        assert (answer["status"], answer["errorCode"]) == ("OK", "0"), answer
        (row,) = vendor.waiting("G22")
        assert (row["from"], row["to"], row["status"], row["serviceType"]) == ("H29.05", "G22", "initial", "eDoc")
        assert vendor.call("G22", "countReceiveEdoc", TYPED)["count"] == 1
        assert vendor.confirm("G22", row["id"], "processing", "docId")["errorCode"] == "0"
        fetched = vendor.fetch("G22", row["id"])
        downloaded = vendor.call("G22", "downloadEdoc", {"filePath": str(tmp_path / "raw"), "docId": row["id"]})
        assert Path(downloaded["filePath"]).read_bytes() == fetched.read_bytes()
        assert vendor.confirm("G22", row["id"])["errorCode"] == "0"
        assert vendor.waiting("G22") == []
        (sent,) = vendor.call("H29.05", "getSentEdocList", {**TYPED, "docId": answer["docID"]})["statusResult"]
        assert (sent["toCode"], sent["receiveStatus"], sent["receiveStatusDesc"]) == ("G22", "done", "Đã nhận")
    for code in STATUSES:
        assert vendor.send("G22", status(code=code, description=f"trạng thái {code}"), "status")["errorCode"] == "0"
    assert vendor.send("H29.05", status(sender="H29.05", to="G22", code="13"), "status")["errorCode"] == "0"
    assert vendor.call("H29.05", "countReceiveStatus", {**TYPED, "messagetype": "status"})["count"] == len(STATUSES)
    for system, codes in (("H29.05", STATUSES), ("G22", ("13",))):
        rows = vendor.waiting(system, "status")
        texts = [vendor.fetch(system, row["id"]).read_text(encoding="utf-8") for row in rows]
        assert [re.findall("StatusCode>(..)<", text)[0] for text in texts] == list(codes)
        assert {vendor.confirm(system, row["id"])["errorCode"] for row in rows} == {"0"}
        assert vendor.waiting(system, "status") == []


def test_the_directory_by_the_vendors_client(vendor: Vendor) -> None:
    """registerAgency, deleteAgency and the three lists of agencies, with values left out here and there."""
    entry = {"id": "", "pcode": "H29.05", "code": "H29.05.01", "name": "Van phong", "mail": "", "mobile": "", "fax": ""}
    assert vendor.call("H29.05", "registerAgency", {}, json.dumps(entry))["errorCode"] == "0"
    agencies = vendor.call("G22", "getAgenciesList", {})["agencies"]
    assert [(one["code"], one["name"]) for one in agencies] == [
        ("H29.05", "Sở Nội vụ"), ("G22", "Văn phòng Chính phủ"), ("H29.05.01", "Van phong"),
    ]  # fmt: skip
    assert [one["code"] for one in vendor.call("G22", "getAgenciesListQD20", {"level": "1"})["agencies"]] == ["G22"]
    assert vendor.call("H29.05", "deleteAgency", {"AgencyCode": "H29.05.01"})["errorCode"] == "0"
    changes = vendor.call("G22", "getSynchronizeUnit", {})["unitSynchronize"]
    assert [(one["code"], one["deleted"]) for one in changes][-1] == ("H29.05.01", True)


def test_the_vendors_client_understands_refusals(vendor: Vendor, mock_hub: RunningHub, packet: Make) -> None:
    """Every call that is refused gives the hub's code; nothing throws, nothing comes back without an answer."""
    refused = {
        "getReceivedEdocList": TYPED, "getSentEdocList": {**TYPED, "docId": "x"}, "updateStatus": {"status": "done"},
        "getEdoc": {"filePath": "x", "docId": "x"}, "countReceiveEdoc": TYPED, "countReceiveStatus": TYPED,
        "getAgenciesList": {}, "getAgenciesListQD20": {"level": "1"}, "getSynchronizeUnit": {},
        "deleteAgency": {"AgencyCode": "G22"},
    }  # fmt: skip
    for name, parameters in refused.items():
        answer = vendor.call("X99", name, {"docid": "x", **parameters})
        assert (answer["status"], answer["errorCode"]) == ("FAIL", "15"), name
    answer = vendor.send("X99", packet())
    assert (answer["status"], answer["errorCode"], answer["docID"]) == ("FAIL", "15", "")
    assert vendor.send("H29.05", packet(to=("Sở",)))["errorDesc"] == "the receiver Sở does not exist"
    assert vendor.send("H29.05", packet())["errorCode"] == "0"
    assert vendor.send("H29.05", packet())["errorCode"] == "25"
    assert vendor.confirm("G22", "unknown")["errorCode"] == "26"
    mock_hub.clock_tolerance = timedelta(minutes=5)
    mock_hub.clock_offset = timedelta(hours=1)
    assert vendor.call("G22", "getAgenciesList", {})["errorCode"] == "16"


@pytest.mark.parametrize("business", CHANGES)
def test_what_we_send_the_vendors_client_fetches(
    vendor: Vendor, mock_hub: RunningHub, tmp_path: Path, business: int
) -> None:
    """Ours to theirs: their library reads what they fetch, and what it makes of that still verifies by the seal."""
    path = tmp_path / "sent.edxml"
    path.write_bytes(build(tmp_path, number="7", business=business))
    with HubClient(Vxp(endpoint=mock_hub.url, system_id="H29.05", secret="H29.05-key")) as client:
        client.send(path, message_type=MessageType.EDOC, sender="H29.05")
    (row,) = vendor.waiting("G22")
    fetched, again = vendor.fetch("G22", row["id"]), tmp_path / "again.edxml"
    vendor.rebuild(fetched, again)
    policy = signing.VerifyPolicy(
        mode=signing.VerifyMode.TRUSTED, anchors=(agency_keys("Sở Nội vụ", organ_id="H29.05").root,)
    )
    for packet in (fetched, again):
        verification = signing.verify(edxml.read(packet), policy)
        assert (verification.status.name, verification.method) == ("VALID", "seal")


def test_what_the_vendors_client_sends_we_fetch(
    vendor: Vendor, mock_hub: RunningHub, tmp_path: Path, packet: Make, status: Make
) -> None:
    """Theirs to ours: packets that their library built are sent by them, fetched, read and confirmed by us."""
    made, built = tmp_path / "made.edxml", tmp_path / "built.edxml"
    made.write_bytes(packet(attachments=(("cid:1", "a.txt", "text/plain", "nội dung".encode()),)))
    vendor.rebuild(made, built)
    assert vendor.send("H29.05", built.read_bytes())["errorCode"] == "0"
    assert vendor.send("H29.05", status(sender="H29.05", to="G22"), "status")["errorCode"] == "0"
    with HubClient(Vxp(endpoint=mock_hub.url, system_id="G22", secret="G22-key")) as client:
        for kind in (MessageType.EDOC, MessageType.STATUS):
            (waiting,) = client.list_waiting(kind)
            got = edxml.read(client.fetch(waiting.doc_id, tmp_path / "got.edxml").path)
            client.confirm(waiting.doc_id, Outcome.DONE)
            assert got.message.sender.id == "H29.05"
            assert client.list_waiting(kind) == ()


LEAF = re.compile(rb"<([\w:]+)[^<>]*>([^<>]*)</\1>")
TEXTS = (
    b"", b" ", b"0", b"1", b"-1", b"+1", b"007", b" 1 ", b"x", b"true", b"2026/02/30", b"20/11/2026 08:00",
    b"2026-11-20",
    b"2026/11/28 24:00:00", b"application/zip", b"a.ZIP", b"b.xslx", b"cid:9", b"a&#13;\nb", b"!!!", "\u00a0a".encode(),
)  # fmt: skip


def mutate(packet: bytes, chance: random.Random) -> bytes:
    """Change, empty, double or drop some of the elements that hold a text."""
    for _ in range(chance.randint(1, 4)):
        found = chance.choice(list(LEAF.finditer(packet)))
        start, end = found.span()
        other = packet[start : found.start(2)] + chance.choice(TEXTS) + packet[found.end(2) : end]
        packet = packet[:start] + chance.choice((other, other, found[0] + other, b"")) + packet[end:]
    return packet


def test_odd_packets_are_rebuilt_as_the_library_does(
    vendor: Vendor, tmp_path: Path, comparable: Callable[[bytes], bytes]
) -> None:
    """Whatever is odd in a packet, the hub makes of it what the library makes, and refuses what it throws on."""
    source, theirs, ours = (tmp_path / name for name in ("odd.edxml", "theirs.edxml", "ours.edxml"))
    packets = [
        build(tmp_path, number="1", business=business, priority=edxml.Priority.URGENT, to_places=("Như trên",))
        for business in CHANGES
    ]
    refused = 0
    for seed in range(400):
        chance = random.Random(seed)
        source.write_bytes(mutate(chance.choice(packets), chance))
        try:
            vendor.rebuild(source, theirs)
        except VendorThrewError:
            refused += 1
            with pytest.raises(RefusedError):
                rebuild_packet(source, ours, at=AT, organ_id="this-hub", limit=1 << 24)
        else:
            rebuild_packet(source, ours, at=AT, organ_id="this-hub", limit=1 << 24)
            assert comparable(ours.read_bytes()) == comparable(theirs.read_bytes()), f"seed {seed}"
    assert 10 < refused < 200
